"""How many requests may be in flight, and when the next may start.

Pure state: every method gets the moment as an argument, in seconds of a
monotonic clock. Nothing here waits; `slots` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from random import random as _random

from elevenphone._limits.concurrency import ConcurrencyLimit
from elevenphone._limits.outage import OutageGate, Subject, Verdict
from elevenphone._limits.pace import Pace
from elevenphone._limits.permit import Permit
from elevenphone._meaning import Meaning
from elevenphone.errors import ElevenPhoneError, RateLimitError, StatusError

# No answer delays requests for longer than this, in seconds.
LONGEST_PAUSE = 60.0
# Seconds without a request after which everything learned is forgotten.
_FORGOTTEN_AFTER = 60.0
# Seconds of pause if the whole service is busy and states none: doubling from the first to the last.
_FIRST_BUSY_PAUSE, _LAST_BUSY_PAUSE = 0.25, 8.0
# The same if the only request in flight is refused: other clients use the whole account.
_FIRST_ALONE_PAUSE, _LAST_ALONE_PAUSE = 0.1, 0.4
# Failures in a row, of any ids, after which the server counts as down, and a stale answer is given at once.
_AWAY_AFTER = 3
# If more than this share of attempts fails, fewer requests may help the server.
_MOSTLY_FAILING = 0.7


class Limits:
    """All limits that delay a request, updated by each answer.

    Attributes:
        in_flight: Requests in flight now.
        newest: The number of the newest permit.
        adapts: Whether the limit of requests in flight adapts to the answers.
        resumes_at: The time before which no request may start.
        paused_by: The error that made the last pause.
        concurrency: The limit of requests in flight.
        gate: The gate that closes while the server is down.
    """

    def __init__(
        self,
        *,
        concurrency: int | None = None,
        rate: float | None = None,
        random: Callable[[], float] = _random,
    ) -> None:
        self.adapts: bool = concurrency is None
        self._fixed_concurrency = concurrency
        self._fixed_rate = rate
        self._random = random
        self.in_flight: int = 0
        self.newest: int = 0
        self._last_end = math.inf
        self._quiet_since = math.inf
        self._known_good: Iterable[str] = ()
        self._failures_in_a_row = 0
        self._is_refusing = False  # whether the last answer was a 429
        self._refused_since = math.inf  # the first 429 since the last good answer
        self._has_strain = False  # whether there was a 429 or a failure since the last good answer
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.resumes_at: float = -math.inf
        self.paused_by: StatusError | None = None
        self.concurrency: ConcurrencyLimit = ConcurrencyLimit(self._fixed_concurrency, self._random)
        self._pace = Pace(self._fixed_rate)
        self.gate: OutageGate = OutageGate(self._known_good)
        self._busy_pause = _FIRST_BUSY_PAUSE
        self._alone_pause = _FIRST_ALONE_PAUSE
        self._refused_in_a_row = 0

    @property
    def concurrency_limit(self) -> int:
        """Most requests in flight now."""
        return int(self.concurrency.value)

    @property
    def server_is_away(self) -> bool:
        """Whether the last attempts failed, and none has been answered since; a 429 or a 404 is an answer."""
        return self._failures_in_a_row >= _AWAY_AFTER

    def without_answer_for(self, now: float) -> float:
        """Return the seconds for which the server has given no good answer to any request."""
        return max(0.0, now - self._quiet_since)

    def is_away_for(self, seconds: float, now: float) -> bool:
        """Say whether the server has given no good answer for so long, whatever it was asked for.

        Ids that always fail may have held all slots for that time. So unless it has refused
        requests for as long, a probe must have failed; one becomes due if none is.
        """
        if self.without_answer_for(now) < seconds:
            return False
        if self._is_refusing:
            return now - self._refused_since >= seconds
        if self.gate.closed_at is None:
            self.gate.close(now, self.newest)
        return self.gate.probe_failed

    def ready_at(self, bulk: bool) -> float:
        """Return when the next request may start.

        Args:
            bulk: Whether it belongs to a bulk run. A single lookup does not wait for
                an outage to end, because it is one request, and a caller awaits it.

        Returns:
            A time, perhaps in the past; infinity if another request must end first.
        """
        if self.in_flight + 1 > self.concurrency.value:
            return math.inf
        ready_at = self.resumes_at
        if self._pace.next_start > ready_at:
            ready_at = self._pace.next_start
        if bulk and self.gate.closed_at is not None and self.gate.probe_from > ready_at:
            ready_at = self.gate.probe_from
        return ready_at

    def start(self, permit: Permit, *, bulk: bool, fresh: bool) -> None:
        """Count one request as in flight.

        Args:
            permit: The next permit, which goes back with `answered`, `failed` or `withdraw`.
            bulk: Whether it belongs to a bulk run.
            fresh: Whether it is the first request of its lookup.
        """
        now = permit.started
        if self._quiet_since == math.inf:
            self._quiet_since = now
        elif not self.in_flight:
            # Time in which a request might have started, but nobody wanted one, does not count.
            idle = max(0.0, now - max(self._last_end, self.ready_at(bulk=True)))
            self._quiet_since += idle
            self._refused_since += idle
        if not self.in_flight and now - self._last_end > _FORGOTTEN_AFTER:
            self._known_good = self.gate.known_good  # an id that was found once is a good probe later
            self._begin_anew()
        self.in_flight = permit.in_flight
        self.newest = permit.number
        if self.adapts:
            self.concurrency.started(permit)
        if now >= self._pace.counts_from:
            self._pace.started(permit)
        if bulk and self.gate.closed_at is not None:
            self.gate.started(permit, now, fresh=fresh)

    def withdraw(self, permit: Permit, now: float) -> None:
        """Forget a cancelled request, from which nothing can be learned."""
        self.in_flight -= 1
        self._last_end = now
        self.concurrency.taught_nothing(permit)

    def hint(self, maximum: int, now: float, *, by_refusal: bool = False) -> None:
        """Note the maximum of requests in flight that a header states, or the message of a refusal."""
        self.concurrency.hinted(maximum, now, by_refusal=by_refusal)

    def verdict(self, subject: Subject, attempts: int, now: float) -> Verdict:
        """Decide whether a failed bulk lookup is retried; see `OutageGate.verdict`."""
        return self.gate.verdict(subject, attempts, now, self.newest)

    def answered(self, permit: Permit, now: float, subject: Subject | None, *, found: bool) -> None:
        """Count one request as done whose answer shows no strain; `found` says whether it has a number."""
        self.in_flight -= 1
        self._last_end = now
        if self.adapts:
            self.concurrency.answered(permit, now)
        if self._pace.counts_answers:
            self._pace.answered(now, self.newest)
        # During a pause, requests may be waiting.
        self._quiet_since = now if now < self.resumes_at else math.inf
        if self._has_strain:
            self._has_strain = self._is_refusing = False
            self._refused_since = math.inf
            self._busy_pause = _FIRST_BUSY_PAUSE
            self._alone_pause = _FIRST_ALONE_PAUSE
            self._failures_in_a_row = self._refused_in_a_row = 0
        self.gate.answered(permit, self.newest, subject, found=found)

    def failed(
        self,
        permit: Permit,
        now: float,
        error: ElevenPhoneError,
        meaning: Meaning,
        subject: Subject | None,
    ) -> None:
        """Count one request as done that ended in an error, and learn from it."""
        if meaning.strain == "none":
            self.answered(permit, now, subject, found=False)
            return
        self.in_flight -= 1
        self._last_end = now
        self.concurrency.taught_nothing(permit)
        self._has_strain = True
        self._quiet_since = min(self._quiet_since, now)
        self._is_refusing = meaning.strain == "throttled"
        if self._is_refusing:
            self._refused_since = min(self._refused_since, now)
        self._failures_in_a_row = self._failures_in_a_row + 1 if meaning.strain == "failing" else 0
        if isinstance(error, RateLimitError):
            # A server that counts requests is not down.
            self.gate.answered(permit, self.newest, subject, found=False, final=False)
            self._throttled(permit, now, error)
            return
        away = self.gate.failed(permit, self.newest, now, subject, reached=meaning.sent)
        if away or (self.gate.closed_at is None and self.gate.failing_share > _MOSTLY_FAILING):
            self.concurrency.failing(permit, now)
        if isinstance(error, StatusError):
            self._pause(now, error.retry_after or 0.0, error)

    def _throttled(self, permit: Permit, now: float, error: RateLimitError) -> None:
        match error.kind:
            case "concurrency":
                self._too_many(permit, now, error)
            case "rate":
                self._too_often(permit, now, error)
            case "busy":
                self.concurrency.refused(permit, now, self.in_flight)
                self._busy(permit, now, error)
            case _:
                # If it states a wait, or the limit cannot be cut, treat it as a rate limit.
                if error.retry_after is not None or self.concurrency_limit == 1:
                    self._too_often(permit, now, error)
                else:
                    self._too_many(permit, now, error)

    def _too_many(self, permit: Permit, now: float, error: RateLimitError) -> None:
        # Only the refused lookup waits: if all did, a limit of 10 would do the work of one.
        self.concurrency.refused(permit, now, self.in_flight)
        self._refused_in_a_row += 1
        # A fixed limit is not cut, so every request may be refused while others are in flight.
        if not self.in_flight or self._refused_in_a_row > 2 * self.concurrency_limit:
            self._pause(now, self._alone_pause * (0.5 + 0.5 * self._random()), error)
            self._alone_pause = min(2 * self._alone_pause, _LAST_ALONE_PAUSE)

    def _too_often(self, permit: Permit, now: float, error: RateLimitError) -> None:
        seconds = min(error.retry_after or 0.0, LONGEST_PAUSE)
        self._pace.refused(permit, now, seconds, self.newest)
        self._pause(now, seconds, error)

    def _busy(self, permit: Permit, now: float, error: RateLimitError) -> None:
        pause = error.retry_after or 0.0
        if permit.started >= self.resumes_at:
            # Follow the server, unless it refuses again after the wait it asked for.
            if error.retry_after is None or self._busy_pause > _FIRST_BUSY_PAUSE:
                pause = max(pause, self._busy_pause)
            self._busy_pause = min(2 * self._busy_pause, _LAST_BUSY_PAUSE)
        self._pause(now, pause, error)

    def _pause(self, now: float, seconds: float, error: StatusError) -> None:
        # Only forward: a request that waits for the later time must not start at the earlier one.
        resumes_at = now + min(seconds, LONGEST_PAUSE)
        # Without a wait there is no pause: the requests in flight were not sent before its end.
        if seconds > 0 and resumes_at > self.resumes_at:
            self.resumes_at, self.paused_by = resumes_at, error

    def __repr__(self) -> str:
        return f"<Limits {self.in_flight} of {self.concurrency_limit} in flight, {self.gate!r}>"
