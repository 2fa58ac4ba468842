"""Statistics of how long some answers took."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

# A mean is precise if its standard error is at most this part of it. After so many answers it is used anyway.
_PRECISE = 0.1
_ENOUGH = 128
# The weight of the older answers, as a count, when newer ones are added.
_REMEMBERED = 512
# With this many times as many requests in flight, some may wait.
_MORE_IN_FLIGHT = 1.25


class AnswerTimes(msgspec.Struct, frozen=True, gc=False):
    """How long some answers took, all to requests sent while the limit was reached.

    Attributes:
        count: How many answers.
        in_flight: Mean number of requests in flight when theirs were sent.
        mean: Mean of their seconds.
        median: Median of the seconds.
        variance: Variance of the seconds.
    """

    count: int
    in_flight: float
    mean: float
    median: float
    variance: float

    @classmethod
    def of(cls, seconds: Sequence[float], in_flight: int) -> AnswerTimes:
        """Compute the statistics.

        Args:
            seconds: The seconds of each answer.
            in_flight: Sum of the numbers of requests in flight.
        """
        count = len(seconds)
        mean = sum(seconds) / count
        variance = sum([(took - mean) ** 2 for took in seconds]) / count
        return cls(count, in_flight / count, mean, sorted(seconds)[count // 2], variance)

    @property
    def precise(self) -> bool:
        """Whether the mean is precise enough."""
        return self.count >= _ENOUGH or self.variance <= self.count * (_PRECISE * self.mean) ** 2

    @property
    def deviation(self) -> float:
        """Standard deviation of the seconds."""
        return math.sqrt(self.variance)

    @property
    def standard_error(self) -> float:
        """Standard error of the mean."""
        return math.sqrt(self.variance / self.count)

    @property
    def rate(self) -> float:
        """Answers a second, by Little's law."""
        return self.in_flight / self.mean if self.mean else math.inf

    def added_to(self, older: AnswerTimes) -> AnswerTimes:
        """Combine both."""
        remembered = min(older.count, _REMEMBERED)
        count = remembered + self.count
        mean = (remembered * older.mean + self.count * self.mean) / count
        squares = remembered * (older.variance + older.mean**2) + self.count * (self.variance + self.mean**2)
        variance = max(0.0, squares / count - mean**2)
        return AnswerTimes(count, self.in_flight, mean, self.median, variance)

    def longer_by(self, other: AnswerTimes, standard_errors: float) -> float:
        """Return by how many seconds these answers took longer than others; 0 if it may be chance.

        Args:
            other: The others.
            standard_errors: Differences up to this many standard errors count as chance.
        """
        longer = self.mean - other.mean
        chance = standard_errors * math.sqrt(self.variance / self.count + other.variance / other.count)
        return longer if longer > chance else 0.0

    def may_have_waited(self, other: AnswerTimes) -> bool:
        """Say whether these answers took longer than others, perhaps as more requests were in flight.

        Then they must not be added: the sum would follow a queue that grows in small steps.

        Args:
            other: The others.
        """
        return self.in_flight > _MORE_IN_FLIGHT * other.in_flight and self.longer_by(other, 1.0) > 0
