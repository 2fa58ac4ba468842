"""What to ask again, and how long to wait before.

A policy is a value and its answers are values; the one loop that sleeps is the
client's. The wait before attempt n + 1 is drawn evenly from 0 to
`min(wait_max, wait_initial * 2 ** (n - 1))` seconds ("full jitter"); a server's
Retry-After is the least wait, lengthened by up to `wait_initial` so that those who
were told the same moment do not all come back in it.
"""

from __future__ import annotations

import random as _random
from collections.abc import Callable

import msgspec

from elevenphone._meaning import meaning_of
from elevenphone._values import is_finite, shown
from elevenphone.errors import ConfigurationError, ElevenPhoneError, StatusError


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often to try, and how long to wait in between.

    Attributes:
        attempts: Tries in all, the first included. In bulk, where one slow answer
            holds up nobody, it is the least: a lookup is tried on while others
            fail too, until its deadline.
        wait_initial: Seconds; the longest wait before the second try.
        wait_max: Seconds; the longest wait that is not the server's wish.
        retry_after_max: Seconds; a longer Retry-After is not waited for: a single
            lookup raises at once, a bulk run asks again after this long.

    Raises:
        ConfigurationError: `attempts` below 1, or a wait that is negative or no number.
    """

    attempts: int = 3
    wait_initial: float = 0.1
    wait_max: float = 2.0
    retry_after_max: float = 60.0

    def __post_init__(self) -> None:
        if not isinstance(self.attempts, int) or self.attempts < 1:
            raise ConfigurationError(f"attempts must be at least 1, and whole, not {shown(self.attempts)}")
        for name in ("wait_initial", "wait_max", "retry_after_max"):
            seconds: object = getattr(self, name)
            if not is_finite(seconds) or seconds < 0:
                raise ConfigurationError(
                    f"{name} must be a number of seconds from 0 up, not {shown(seconds)}"
                )

    @classmethod
    def none(cls) -> RetryPolicy:
        """Make a policy of one try."""
        return cls(attempts=1)

    def wait(
        self, error: ElevenPhoneError, attempts: int, random: Callable[[], float] = _random.random
    ) -> float | None:
        """Say how long to wait before asking again.

        Args:
            error: What the last attempt ended with.
            attempts: How many attempts there were.
            random: Draws from [0, 1).

        Returns:
            Seconds, or `None`: do not ask again.
        """
        if attempts >= self.attempts or not meaning_of(error).retryable:
            return None
        if (retry_after := retry_after_of(error)) is not None and retry_after > self.retry_after_max:
            return None
        return self.backoff(error, attempts, random)

    def backoff(
        self, error: ElevenPhoneError, attempts: int, random: Callable[[], float] = _random.random
    ) -> float:
        """Draw the wait after attempt number `attempts`, whether or not it is worth it.

        Args:
            error: What the attempt ended with.
            attempts: How many attempts there were, at least 1.
            random: Draws from [0, 1).

        Returns:
            Seconds.
        """
        fraction = random()
        # Past 2**60 the cap has long been reached, and a float may overflow.
        wait = fraction * min(self.wait_max, self.wait_initial * 2.0 ** min(attempts - 1, 60))
        if (retry_after := retry_after_of(error)) is None:
            return wait
        return max(wait, min(retry_after, self.retry_after_max) + fraction * self.wait_initial)


class RetryQuota:
    """A token bucket that keeps a broken server from being hammered by everybody's retries.

    A retry takes 5 of its 500 tokens, a lookup that succeeds puts 1 back: where
    fewer than five in six succeed, retries end as the bucket does.
    """

    _CAPACITY = 500
    _COST = 5

    def __init__(self) -> None:
        self._tokens = self._CAPACITY

    def take(self) -> bool:
        """Take the tokens of one retry, if there are as many."""
        if self._tokens < self._COST:
            return False
        self._tokens -= self._COST
        return True

    def refund(self) -> None:
        """Put back what one success earns."""
        if self._tokens < self._CAPACITY:
            self._tokens += 1


def retry_after_of(error: ElevenPhoneError) -> float | None:
    """Read the wait that the server asked for.

    Args:
        error: What an attempt ended with.

    Returns:
        Seconds, or `None` where it asked for none.
    """
    return error.retry_after if isinstance(error, StatusError) else None
