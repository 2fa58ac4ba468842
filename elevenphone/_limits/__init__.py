"""How many requests may be in flight, and when the next may start.

Pure state: every method is told the moment it happens at, in seconds of a
monotonic clock. Nothing here waits; `_admission` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import random as _random

from elevenphone._limits.concurrency import ConcurrencyLimit
from elevenphone._limits.outage import OutageGate
from elevenphone._limits.pace import Pace
from elevenphone._limits.permit import Permit
from elevenphone.errors import (
    ConnectionFailedError,
    DeadlineExceededError,
    ElevenPhoneError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    StatusError,
)

__all__ = ["Limits", "Permit"]

# Longest pause that one answer can impose, in seconds.
_LONGEST_PAUSE = 60.0
# Seconds of pause where the service as a whole is busy and names none: doubling from the first to the last.
_FIRST_BUSY_PAUSE, _LAST_BUSY_PAUSE = 0.25, 8.0
# The same where a request is refused though it is the only one in flight: others have the whole account.
_FIRST_ALONE_PAUSE, _LAST_ALONE_PAUSE = 0.1, 0.4
# From this share of failures on, fewer requests may help the server.
_MOSTLY_FAILING = 0.7


class Limits:
    """All that holds a request back, and what each answer teaches about it.

    Attributes:
        in_flight: Requests in flight now.
        resumes_at: The moment before which nothing may start.
        asked_until: The moment until which the server asked to wait, however far.
        paused_by: What made the last pause.
        concurrency: The limit of requests in flight.
    """

    def __init__(
        self,
        *,
        concurrency: int | None = None,
        rate: float | None = None,
        random: Callable[[], float] = _random,
    ) -> None:
        self.in_flight = 0
        self._started = 0
        self.resumes_at = self.asked_until = -math.inf
        self.paused_by: StatusError | None = None
        self.concurrency = ConcurrencyLimit(concurrency, random)
        self._pace = Pace(rate)
        self._gate = OutageGate()
        self._busy_pause = _FIRST_BUSY_PAUSE
        self._alone_pause = _FIRST_ALONE_PAUSE
        self._random = random

    @property
    def concurrency_limit(self) -> int:
        """Most requests in flight now."""
        return int(self.concurrency.value)

    @property
    def failing_share(self) -> float:
        """The share of the last answers that were failures, from 0 to 1."""
        return self._gate.failing_share

    @property
    def away_since(self) -> float | None:
        """Since when the server has been taken to be away; `None`: it is not."""
        return None if self._gate.closed_at is None else self._gate.failing_since

    def ready_at(self, bulk: bool) -> float:
        """Say when one more request may start.

        Args:
            bulk: Whether it belongs to a bulk run. A single lookup does not wait for
                an outage to end: it is one request, and somebody awaits it.

        Returns:
            A moment, perhaps past; infinity where another must end first.
        """
        if self.in_flight + 1 > self.concurrency.value:
            return math.inf
        ready_at = self.resumes_at
        if self._pace.next_start > ready_at:
            ready_at = self._pace.next_start
        if bulk and self._gate.closed_at is not None:
            ready_at = max(ready_at, self._gate.ready_at())
        return ready_at

    def start(self, now: float, bulk: bool) -> Permit:
        """Count one request as in flight; the permit goes back with `end` or `withdraw`."""
        self.in_flight += 1
        self._started += 1
        permit = Permit(now, self.in_flight, self._started)
        self.concurrency.started(permit)
        self._pace.started(permit)
        if bulk and self._gate.closed_at is not None:
            self._gate.started(permit)
        return permit

    def withdraw(self, permit: Permit) -> None:
        """Forget one request that was called off."""
        self.in_flight -= 1
        self._gate.withdrawn(permit)

    def hint(self, maximum: int, now: float) -> None:
        """Note how many requests in flight an answer says are allowed."""
        self.concurrency.hinted(maximum, now)

    def end(self, permit: Permit, now: float, error: ElevenPhoneError | None) -> None:
        """Count one request as done, and learn from how it ended.

        Args:
            permit: What `start` gave.
            now: The moment.
            error: What it ended with; `None` for a number.
        """
        self.in_flight -= 1
        if error is None:
            self._answered(permit, now)
            return
        match error:
            case RateLimitError():
                self._gate.answered(permit)  # a server that counts requests is not away
                self._throttled(permit, now, error)
            case ServerError() | ConnectionFailedError() | RequestTimeoutError() | DeadlineExceededError():
                self._failed(permit, now, error)
            case StatusError(status=408 | 425):
                self._failed(permit, now, error)
            case _:  # the id's own
                self._answered(permit, now)

    def _answered(self, permit: Permit, now: float) -> None:
        self.concurrency.answered(permit, now)
        self._pace.answered(now)
        self._gate.answered(permit)
        self._busy_pause = _FIRST_BUSY_PAUSE
        self._alone_pause = _FIRST_ALONE_PAUSE

    def _throttled(self, permit: Permit, now: float, error: RateLimitError) -> None:
        match error.kind:
            case "quota":
                pass  # nothing here helps; whoever asked is told
            case "concurrency":
                self._too_many(permit, now, error)
            case "rate":
                self._too_often(permit, now, error)
            case "busy":
                self.concurrency.refused(permit, now, self.in_flight)
                self._busy(permit, now, error)
            case "unknown":
                # With a time to wait, or at a limit that cannot be cut, it must be about time.
                if error.retry_after is not None or self.concurrency_limit == 1:
                    self._too_often(permit, now, error)
                else:
                    self._too_many(permit, now, error)

    def _too_many(self, permit: Permit, now: float, error: RateLimitError) -> None:
        # Only the lookup itself waits: holding everybody makes a limit of 10 do the work of one.
        self.concurrency.refused(permit, now, self.in_flight)
        if not self.in_flight:
            self._pause(now, self._alone_pause * (0.5 + 0.5 * self._random()), error)
            self._alone_pause = min(2 * self._alone_pause, _LAST_ALONE_PAUSE)

    def _too_often(self, permit: Permit, now: float, error: RateLimitError) -> None:
        self._pace.refused(permit, now, error.retry_after or 0.0)
        self._pause(now, error.retry_after or 0.0, error)

    def _busy(self, permit: Permit, now: float, error: RateLimitError) -> None:
        if error.retry_after is not None:
            self._pause(now, error.retry_after, error)
        elif permit.started >= self.resumes_at:
            self._pause(now, self._busy_pause, error)
            self._busy_pause = min(2 * self._busy_pause, _LAST_BUSY_PAUSE)

    def _failed(self, permit: Permit, now: float, error: ElevenPhoneError) -> None:
        closed = self._gate.failed(permit, now)
        if closed or (self._gate.closed_at is None and self.failing_share > _MOSTLY_FAILING):
            self.concurrency.failing(permit, now)
        if isinstance(error, ServerError):
            self._pause(now, error.retry_after or 0.0, error)

    def _pause(self, now: float, seconds: float, error: StatusError) -> None:
        # Only ever forward: whoever waits for the later moment must not be let in at the earlier.
        self.asked_until = max(self.asked_until, now + seconds)
        resumes_at = now + min(seconds, _LONGEST_PAUSE)
        if resumes_at > self.resumes_at:
            self.resumes_at, self.paused_by = resumes_at, error
