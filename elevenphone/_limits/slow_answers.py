"""Answers that take longer than usual: single signs of a queue, before a sample proves it."""

from __future__ import annotations

import math

from elevenphone._limits.answer_times import AnswerTimes
from elevenphone._limits.permit import Permit

# An answer takes longer than usual above 1.5 times the mean and 2 deviations more; much longer above 4.
# Before the mean is known, it takes longer above 3 times the fastest.
_LONGER = 1.5
_LONGER_DEVIATIONS, _MUCH_LONGER_DEVIATIONS = 2.0, 4.0
_LONGER_THAN_FASTEST = 3.0


class SlowAnswers:
    """Tells which answers must not make the limit grow, because their requests may have waited."""

    def __init__(self) -> None:
        self._longer = self._much_longer = math.inf
        self._no_growth_until = 0  # the number of a permit

    def compare_with_fastest(self, seconds: float) -> None:
        """Set what is usual from the fastest of the first few answers."""
        self._longer = _LONGER_THAN_FASTEST * seconds

    def compare_with(self, idle: AnswerTimes) -> None:
        """Set what is usual: the times of answers that did not wait."""
        mean, deviation = idle.mean, idle.deviation
        self._longer = max(_LONGER * mean, mean + _LONGER_DEVIATIONS * deviation)
        self._much_longer = max(_LONGER * mean, mean + _MUCH_LONGER_DEVIATIONS * deviation)

    def took_much_longer(self, permit: Permit, now: float, newest: int) -> bool:
        """Whether an answer took much longer than usual, as the first one of the requests in flight.

        Then no answer to these requests lets the limit grow.

        Args:
            permit: The permit of its request.
            now: The time.
            newest: The number of the newest permit.
        """
        if now - permit.started <= self._much_longer or permit.number <= self._no_growth_until:
            return False
        self._no_growth_until = newest
        return True

    def lets_grow(self, permit: Permit, now: float) -> bool:
        """Whether an answer lets the limit grow: it did not take longer than usual."""
        return now - permit.started <= self._longer and permit.number > self._no_growth_until
