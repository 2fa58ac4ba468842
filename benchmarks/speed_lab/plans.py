"""What client processes are told and what they answer: JSON lines."""

from __future__ import annotations

import msgspec


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a client process is opened with.

    Attributes:
        peer: Which client: a key of `peers.PEERS` or `peers.MEMORY`.
        base_url: Where the server is.
        in_flight: Requests in flight.
        authority: A PEM file to trust.
    """

    peer: str
    base_url: str
    in_flight: int
    authority: str | None = None


class Lap(msgspec.Struct, frozen=True, tag="lap"):
    """Look so many ids up, as fast as it goes.

    Attributes:
        lookups: How many.
    """

    lookups: int


class Series(msgspec.Struct, frozen=True, tag="series"):
    """Look ids up one by one, and time each.

    Attributes:
        lookups: How many.
        seconds: Seconds after which to stop, however many were done.
        beside_bulk: Whether a bulk run goes on meanwhile, in the same client.
        pause: Seconds between two of them.
    """

    lookups: int
    seconds: float
    beside_bulk: bool = False
    pause: float = 0.0


class LapReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a lap took.

    Attributes:
        lookups: How many were looked up.
        found: How many of those brought a number.
        seconds: From the first to the last.
        cpu_seconds: Of this process, all its threads included.
        peak_bytes: Most memory of the process until now.
    """

    lookups: int
    found: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int


class SeriesReport(msgspec.Struct, frozen=True, kw_only=True):
    """What each lookup took.

    Attributes:
        latencies: Seconds of each.
        longest_stall: Most seconds for which the event loop did not come to a timer that was due.
        bulk_rate: Lookups a second that the bulk run started meanwhile.
    """

    latencies: list[float]
    longest_stall: float
    bulk_rate: float


class Problem(msgspec.Struct, frozen=True):
    """Why a client could not do as it was told.

    Attributes:
        words: A line of text.
    """

    words: str
