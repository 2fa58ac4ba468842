"""How many requests may be in flight, and when the next may start: pure state over a clock."""

from __future__ import annotations

import math

from elevenphone.errors import ElevenPhoneError

_DEFAULT = 10


class Permit:
    """The right to one request in flight.

    Attributes:
        started: The moment at which it was given.
    """

    __slots__ = ("started",)

    def __init__(self, started: float) -> None:
        self.started = started


class Limits:
    """What the server is taken to bear.

    Attributes:
        limit: Most requests in flight now.
        in_flight: Requests in flight now.
    """

    def __init__(self, *, concurrency: int | None = None, rate: float | None = None) -> None:
        self.limit = float(concurrency or _DEFAULT)
        self.in_flight = 0
        self._interval = 0.0 if rate is None else 1 / rate
        self._next_start = -math.inf

    def ready_at(self, *, bulk: bool) -> float:  # noqa: ARG002
        """Say when one more request may start.

        Args:
            bulk: Whether it belongs to a bulk run.

        Returns:
            A moment, perhaps past; infinity where another must end first.
        """
        return math.inf if self.in_flight >= int(self.limit) else self._next_start

    def start(self, now: float) -> Permit:
        """Count one request as in flight.

        Args:
            now: The clock.

        Returns:
            What `end` takes back.
        """
        self.in_flight += 1
        self._next_start = max(self._next_start, now - self._interval) + self._interval
        return Permit(now)

    def end(self, permit: Permit, now: float, error: ElevenPhoneError | None) -> None:  # noqa: ARG002
        """Count one request as done.

        Args:
            permit: What `start` gave.
            now: The clock.
            error: What the server answered with; `None` for an answer that shows no strain.
        """
        self.in_flight -= 1

    def withdraw(self, permit: Permit) -> None:  # noqa: ARG002
        """Forget one request that was called off.

        Args:
            permit: What `start` gave.
        """
        self.in_flight -= 1
