"""An asyncio event loop whose clock jumps to the next timer instead of waiting for it.

    elapsed = virtual_time.run(main())

Hours pass in no time, timers fire at exactly the moment they were set to, and a
loop in which nothing can ever happen again raises `DeadlockError` rather than
hang. Answers from real sockets and threads are not waited for, so there can be none.
"""

from __future__ import annotations

import asyncio
import heapq
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

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
        ready = super().select(0)
        if not ready and timeout is None:
            raise DeadlockError("every task waits, and no timer is set")
        if not ready and timeout is not None and timeout > 0:
            self._advance(timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop on a virtual clock, which starts at `START`."""

    def __init__(self) -> None:
        self._now = START
        self._timers: list[float] = []
        super().__init__(_Selector(self.advance))

    def time(self) -> float:
        return self._now

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        heapq.heappush(self._timers, when)
        return super().call_at(when, callback, *args, context=context)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        target = self._now + seconds
        # The sum may be a rounding error short of the timer that it leads to.
        while self._timers and self._timers[0] <= target + _ROUNDING:
            target = max(target, heapq.heappop(self._timers))
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
