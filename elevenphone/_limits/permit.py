"""The right to one request in flight."""

from __future__ import annotations

import msgspec


class Permit(msgspec.Struct, eq=False, gc=False):
    """The right to one request in flight.

    Attributes:
        started: The moment at which it was given.
        in_flight: Requests in flight then, this one included.
        number: How many permits had been given by then. It tells which request came first,
            which a clock with a resolution of milliseconds (uvloop's) cannot.
        probe_url: What to ask for instead of the lookup's own id, to find out whether the
            server is away; `None` for an ordinary request.
    """

    started: float
    in_flight: int
    number: int
    probe_url: str | None = None
