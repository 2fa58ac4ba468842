"""The right to one request in flight."""

from __future__ import annotations

import msgspec


class Permit(msgspec.Struct, eq=False, gc=False):
    """The right to one request in flight.

    Attributes:
        started: The moment at which it was given.
        in_flight: Requests in flight then, this one included.
        number: How many had been given by then; tells what came before what, as a clock of
            milliseconds (uvloop's) does not.
    """

    started: float
    in_flight: int
    number: int
