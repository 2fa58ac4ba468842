"""How many requests may be in flight: the adaptive concurrency limit."""

from __future__ import annotations

import math
from collections.abc import Callable

from elevenphone._limits.permit import Permit

# The plans known allow 2 to 30 in flight: a start too high for the smallest costs a few refusals, once.
_START = 8.0
_MOST = 100.0

# Seconds before one more is tried: at a limit of 2 and 60 ms an answer, one refusal in 200 requests.
_HOLD = 6.5
_HOLD_AT_HINT = 30.0
# Room left after a refusal, so that another client of the account can get in at all, for how long at the
# least, and how fast it is taken again.
_STEP_BACK = 0.9
_STEP_BACK_SECONDS = 0.5
_RETURN_A_SECOND = 0.5
# The least that is left by one wave of refusals: those of a wave were all sent before the first came back.
_LEAST_OF_A_WAVE = 0.5
_LEFT_WHEN_FAILING = 0.5

# While others use the account: what a refusal leaves, seconds until growth, requests a second it grows by.
_LEFT_WHEN_SHARED = 0.8
_HOLD_WHEN_SHARED = 0.25
_GROWTH_WHEN_SHARED = 1.0
# Seconds from the first refusal in which others are taken to be there: had they started first, or at the same
# moment, nothing else would tell.
_SETTLING_SECONDS = 12.0
_LEFT_WHEN_SETTLING = 0.9
# Refusals in a row without a sign of others until they are taken to have gone.
_REFUSALS_WHEN_SHARED = 2


class ConcurrencyLimit:
    """Most requests in flight, found by growing until refused, as TCP finds its window.

    `value` doubles with each round of answers until the first refusal (slow
    start). What is in flight when a refusal comes back is what the server bears: it
    becomes the ceiling. `value` steps back a tenth, returns to the ceiling within
    seconds, and some seconds later tries one more; where that goes well there is no
    ceiling any more, and the search goes on.

    A refusal at a count below one that was borne means that others use the same
    account. Then, and in the first seconds after the first refusal, when others who
    started with this one could not be told, every refusal cuts by a part and growth is
    by the clock, the same for all, which makes their shares more equal (AIMD).

    Attributes:
        value: The limit; its whole part counts.
    """

    def __init__(self, fixed: int | None, random: Callable[[], float]) -> None:
        self.value = _START if fixed is None else float(fixed)
        self._fixed = fixed is not None
        self._random = random
        self._doubling = True
        self._ceiling = math.inf
        self._least = 1.0
        self._borne = 0
        self._hint = math.inf
        self._hint_binds_until = -math.inf
        self._cut_at = self._full_at = self._grown_at = -math.inf
        self._grow_from = self._probe_from = -math.inf
        self._shared = 0
        self._settled_from = math.inf

    def started(self, permit: Permit) -> None:
        """Note that a request has started."""
        if permit.in_flight >= int(self.value):
            self._full_at = permit.started

    def hinted(self, maximum: int, now: float) -> None:
        """Note the maximum that an answer claims: it holds growth up, and never speeds it."""
        if maximum != self._hint:
            self._hint = maximum
            self._hint_binds_until = now + _HOLD_AT_HINT

    def answered(self, permit: Permit, now: float) -> None:
        """Note an answer that shows no strain, and grow if it was the limit that bound."""
        if self._fixed:
            return
        if permit.started > self._cut_at:
            self._borne = max(self._borne, permit.in_flight)
            if permit.in_flight > self._ceiling:
                self._ceiling = math.inf
                self._doubling = not self._is_shared(permit.started)
            if permit.in_flight > self._hint:
                self._hint_binds_until = -math.inf
        # Where the limit was not reached during its flight, no more would have been sent.
        if permit.started <= self._full_at and now >= self._grow_from:
            self._grow(now)
        self._grown_at = now

    def _grow(self, now: float) -> None:
        highest = _MOST if now >= self._probe_from else min(self._ceiling, _MOST)
        if now < self._hint_binds_until:
            highest = min(highest, self._hint)
        if self.value < highest:
            step = 1.0 if self._doubling else 1.0 / self.value
            if self._is_shared(now):
                # The longer no refusal came, the faster: the others may have gone.
                a_second = max(_GROWTH_WHEN_SHARED, 2 * (now - self._cut_at))
                step = min(step, a_second * (now - self._grown_at))
            elif self.value < self._ceiling < math.inf and not self._doubling:
                step = min(step, _RETURN_A_SECOND * (now - self._grown_at))
            self.value = min(self.value + step, highest)

    def refused(self, permit: Permit, now: float, left: int) -> None:
        """Cut to what the server bears.

        Args:
            permit: The request that was refused.
            now: The moment.
            left: Requests still in flight.
        """
        if self._fixed:
            return
        if permit.started >= self._cut_at:  # else it was sent before the last cut, and is of the same wave
            self._shared = max(0, self._shared - 1)
            # Fewer, not as many: requests of one moment reach the server in any order.
            self._settled_from = min(self._settled_from, now + _SETTLING_SECONDS)
            if permit.in_flight < self._borne:
                self._shared = _REFUSALS_WHEN_SHARED
            self._least = max(1.0, self.value * _LEAST_OF_A_WAVE)
            self._ceiling = self.value
            self._cut_at = now
            self._doubling = False
            # Not all clients of an account at the same moment.
            self._probe_from = now + _HOLD * (0.75 + 0.5 * self._random())
            if self._hint < math.inf:
                self._hint_binds_until = now + _HOLD_AT_HINT
        self._ceiling = max(self._least, min(self._ceiling, float(left)))
        if self._is_shared(now):
            kept = _LEFT_WHEN_SHARED if self._shared else _LEFT_WHEN_SETTLING
            self.value = max(self._least, self._ceiling * kept)
            self._borne = int(self.value)
            self._grow_from = self._probe_from = now + _HOLD_WHEN_SHARED
        else:
            self.value = max(1.0, self._ceiling * _STEP_BACK)
            self._grow_from = now + _STEP_BACK_SECONDS

    def _is_shared(self, now: float) -> bool:
        return self._shared > 0 or (self._settled_from < math.inf and now < self._settled_from)

    def failing(self, permit: Permit, now: float) -> None:
        """Cut by half, once for all that was in flight; the way back is by doubling."""
        if self._fixed or permit.started < self._cut_at:
            return
        self._ceiling = min(self._ceiling, self.value)
        self.value = max(1.0, self.value * _LEFT_WHEN_FAILING)
        self._cut_at = now
        self._probe_from = now + _HOLD
        self._doubling = True
