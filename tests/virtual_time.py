"""An asyncio event loop whose clock jumps to the next timer instead of waiting for it.

    elapsed = virtual_time.run(main())

Hours pass in no time, timers fire at exactly the moment they were set to, and a
loop in which nothing can ever happen again raises `DeadlockError` rather than
hang. Answers from real sockets and threads are not waited for, so there can be none.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")

# Not 0, so that a moment cannot be taken for "none"; whole seconds stay exact.
START = 1_000.0
_ROUNDING = 1e-9


class DeadlockError(Exception):
    """Every task waits, and no timer is set: nothing would ever happen again."""


class _Selector(selectors.SelectSelector):
    def __init__(self, advance: Callable[[float], None]) -> None:
        super().__init__()
        self._advance = advance

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # With one file, the loop's own, nothing is to be read: what a thread calls for is among the ready.
        ready = super().select(0) if timeout is None or len(self.get_map()) > 1 else []
        if not ready and timeout is None:
            raise DeadlockError("every task waits, and no timer is set")
        if not ready and timeout is not None and timeout > 0:
            self._advance(timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop on a virtual clock, which starts at `START`."""

    _scheduled: list[asyncio.TimerHandle]  # of asyncio's own loop: a heap

    def __init__(self) -> None:
        self._now = START
        super().__init__(_Selector(self.advance))

    def time(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        target = self._now + seconds
        # The sum may be a rounding error short of the timers that it leads to.
        bound, timers, at = target + _ROUNDING, self._scheduled, [0]
        for index in at:
            if index < len(timers) and (when := timers[index].when()) <= bound:
                target = max(target, when)
                at += (2 * index + 1, 2 * index + 2)
        self._now = target


def elapsed() -> float:
    """Return the seconds since `START` in the running loop."""
    return asyncio.get_running_loop().time() - START


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine in a new virtual time, and close all that it opened.

    Raises:
        DeadlockError: Nothing would ever have happened again.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
