"""The event loop that the commands run on: uvloop's where it is installed, else asyncio's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import TypeVar

_T = TypeVar("_T")


def run(main: Coroutine[object, object, _T]) -> _T:
    """Run a coroutine as `asyncio.run` does, and return its result."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as opened:
            return opened.run(main)
    finally:
        main.close()  # it has not begun where no loop could be made


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory; `None`, for asyncio's own, where uvloop cannot be imported."""
    try:
        # By its name, as types are checked where it is not installed too.
        factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return factory
