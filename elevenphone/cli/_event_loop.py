"""The event loop that the commands run on: uvloop's where that is installed, else asyncio's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import TypeVar

_T = TypeVar("_T")


def run(main: Coroutine[object, object, _T]) -> _T:
    """Run a coroutine as `asyncio.run` does, and return what comes of it."""
    with runner() as opened:
        return opened.run(main)


def runner() -> asyncio.Runner:
    """Make a runner, for a command that has several coroutines to run."""
    return asyncio.Runner(loop_factory=_loop_factory())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Give uvloop's factory; `None`, for asyncio's own, where uvloop is absent or not fit for this Python."""
    try:
        # By its name, as types are checked where it is not installed too.
        factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return factory
