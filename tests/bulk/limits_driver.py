"""Driving `Limits` by hand: no loop, and a clock that is a number."""

from __future__ import annotations

from elevenphone import ElevenPhoneError, RateLimitError, ServerError
from elevenphone._limits import Limits, Permit
from elevenphone.errors import RateLimitKind

LATENCY = 0.06
REFUSAL_TAKES = 0.001


def throttled(kind: RateLimitKind, retry_after: float | None = None) -> RateLimitError:
    return RateLimitError(429, retry_after=retry_after, kind=kind)


def unavailable(retry_after: float | None = None) -> ServerError:
    return ServerError(503, retry_after=retry_after)


class Driver:
    """Keeps as many requests in flight as it may, like a bulk run that never ends.

    Attributes:
        limits: What is driven.
        now: The moment.
    """

    def __init__(
        self, *, concurrency: int | None = None, rate: float | None = None, random: float = 0.5
    ) -> None:
        self.limits = Limits(concurrency=concurrency, rate=rate, random=lambda: random)
        self.now = 1_000.0

    @property
    def limit(self) -> int:
        return self.limits.concurrency_limit

    def may_start(self, *, bulk: bool = True) -> bool:
        return self.limits.ready_at(bulk=bulk) <= self.now

    def wait(self, *, bulk: bool = True) -> float:
        """Say in how many seconds one more may start."""
        return max(0.0, self.limits.ready_at(bulk=bulk) - self.now)

    def start(self, *, bulk: bool = True) -> Permit:
        """Start one request, which must be allowed."""
        assert self.may_start(bulk=bulk)
        return self.limits.start(self.now, bulk=bulk)

    def fill(self) -> list[Permit]:
        """Start as many as may start at this moment."""
        permits: list[Permit] = []
        while self.may_start():
            permits.append(self.start())
        return permits

    def end(self, permit: Permit, error: ElevenPhoneError | None = None) -> None:
        self.limits.end(permit, self.now, error)

    def withdraw(self, permit: Permit) -> None:
        """Call one request off."""
        self.limits.withdraw(permit)

    def ask(
        self, error: ElevenPhoneError | None = None, *, bulk: bool = True, takes: float = LATENCY
    ) -> None:
        """Start one request, and end it."""
        permit = self.start(bulk=bulk)
        self.now += takes
        self.end(permit, error)

    def round(self, bears: float = float("inf")) -> int:
        """Fill up, and let a server answer that bears so many at once.

        Returns:
            How many it refused.
        """
        permits = self.fill()
        taken = permits[: int(min(bears, len(permits)))]
        beyond = permits[len(taken) :]
        self.now += REFUSAL_TAKES
        for permit in beyond:
            self.end(permit, throttled("concurrency"))
        self.now += LATENCY - REFUSAL_TAKES
        for permit in taken:
            self.end(permit)
        return len(beyond)

    def rounds(self, seconds: float, bears: float = float("inf")) -> int:
        """Go on for so long, and count the refusals."""
        until = self.now + seconds
        refusals = 0
        while self.now < until:
            refusals += self.round(bears)
        return refusals
