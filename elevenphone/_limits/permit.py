"""The right to one request in flight."""

from __future__ import annotations

import msgspec


class Permit(msgspec.Struct, eq=False, gc=False):
    """The right to one request in flight.

    Attributes:
        started: The time at which it was given.
        in_flight: Requests in flight then, this one included.
        number: The number of permits given so far. It shows which request came first,
            which a clock with a resolution of milliseconds (uvloop's) cannot.
        probe_url: The URL to request instead of the lookup's own, to find out whether the
            server is down; `None` for an ordinary request.
    """

    started: float
    in_flight: int
    number: int
    probe_url: str | None = None
