"""`Latency`: the time that answers take."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from random import Random
from typing import final


class Latency(ABC):
    """A distribution of the time that answers take.

    Use one of the three constructors, or write a subclass with its own `sample`.

    Example:
        ```python
        Emulator(latency=Latency.lognormal(median=0.06, sigma=0.5))
        ```
    """

    @abstractmethod
    def sample(self, random: Random) -> float:
        """Draw the time of one answer.

        Args:
            random: The source of randomness.

        Returns:
            The time in seconds, not negative.
        """

    @staticmethod
    def constant(seconds: float) -> Latency:
        """Make every answer take the same time.

        Args:
            seconds: The time, in seconds.

        Raises:
            ValueError: `seconds` is negative or not finite.
        """
        return _Constant(_duration("seconds", seconds))

    @staticmethod
    def uniform(low: float, high: float) -> Latency:
        """Make all times between two bounds equally likely.

        Args:
            low: The shortest time, in seconds.
            high: The longest time, in seconds.

        Raises:
            ValueError: A bound is negative or not finite, or `high` is below `low`.
        """
        if _duration("high", high) < _duration("low", low):
            raise ValueError(f"high must be at least low, got {low!r} and {high!r}")
        return _Uniform(low, high)

    @staticmethod
    def lognormal(median: float, sigma: float) -> Latency:
        """Make most answers quick and a few very slow.

        Args:
            median: The time, in seconds, that half of the answers do not exceed.
            sigma: The standard deviation of the logarithm. With 0.5, one answer in a
                hundred takes more than 3.2 times the median; with 1.0, ten times.

        Raises:
            ValueError: An argument is negative or not finite.
        """
        return _Lognormal(_duration("median", median), _duration("sigma", sigma))


@final
class _Constant(Latency):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def sample(self, random: Random) -> float:  # noqa: ARG002
        return self._seconds

    def __repr__(self) -> str:
        return f"Latency.constant({self._seconds!r})"


@final
class _Uniform(Latency):
    def __init__(self, low: float, high: float) -> None:
        self._low = low
        self._high = high

    def sample(self, random: Random) -> float:
        return random.uniform(self._low, self._high)

    def __repr__(self) -> str:
        return f"Latency.uniform({self._low!r}, {self._high!r})"


@final
class _Lognormal(Latency):
    def __init__(self, median: float, sigma: float) -> None:
        self._median = median
        self._sigma = sigma

    def sample(self, random: Random) -> float:
        return self._median * random.lognormvariate(0.0, self._sigma)

    def __repr__(self) -> str:
        return f"Latency.lognormal({self._median!r}, {self._sigma!r})"


def _duration(name: str, value: float) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be finite and not negative, got {value!r}")
    return value
