"""How many requests may start a second."""

from __future__ import annotations

import math
from collections import deque

from elevenphone._limits.permit import Permit

# Seconds of starts that the first estimate looks back on.
_WINDOW = 1.0
# What a refusal leaves of the pace: little while they follow each other fast, most about the right pace.
_LEFT_WHEN_SEARCHING = 0.8
_LEFT_WHEN_SEARCHING_IS_DEAR = 0.6
_LEFT_WHEN_SETTLED = 0.95
# Where nothing is answered any more, cutting further teaches nothing: the pace keeps this part of what was
# borne, and each refusal without an answer in between holds everybody twice as long, to a second at most.
_LEAST_OF_A_BORNE_PACE = 0.25
_FRUITLESS_HOLD = 0.05
# Seconds without a raise after a refusal, and the raise a second afterwards.
_HOLD = 1.0
_RAISE = 0.1
# A refusal that holds everybody up is worth avoiding: seconds of hold for each second of that.
_HOLD_OF_COST_SEARCHING = 2.0
_HOLD_OF_COST_SETTLED = 10.0
_RAISE_OF_COST = 5.0


class Pace:
    """Requests started a second: the user's bound, and what rate-limit refusals teach.

    There is no pace until the first refusal. Then it is what was started in the
    last second and not refused, cut at each further refusal, and raised slowly
    after some time without one.

    Attributes:
        next_start: The moment at which the next request may start.
    """

    def __init__(self, fixed: float | None) -> None:
        self.next_start = -math.inf
        self._most = math.inf if fixed is None else fixed
        self._learned = math.inf
        self._interval = 1 / self._most
        self._starts: deque[float] = deque()
        self._newest = self._cut_after = 0
        self._answered_since_refusal = 0
        self._fruitless = 0
        self._least = 0.0
        self._raise_from = self._raised_at = -math.inf
        self._raise = _RAISE

    def started(self, permit: Permit) -> None:
        """Note that a request has started."""
        now = permit.started
        self._newest = permit.number
        starts = self._starts
        starts.append(now)
        while starts[0] <= now - _WINDOW:
            starts.popleft()
        if self._interval:
            self.next_start = max(self.next_start, now) + self._interval

    def answered(self, now: float) -> None:
        """Note an answer that shows no strain."""
        self._answered_since_refusal += 1
        if self._learned < math.inf and now > self._raise_from:
            elapsed = min(now - max(self._raised_at, self._raise_from), 1.0)
            self._learned *= 1 + self._raise * elapsed
            self._raised_at = now
            self._interval = 1 / min(self._most, self._learned)

    def refused(self, permit: Permit, now: float, cost: float) -> None:
        """Slow down.

        Args:
            permit: The request that was refused.
            now: The moment.
            cost: Seconds for which the refusal holds everybody up.
        """
        if self._starts:
            self._starts.pop()
        if permit.number <= self._cut_after:
            return  # sent before the last cut
        self._cut_after = self._newest
        self._fruitless = 0 if self._answered_since_refusal else self._fruitless + 1
        if not self._fruitless:
            self._least = self._learned * _LEAST_OF_A_BORNE_PACE
        searching = self._answered_since_refusal < self._learned * _WINDOW
        if self._learned == math.inf:
            elapsed = now - self._starts[0] if self._starts else 0.0
            self._learned = max(len(self._starts), 1) / max(elapsed, 0.01) * _LEFT_WHEN_SETTLED
            self._least = self._learned * _LEAST_OF_A_BORNE_PACE
        elif not searching:
            self._learned *= _LEFT_WHEN_SETTLED
        else:
            self._learned *= _LEFT_WHEN_SEARCHING_IS_DEAR if cost else _LEFT_WHEN_SEARCHING
        self._learned = max(self._learned, self._least)
        self._interval = 1 / min(self._most, self._learned)
        self._answered_since_refusal = 0
        self._raised_at = now
        self._raise_from = (
            now + _HOLD + cost * (_HOLD_OF_COST_SEARCHING if searching else _HOLD_OF_COST_SETTLED)
        )
        self._raise = _RAISE if searching else _RAISE / (1 + _RAISE_OF_COST * cost)
        hold = min(_FRUITLESS_HOLD * 2.0 ** min(self._fruitless, 10), 1.0) if self._fruitless else 0.0
        self.next_start = max(self.next_start, now + max(1 / self._learned, hold))
