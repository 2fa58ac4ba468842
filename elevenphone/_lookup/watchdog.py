"""One timer for the time limits of all lookups of a client, instead of one for each.

A timer for each attempt would cost more than the rest of the attempt, apart from the
transport: the event loop compares it with many others, and nearly all are cancelled.
The time limits of a client are similar. So one timer checks all of them when the first
may have passed, and costs next to nothing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import msgspec

from elevenphone.errors import ElevenPhoneError

# The check of one lookup takes about this long, in seconds; the timer uses at most a tenth of the time.
_LOOK_TAKES = 1e-7
_REST = 10


class Watched(msgspec.Struct, eq=False, kw_only=True):
    """A lookup that can be ended from outside. `Job` is the only subclass.

    Attributes:
        task: The task of the lookup, while it is watched.
        cancelling: How often the task was cancelled before.
        moment: The end of its time limit, on the event loop's clock.
        reason: Why it was ended from outside, or `None`.
        timed_out: Whether `moment` has passed.
    """

    task: asyncio.Task[object] | None = None
    cancelling: int = 0
    moment: float = math.inf
    reason: ElevenPhoneError | None = None
    timed_out: bool = False

    def end(self, reason: ElevenPhoneError | None = None) -> None:
        """Cancel its wait; `Dispatcher.look_up` turns the cancellation into an error.

        Args:
            reason: The error, or `None` if its time is over.
        """
        if self.task is not None and self.reason is None and not self.timed_out:
            self.task.cancel()
        if reason is None:
            self.timed_out = True
        else:
            self.reason = self.reason or reason

    def time_is_over(self) -> bool:
        """Take the cancellation back if its only reason is that the time is over.

        Returns:
            Whether that was the only reason; if not, the whole task has to end.
        """
        if not self.timed_out or self.reason is not None:
            return False
        self.timed_out = False
        return self.task is not None and self.task.uncancel() <= self.cancelling

    def is_ended(self) -> bool:
        """Whether the watchdog alone cancelled the task."""
        ended = self.timed_out or self.reason is not None
        return ended and self.task is not None and self.task.cancelling() <= self.cancelling + 1

    def is_cancelled(self) -> bool:
        """Whether the task was cancelled; if not, the transport raised the cancellation itself."""
        return self.task is not None and self.task.cancelling() > self.cancelling


class Watchdog:
    """Ends lookups that take too long, or all lookups when the client is closed.

    Attributes:
        watched: The lookups under way.
        alarm_at: The moment of the timer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.watched: dict[Watched, None] = {}  # in order of arrival, so that a simulation can be repeated
        self.alarm_at: float = math.inf
        self._alarm: asyncio.TimerHandle | None = None

    def watch(self, lookup: Watched) -> None:
        """Watch a lookup of the current task, until `forget`.

        Args:
            lookup: The lookup. It is cancelled when its time is over, or by `end`.

        Raises:
            RuntimeError: There is no current task.
        """
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a lookup must be awaited inside a task")
        lookup.task = task
        lookup.cancelling = task.cancelling()
        self.watched[lookup] = None

    def until(self, lookup: Watched, moment: float) -> None:
        """Set the time limit of the next step of a lookup."""
        lookup.moment = moment
        if moment < self.alarm_at:
            self.set_alarm(moment)

    def forget(self, lookup: Watched) -> None:
        """Stop watching a lookup, and take back the cancellation that ended it."""
        del self.watched[lookup]
        if (lookup.timed_out or lookup.reason is not None) and lookup.task is not None:
            lookup.task.uncancel()
        lookup.task = None

    def end(self, reason: ElevenPhoneError, applies: Callable[[Watched], bool] = lambda _: True) -> None:
        """End all lookups for which `applies` is true, with the same error."""
        for lookup in [lookup for lookup in self.watched if applies(lookup)]:
            lookup.end(reason)

    def close(self) -> None:
        """Cancel the timer."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def set_alarm(self, moment: float) -> None:
        """Check all lookups at this moment."""
        self.close()
        self.alarm_at = moment
        if moment < math.inf:
            self._alarm = self._loop.call_at(moment, self._look)

    def _look(self) -> None:
        # The loop may call a little early, by the resolution of its clock.
        now = max(self._loop.time(), self.alarm_at)
        for lookup in [lookup for lookup in self.watched if lookup.moment <= now]:
            lookup.moment = math.inf
            lookup.end()
        earliest = min((lookup.moment for lookup in self.watched), default=math.inf)
        self.set_alarm(max(earliest, now + _REST * _LOOK_TAKES * len(self.watched)))
