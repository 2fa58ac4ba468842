"""The right to one request in flight."""

from __future__ import annotations

import msgspec


class Permit(msgspec.Struct, eq=False, gc=False):
    """The right to one request in flight.

    Attributes:
        started: The moment at which it was given.
        in_flight: Requests in flight then, this one included.
    """

    started: float
    in_flight: int
