"""One timer for the time limits of all lookups of a client, instead of one for each.

A timer costs more than everything else that an attempt adds to the transport's own
work: each is compared with many others on its way into the event loop's heap, and
nearly all are cancelled. The limits of a client are much alike, so one timer that
looks at all of them when the first may have passed does the same for nearly nothing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from types import TracebackType
from typing import Self

import msgspec

from elevenphone.errors import ElevenPhoneError

# Looking at one lookup takes about this long, in seconds: the timer spends at most a tenth of the time so.
_LOOK_TAKES = 1e-7
_REST = 10


class Watch(msgspec.Struct, eq=False):
    """A lookup under way, and what may end it from outside; see `Watchdog.watch`.

    Attributes:
        owner: Whose lookup it is: the lane of its run, or that of the single lookups.
        moment: When to end what it does now, on the event loop's clock.
        sending: Whether a request is in flight.
        reason: Why it was ended from outside, or `None`.
        timed_out: Whether `moment` has passed.
    """

    _watchdog: Watchdog
    _task: asyncio.Task[object]
    _cancelling: int
    owner: object
    moment: float = math.inf
    sending: bool = False
    reason: ElevenPhoneError | None = None
    timed_out: bool = False

    def until(self, moment: float) -> None:
        """Bound what comes next."""
        self.moment = moment
        if moment < self._watchdog.alarm_at:
            self._watchdog.set_alarm(moment)

    def end(self, reason: ElevenPhoneError | None = None) -> None:
        """Cancel what it waits for; its own code turns that into an error.

        Args:
            reason: The error; `None` if its time is over.
        """
        if self.reason is None and not self.timed_out:
            self._task.cancel()
        if reason is None:
            self.timed_out = True
        else:
            self.reason = self.reason or reason

    def time_is_over(self) -> bool:
        """Take back a cancellation that means no more than that the time is over.

        Returns:
            Whether it was that; if not, the whole task is to end.
        """
        if not self.timed_out or self.reason is not None:
            return False
        self.timed_out = False
        return self._task.uncancel() <= self._cancelling

    def is_cancelled(self) -> bool:
        """Say whether anybody has cancelled the task, so that a cancellation is not the transport's own."""
        return self._task.cancelling() > self._cancelling

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._watchdog.watches.pop(self, None)
        if self.reason is None and not self.timed_out:
            return
        ours = self._task.uncancel() <= self._cancelling
        if ours and kind is asyncio.CancelledError:
            raise TimeoutError if self.reason is None else self.reason.with_traceback(None) from None


class Watchdog:
    """Ends lookups that take too long, or all of them.

    Attributes:
        watches: The lookups under way.
        alarm_at: The moment of the timer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.watches: dict[Watch, None] = {}  # in order of arrival, so that a simulation can be repeated
        self.alarm_at: float = math.inf
        self._alarm: asyncio.TimerHandle | None = None

    def watch(self, owner: object) -> Watch:
        """Watch over what the current task does inside a `with` block.

        Args:
            owner: Whose lookup it is.

        Returns:
            A context manager, to be entered at once. It raises the reason of `Watch.end`
            instead of the cancellation, or `TimeoutError` if the time was over.

        Raises:
            RuntimeError: There is no current task.
        """
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a lookup must be awaited inside a task")
        watch = Watch(self, task, task.cancelling(), owner)
        self.watches[watch] = None
        return watch

    def end(self, reason: ElevenPhoneError, applies: Callable[[Watch], bool] = lambda _watch: True) -> None:
        """End the lookups to which this applies, each with the same error."""
        for watch in [watch for watch in self.watches if applies(watch)]:
            watch.end(reason)

    def close(self) -> None:
        """Cancel the timer."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def set_alarm(self, moment: float) -> None:
        """Look at all lookups at this moment."""
        self.close()
        self.alarm_at = moment
        if moment < math.inf:
            self._alarm = self._loop.call_at(moment, self._look)

    def _look(self) -> None:
        # The loop may call a little early, by the resolution of its clock.
        now = max(self._loop.time(), self.alarm_at)
        for watch in [watch for watch in self.watches if watch.moment <= now]:
            watch.moment = math.inf
            watch.end()
        earliest = min((watch.moment for watch in self.watches), default=math.inf)
        self.set_alarm(max(earliest, now + _REST * _LOOK_TAKES * len(self.watches)))
