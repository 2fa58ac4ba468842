"""How many requests may start a second."""

from __future__ import annotations

import math
from typing import NamedTuple

from elevenphone._limits.permit import Permit

# The first estimate counts the starts of the last half to one second. A server's bucket typically lets
# through a tenth of a second's requests beyond its rate, so a shorter observation is a guess.
_HALF_WINDOW = 0.5
_BURST_SECONDS = 0.1
# The lateness of a timer is made up for, up to this many seconds.
_TIMER_SECONDS = 0.003
# A pace without a refusal for this many seconds is nearly right.
_SETTLED_SECONDS = 1.0
# No refusal delays or slows growth for longer than this, in seconds.
_LONGEST_EFFECT = 60.0
# A pace rises only while at least this part of it is used: otherwise a higher one would show nothing.
_USED_PART = 0.5
# If no request is answered any more, a lower pace does not help: it keeps this part of the accepted rate, and
# each further refusal without an answer doubles the hold of all requests, to a second at most.
_LEAST_PART = 0.25
_FRUITLESS_HOLD, _LONGEST_FRUITLESS_HOLD = 0.05, 1.0
_RAISE = 0.1
# A pace below this grows as fast as this one. If each of two clients grew by a part of its own pace, the one
# that bad luck cut more often would stay far behind.
_GROWS_ALIKE_BELOW = 5.0


class _State(NamedTuple):
    """The effect of a refusal on the pace. Its cost is the seconds for which it delays all requests.

    Attributes:
        left: The part of the pace that remains.
        left_when_dear: The same for a refusal with a cost.
        hold: Seconds without growth afterwards.
        hold_of_cost: Further seconds for each second of cost.
        raise_: The part by which the pace then grows in a second.
        slower_of_cost: How much slower it grows for each second of cost.
    """

    left: float
    left_when_dear: float
    hold: float
    hold_of_cost: float
    raise_: float
    slower_of_cost: float


# The first refusal came too soon for an estimate: start from the few accepted requests, and search upwards.
_GUESSED = _State(1.0, 1.0, 0.0, 1.0, 2.0, 0.0)
# The first refusal: the pace is the accepted rate.
_ESTIMATED = _State(1.0, 1.0, 1.0, 1.0, _RAISE, 2.0)
# Refusals follow each other: the pace was far too high. If each is costly, too low a pace is cheaper.
_SEARCHING = _State(0.8, 0.6, 1.0, 2.0, _RAISE, 0.0)
# The pace was nearly right. The more a refusal costs, the rarer the next attempt.
_SETTLED = _State(0.95, 0.93, 1.0, 10.0, _RAISE, 5.0)


class Pace:
    """Requests started a second: bounded by the user, and by what rate-limit refusals show.

    There is no pace until the first refusal. Then it is an estimate of what the server
    let through; each further refusal cuts it, and some time after a refusal it rises.

    Attributes:
        next_start: The time at which the next request may start.
        counts_from: The time from which starts are to be noted.
        counts_answers: Whether answers are to be noted.
    """

    def __init__(self, fixed: float | None) -> None:
        self.next_start = -math.inf
        self._most = math.inf if fixed is None else fixed
        self._learned = math.inf
        self._interval = 1 / self._most
        self._starts = _Starts()
        self.counts_from = -math.inf
        self._is_first_estimate = False
        self._newest_at_cut = 0
        self._answered_since_refusal = 0
        self.counts_answers = True
        self._fruitless = 0
        self._least = 0.0
        self._raise = _RAISE
        self._raise_from = self._raised_at = self._forget_cost_at = -math.inf

    def __repr__(self) -> str:
        return f"<Pace {min(self._most, self._learned):.1f}/s>"

    def started(self, permit: Permit) -> None:
        """Note that a request has started."""
        self._starts.started(permit)
        if not self._interval:
            self.counts_from = self._starts.move_at
        else:
            on_time = permit.started - self.next_start <= _TIMER_SECONDS
            self.next_start = (self.next_start if on_time else permit.started) + self._interval

    def answered(self, now: float, newest: int) -> None:
        """Note an answer that shows no strain, and raise the pace if it is time."""
        self._answered_since_refusal += 1
        if self._learned == math.inf:
            self.counts_answers = False  # until the first refusal, one answer is as good as many
        elif now > self._raise_from and self._starts.a_second(now, newest) >= _USED_PART * self._learned:
            elapsed = min(now - max(self._raised_at, self._raise_from), 1.0)
            a_second = self._raise if now < self._forget_cost_at else _RAISE
            self._set(self._learned + a_second * elapsed * max(self._learned, _GROWS_ALIKE_BELOW))
            self._is_first_estimate = False
            self._raised_at = now

    def refused(self, permit: Permit, now: float, cost: float, newest: int) -> None:
        """Slow down.

        Args:
            permit: The permit of the refused request.
            now: The time of the answer.
            cost: Seconds for which the refusal delays all requests.
            newest: The number of the newest permit.
        """
        if permit.number <= self._newest_at_cut:  # sent before the last cut: the same wave
            if self._is_first_estimate:
                self._set(self._starts.correct())
                self._least = self._learned * _LEAST_PART
            return
        self._newest_at_cut = newest
        self.counts_from, self.counts_answers = -math.inf, True
        self._fruitless = 0 if self._answered_since_refusal else self._fruitless + 1
        self._is_first_estimate = self._learned == math.inf
        if self._is_first_estimate:
            pace = self._starts.make(now, newest)
            state = _ESTIMATED if self._starts.seconds >= _BURST_SECONDS else _GUESSED
            self._least = pace * _LEAST_PART
        else:
            settled = self._answered_since_refusal >= self._learned * _SETTLED_SECONDS
            state = _SETTLED if settled else _SEARCHING
            if not self._fruitless:
                self._least = self._learned * _LEAST_PART
            pace = max(self._least, self._learned * (state.left_when_dear if cost else state.left))
        self._set(pace)
        self._answered_since_refusal = 0
        self._raised_at = now
        self._raise = state.raise_ / (1 + state.slower_of_cost * cost)
        self._raise_from = now + min(state.hold + state.hold_of_cost * cost, _LONGEST_EFFECT)
        self._forget_cost_at = now + _LONGEST_EFFECT
        self._hold_all(now)

    def _set(self, pace: float) -> None:
        self._learned = pace
        self._interval = 1 / min(self._most, pace)

    def _hold_all(self, now: float) -> None:
        """Let no request start for one interval, or for longer if no request is answered any more."""
        hold = 1 / self._learned
        if self._fruitless:
            fruitless_hold = _FRUITLESS_HOLD * 2.0 ** min(self._fruitless, 10)
            hold = max(hold, min(fruitless_hold, _LONGEST_FRUITLESS_HOLD))
        self.next_start = max(self.next_start, now + hold)


class _Starts:
    """How many requests started lately, and so how many the server let through before its first refusal.

    Two marks, each the number and the time of a start, replace a list of all starts.

    Attributes:
        seconds: The observed time.
        move_at: The time from which a start moves the marks.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._mark = self._mark_before = (0, -math.inf)
        self.move_at = -math.inf
        self._accepted = 0

    def started(self, permit: Permit) -> None:
        """Move the marks on every half second."""
        if permit.started < self.move_at:
            return
        mark = (permit.number - 1, permit.started)
        # After a pause there is no recent start to count.
        self._mark_before = self._mark if permit.started < self.move_at + _HALF_WINDOW else mark
        self._mark = mark
        self.move_at = permit.started + _HALF_WINDOW

    def a_second(self, now: float, newest: int) -> float:
        """Say how many have started a second, over the last half to one second."""
        number, moment = self._mark_before
        return (newest - number) / max(now - moment, _BURST_SECONDS)

    def make(self, now: float, newest: int) -> float:
        """Estimate the accepted rate at the first refusal."""
        number, moment = self._mark_before
        self.seconds = max(0.0, now - moment)
        self._accepted = newest - number
        return self.correct()

    def correct(self) -> float:
        """Subtract one refused request, and estimate again."""
        self._accepted = max(1, self._accepted - 1)
        return self._accepted / (self.seconds + _BURST_SECONDS)
