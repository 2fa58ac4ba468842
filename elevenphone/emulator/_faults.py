"""Which request goes wrong, and how; decided from the seed."""

from __future__ import annotations

from enum import Enum
from random import Random

from elevenphone.emulator._settings import PROBABILITIES, Settings


class Fault(Enum):
    """One way for a request to go wrong; the value names its probability's setting."""

    BUSY = "busy"
    SERVER_ERROR = "server_errors"
    DROP = "drops"
    RESET = "resets"
    TRUNCATE = "truncated"
    SLOW_BODY = "slow_bodies"
    MALFORM = "malformed"
    HTML = "html_errors"
    REDIRECT = "redirects"


class FaultPlan:
    """Picks at most one fault for each request.

    Exactly one number is drawn for a request whatever is switched on, so that
    switching one fault on or off does not shift the others.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._random = Random(f"{settings.seed}/faults")

    def draw(self) -> Fault | None:
        """Decide for the next request."""
        drawn = self._random.random()
        probabilities = vars(self._settings)
        for name in PROBABILITIES:
            drawn -= probabilities[name]
            if drawn < 0:
                return Fault(name)
        return None


class TokenBucket:
    """Admits a rate, and a burst above it."""

    def __init__(self) -> None:
        self._tokens: float | None = None
        self._filled_at = 0.0

    def take(self, now: float, rate: float, burst: float) -> bool:
        """Take one token if there is one.

        Args:
            now: A monotonic time in seconds.
            rate: Tokens that come back a second.
            burst: The most tokens the bucket holds; it starts full.

        Returns:
            Whether there was one.
        """
        tokens = burst if self._tokens is None else self._tokens + (now - self._filled_at) * rate
        tokens = min(tokens, burst)
        self._filled_at = now
        admitted = tokens >= 1
        self._tokens = tokens - 1 if admitted else tokens
        return admitted
