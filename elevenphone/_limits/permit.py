"""The right to one request in flight."""

from __future__ import annotations


class Permit:
    """The right to one request in flight.

    Attributes:
        started: The moment at which it was given.
        in_flight: Requests in flight then, this one included.
    """

    __slots__ = ("in_flight", "started")

    def __init__(self, started: float, in_flight: int) -> None:
        self.started = started
        self.in_flight = in_flight
