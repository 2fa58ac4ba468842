"""Which failures to retry, and how long to wait before each retry.

A policy is a value, and it never sleeps; only the client does. The wait after attempt n
is a random number between 0 and `min(wait_max, wait_initial * 2 ** (n - 1))` seconds
("full jitter"). A Retry-After is the shortest wait. It is lengthened by up to
`wait_initial`, so that clients with the same Retry-After do not return at the same moment.
"""

from __future__ import annotations

import random as _random
from collections.abc import Callable

import msgspec

from elevenphone._meaning import meaning_of
from elevenphone._values import is_finite, shown
from elevenphone.errors import ConfigurationError, ElevenPhoneError, StatusError


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How many attempts a lookup gets, and how long the client waits between them.

    Attributes:
        attempts: The most attempts of a lookup, the first included. In bulk a lookup gets
            more, until its deadline, while other lookups fail too.
        wait_initial: The longest wait before the second attempt, in seconds.
        wait_max: The longest wait, in seconds, unless the server asks for another.
        retry_after_max: The longest Retry-After that the client waits for, in seconds.
            After a longer one, a single lookup raises its error at once, and a bulk run
            tries again after this time.

    Raises:
        ConfigurationError: `attempts` is below 1, or a wait is negative or not a number.

    Example:
        ```python
        patient = RetryPolicy(attempts=5, wait_initial=0.2, wait_max=10.0)
        number = await client.get(phone_number_id, retry=patient)
        ```
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
        """Make a policy with one attempt and no retry."""
        return cls(attempts=1)

    def wait(
        self, error: ElevenPhoneError, attempts: int, random: Callable[[], float] = _random.random
    ) -> float | None:
        """Return the wait before the next attempt, if there is one.

        Args:
            error: The error of the last attempt.
            attempts: The number of attempts so far.
            random: Draws a number from [0, 1).

        Returns:
            The wait in seconds, or `None` for no further attempt.
        """
        if attempts >= self.attempts or not meaning_of(error).retryable:
            return None
        if (retry_after := retry_after_of(error)) is not None and retry_after > self.retry_after_max:
            return None
        return self.backoff(error, attempts, random)

    def backoff(
        self, error: ElevenPhoneError, attempts: int, random: Callable[[], float] = _random.random
    ) -> float:
        """Draw the wait after attempt number `attempts`, without a limit on their number.

        Args:
            error: The error of the last attempt.
            attempts: The number of attempts so far, at least 1.
            random: Draws a number from [0, 1).

        Returns:
            The wait in seconds.
        """
        fraction = random()
        # Past 2**60 the cap has long been reached, and a float may overflow.
        wait = fraction * min(self.wait_max, self.wait_initial * 2.0 ** min(attempts - 1, 60))
        if (retry_after := retry_after_of(error)) is None:
            return wait
        return max(wait, min(retry_after, self.retry_after_max) + fraction * self.wait_initial)


class RetryQuota:
    """A token bucket that all single lookups share, so that retries do not overload a broken server.

    A retry takes 5 of its 500 tokens, and a lookup that succeeds puts 1 back. If fewer
    than five in six lookups succeed, the bucket runs empty and retries stop.

    Attributes:
        spent: The tokens that are missing.
    """

    _CAPACITY = 500
    _COST = 5

    def __init__(self) -> None:
        self.spent: int = 0

    def take(self) -> bool:
        """Take the tokens of one retry; return whether there were enough."""
        if self.spent + self._COST > self._CAPACITY:
            return False
        self.spent += self._COST
        return True

    def refund(self) -> None:
        """Put back the token of one success."""
        if self.spent:
            self.spent -= 1


def retry_after_of(error: ElevenPhoneError) -> float | None:
    """Return the wait that the server asked for.

    Args:
        error: The error of an attempt.

    Returns:
        Seconds, or `None` if the server asked for no wait.
    """
    return error.retry_after if isinstance(error, StatusError) else None
