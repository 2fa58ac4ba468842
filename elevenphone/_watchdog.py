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
            A context manager that raises `TimeoutError` in place of the cancellation
            by which it ended what was inside.
        """
        return Watch(self, moment)

    def add(self, watch: Watch) -> None:
        """Look after one block."""
        self._watches.add(watch)
        if watch.moment < self._alarm_at:
            self._set_alarm(watch.moment)

    def remove(self, watch: Watch) -> None:
        """Look after it no longer."""
        self._watches.discard(watch)

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


class Watch:
    """One block that is bounded; see `Watchdog.until`."""

    __slots__ = ("_cancelling", "_expired", "_task", "_watchdog", "moment")

    def __init__(self, watchdog: Watchdog, moment: float) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a lookup must be awaited inside a task")
        self.moment = moment
        self._watchdog = watchdog
        self._task = task
        self._cancelling = task.cancelling()
        self._expired = False

    def expire(self) -> None:
        """Cancel the task, whose block turns that into `TimeoutError`."""
        self._expired = True
        self._watchdog.remove(self)
        self._task.cancel()

    def __enter__(self) -> Self:
        self._watchdog.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._watchdog.remove(self)
        # Where somebody else has cancelled the task too, his cancellation goes on its way.
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from None
