"""One timer for all attempts of a client, in place of one for each.

A timer costs more than all else that an attempt adds to aiohttp's own work: each
one is compared with many others on its way into the event loop's heap, and nearly
all are cancelled. Timeouts of a client are much alike, so one timer that looks at
all of them when the first may have run out does the same for nearly nothing.
"""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Self

import msgspec


class Watchdog:
    """Ends attempts that take too long, as `asyncio.timeout_at` does."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watches: set[Watch] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = math.inf

    def until(self, moment: float) -> Watch:
        """Bound what the current task does inside a `with` block.

        Args:
            moment: When to end it, on the event loop's clock.

        Returns:
            A context manager, to be entered at once, that raises `TimeoutError` in
            place of the cancellation by which it ended what was inside.
        """
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a lookup must be awaited inside a task")
        watch = Watch(moment, task, task.cancelling(), self._watches)
        self._watches.add(watch)
        if moment < self._alarm_at:
            self._set_alarm(moment)
        return watch

    def close(self) -> None:
        """Cancel the timer."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _set_alarm(self, moment: float) -> None:
        self.close()
        self._alarm_at = moment
        self._alarm = self._loop.call_at(moment, self._look) if moment < math.inf else None

    def _look(self) -> None:
        # The loop may call a little early, by the resolution of its clock.
        now = max(self._loop.time(), self._alarm_at)
        for watch in [watch for watch in self._watches if watch.moment <= now]:
            watch.expire()
        self._set_alarm(min((watch.moment for watch in self._watches), default=math.inf))


class Watch(msgspec.Struct, eq=False):
    """One block that is bounded; see `Watchdog.until`."""

    moment: float
    task: asyncio.Task[object]
    cancelling: int
    watches: set[Watch]
    expired: bool = False

    def expire(self) -> None:
        """Cancel the task, whose block turns that into `TimeoutError`."""
        self.expired = True
        self.watches.discard(self)
        self.task.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.watches.discard(self)
        # Where somebody else has cancelled the task too, his cancellation goes on its way.
        if self.expired and self.task.uncancel() <= self.cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from None
