"""How many requests may be in flight: the adaptive concurrency limit."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from elevenphone._limits.permit import Permit

# The plans known allow 2 to 30 in flight: a start too high for the smallest costs a few refusals, once.
_START = 8.0
_MOST = 100.0

# Seconds before one more is tried: 20 places x seconds, within these bounds. One refusal in some 300 requests
# of 60 ms, and a client that comes later need not wait longer for room.
_HOLD_PLACE_SECONDS = 20.0
_HOLD_LEAST, _HOLD_MOST = 3.0, 6.5
_HOLD_AT_HINT = 30.0
# Room left after a refusal, so that another client of the account can get in at all, for how long at the
# least, and the part of itself by which the limit then grows back in a second.
_STEP_BACK = 0.9
_STEP_BACK_SECONDS = 0.5
_RETURN_A_SECOND = 0.3
_LEAST_RETURN_A_SECOND = 0.5
# The least that is left by one wave of refusals: those of a wave were all sent before the first came back.
_LEAST_OF_A_WAVE = 0.5
_LEFT_WHEN_FAILING = 0.5

# While others use the account: what a refusal leaves, seconds until growth, and the growth a second of a
# limit of 1; that of L is a part of it, 1 / sqrt(L), so that who has less catches up.
_LEFT_WHEN_SHARED = 0.75
_HOLD_WHEN_SHARED = 0.1
_GROWTH_WHEN_SHARED = 10.0
# Seconds without a refusal after which growth gets faster, by the square: the others may have gone.
_FASTER_AFTER = 1.0
# Refusals back to which the most that was borne is remembered: below it somebody else must have the rest.
_REMEMBERED_REFUSALS = 6
# Places given back, and found untaken, after which nobody else can be there; each refusal counts a half more,
# as a limit of 1 has nothing to give.
_UNTAKEN_WHEN_ALONE = 8.0
_UNTAKEN_A_REFUSAL = 0.5


class ConcurrencyLimit:
    """Most requests in flight, found by growing until refused, as TCP finds its window.

    `value` doubles with each round of answers until the first refusal (slow
    start). What is in flight when a refusal comes back is what the server bears: it
    becomes the ceiling.

    From then on others are taken to use the same account. A refusal cuts by a
    quarter, and growth is by the clock, less for who has more, so that shares become
    equal (AIMD). What was given back is evidence: a refusal below a count that was borne
    shortly before means that somebody took it; places that are found untaken, again and
    again, that nobody else is there.

    Alone, `value` steps back a tenth, returns to the ceiling within a second, and some
    seconds later tries one more; where that goes well there is no ceiling any more, and
    the search goes on.

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
        self._hint = math.inf
        self._hint_binds_until = -math.inf
        self._cut_at = self._grown_at = self._grow_from = self._probe_from = -math.inf
        self._newest = self._newest_at_cut = self._newest_when_full = 0
        self._shared = True
        self._borne = 0
        self._borne_before: deque[int] = deque([0], maxlen=_REMEMBERED_REFUSALS)
        self._given_back = self._untaken = 0.0

    def started(self, permit: Permit) -> None:
        """Note that a request has started."""
        self._newest = permit.number
        if permit.in_flight >= int(self.value):
            self._newest_when_full = permit.number

    def hinted(self, maximum: int, now: float) -> None:
        """Note the maximum that an answer claims: it holds growth up, and never speeds it."""
        if maximum != self._hint:
            self._hint = maximum
            self._hint_binds_until = now + _HOLD_AT_HINT

    def answered(self, permit: Permit, now: float) -> None:
        """Note an answer that shows no strain, and grow if it was the limit that bound."""
        if self._fixed:
            return
        if permit.number > self._newest_at_cut:
            self._borne = max(self._borne, permit.in_flight)
            if permit.in_flight > self._ceiling:
                self._ceiling = math.inf
                self._doubling = not self._shared
            if permit.in_flight > self._hint:
                self._hint_binds_until = -math.inf
        # Where the limit was not reached during its flight, no more would have been sent.
        if permit.number <= self._newest_when_full and now >= self._grow_from:
            self._grow(now)
        self._grown_at = now

    def _grow(self, now: float) -> None:
        highest = _MOST if self._shared or now >= self._probe_from else min(self._ceiling, _MOST)
        if now < self._hint_binds_until:
            highest = min(highest, self._hint)
        if self._doubling and self.value < self._ceiling <= highest:  # back, after failures
            self.value = min(self.value + 1.0, self._ceiling)
            self._doubling = self.value < self._ceiling
            self._probe_from = now + _HOLD_LEAST
        elif self.value < highest:
            self.value = min(self.value + self._step(now), highest)

    def _step(self, now: float) -> float:
        if self._doubling:
            return 1.0
        if self._shared:
            faster = max(1.0, (now - self._cut_at) / _FASTER_AFTER) ** 2
            a_second = _GROWTH_WHEN_SHARED / math.sqrt(self.value) * faster
        elif self.value < self._ceiling < math.inf:
            a_second = max(_LEAST_RETURN_A_SECOND, _RETURN_A_SECOND * self.value)
        else:
            return 1.0 / self.value
        return min(1.0, a_second * (now - self._grown_at))

    def refused(self, permit: Permit, now: float, left: int) -> None:
        """Cut to what the server bears.

        Args:
            permit: The request that was refused.
            now: The moment.
            left: Requests still in flight.
        """
        if self._fixed:
            return
        if permit.number > self._newest_at_cut:  # else it was sent before the last cut: the same wave
            self._weigh(permit)
            self._least = max(1.0, self.value * _LEAST_OF_A_WAVE)
            self._ceiling = self.value
            self._cut_at = now
            self._newest_at_cut = self._newest
            self._doubling = False
            if self._hint < math.inf:
                self._hint_binds_until = now + _HOLD_AT_HINT
        self._ceiling = max(self._least, min(self._ceiling, float(left)))
        self.value = max(1.0, self._ceiling * (_LEFT_WHEN_SHARED if self._shared else _STEP_BACK))
        self._given_back = self._ceiling - self.value
        # Not all clients of an account at the same moment.
        spread = 0.75 + 0.5 * self._random()
        self._grow_from = now + spread * (_HOLD_WHEN_SHARED if self._shared else _STEP_BACK_SECONDS)
        hold = min(max(_HOLD_PLACE_SECONDS / self._ceiling, _HOLD_LEAST), _HOLD_MOST)
        self._probe_from = now + spread * hold

    def _weigh(self, permit: Permit) -> None:
        """Learn from the first refusal of a wave whether others use the account."""
        # Fewer, not as many: requests of one moment reach the server in any order.
        if permit.in_flight < max(self._borne, *self._borne_before):
            self._shared = True
            self._untaken = 0.0
        elif self._ceiling == math.inf:  # what is borne varies: no sign that nobody else is there
            self._untaken = 0.0
        else:
            self._untaken += self._given_back + _UNTAKEN_A_REFUSAL
            self._shared = self._shared and self._untaken < _UNTAKEN_WHEN_ALONE
        self._borne_before.append(self._borne)
        self._borne = 0

    def failing(self, permit: Permit, now: float) -> None:
        """Cut by half, once for all that was in flight; the way back is by doubling."""
        if self._fixed or permit.number <= self._newest_at_cut:
            return
        self._ceiling = min(self._ceiling, self.value)
        self.value = max(1.0, self.value * _LEFT_WHEN_FAILING)
        self._cut_at = now
        self._newest_at_cut = self._newest
        self._doubling = True
