"""Drive `Limits` by hand: without an event loop, and with a number for a clock."""

from __future__ import annotations

import itertools

import msgspec

from elevenphone import ElevenPhoneError, RateLimitError, ServerError
from elevenphone._limits.limits import Limits
from elevenphone._limits.permit import Permit
from elevenphone._meaning import meaning_of
from elevenphone.errors import RateLimitKind

LATENCY = 0.06
REFUSAL_TAKES = 0.001


def throttled(kind: RateLimitKind, retry_after: float | None = None) -> RateLimitError:
    return RateLimitError(429, retry_after=retry_after, kind=kind)


def unavailable(retry_after: float | None = None) -> ServerError:
    return ServerError(503, retry_after=retry_after)


class Lookup(msgspec.Struct, eq=False):
    """The part of a lookup that the limits read and write."""

    url: str
    failures: int = 0
    last_request: int = 0
    counted_in: int = 0
    excused_in: int = -1


class Driver:
    """Keeps as many requests in flight as it may, like a bulk run that never ends.

    Attributes:
        limits: The limits that are driven.
        now: The time, in seconds.
    """

    def __init__(
        self, *, concurrency: int | None = None, rate: float | None = None, random: float = 0.5
    ) -> None:
        self.limits = Limits(concurrency=concurrency, rate=rate, random=lambda: random)
        self.now = 1_000.0
        self._urls = (f"https://example.com/{n}" for n in itertools.count())

    @property
    def limit(self) -> int:
        return self.limits.concurrency_limit

    def may_start(self, *, bulk: bool = True) -> bool:
        return self.limits.ready_at(bulk=bulk) <= self.now

    def wait(self, *, bulk: bool = True) -> float:
        """Return the seconds until the next request may start."""
        return max(0.0, self.limits.ready_at(bulk=bulk) - self.now)

    @property
    def is_away(self) -> bool:
        """Whether bulk requests wait because the server may be down."""
        return self.limits.gate.closed_at is not None

    def lookup(self) -> Lookup:
        """Make a lookup with a new id."""
        return Lookup(next(self._urls))

    def start(self, *, bulk: bool = True, fresh: bool = True) -> Permit:
        """Start one request, which must be allowed."""
        assert self.may_start(bulk=bulk)
        return self.start_anyway(bulk=bulk, fresh=fresh)

    def start_anyway(self, *, bulk: bool = True, fresh: bool = True) -> Permit:
        """Start one request, even if it would have to wait."""
        permit = Permit(self.now, self.limits.in_flight + 1, self.limits.newest + 1)
        self.limits.start(permit, bulk=bulk, fresh=fresh)
        return permit

    def fill(self) -> list[Permit]:
        """Start as many requests as may start now."""
        permits: list[Permit] = []
        while self.may_start():
            permits.append(self.start())
        return permits

    def end(
        self, permit: Permit, error: ElevenPhoneError | None = None, lookup: Lookup | None = None
    ) -> None:
        """End one request: that of a probe, of this lookup, or of a new lookup."""
        subject = None if permit.probe_url is not None else lookup or self.lookup()
        if subject is not None:
            subject.last_request = permit.number
        if error is None:
            self.limits.answered(permit, self.now, subject, found=True)
        else:
            self.limits.failed(permit, self.now, error, meaning_of(error), subject)

    def withdraw(self, permit: Permit) -> None:
        """Cancel one request."""
        self.limits.withdraw(permit, self.now)

    def ask(
        self,
        error: ElevenPhoneError | None = None,
        *,
        bulk: bool = True,
        takes: float = LATENCY,
        lookup: Lookup | None = None,
    ) -> Permit:
        """Start one request, and end it."""
        permit = self.start(bulk=bulk, fresh=lookup is None or not lookup.failures)
        self.now += takes
        self.end(permit, error, lookup)
        return permit

    def round(self, accepts: float = float("inf")) -> int:
        """Start all requests that may start, and answer as many as the server accepts.

        Returns:
            The number of refusals.
        """
        permits = self.fill()
        taken = permits[: int(min(accepts, len(permits)))]
        beyond = permits[len(taken) :]
        self.now += REFUSAL_TAKES
        for permit in beyond:
            self.end(permit, throttled("concurrency"))
        self.now += LATENCY - REFUSAL_TAKES
        for permit in taken:
            self.end(permit)
        return len(beyond)

    def rounds(self, seconds: float, accepts: float = float("inf")) -> int:
        """Play rounds for this long, and count the refusals."""
        until = self.now + seconds
        refusals = 0
        while self.now < until:
            refusals += self.round(accepts)
        return refusals
