"""What a server does during a run, what clients are to do, and what both report: plain values.

They travel as JSON lines between processes, and serve the simulation as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import msgspec

LATENCY = 0.06
HEAVY_TAIL = 0.8
"""Standard deviation of the logarithm: one answer in a hundred takes 6.4 times the median."""


class Change(msgspec.Struct, frozen=True):
    """What changes at a moment of the run; what is `UNSET` stays as it is.

    Attributes:
        at: Seconds from the start of the clients.
        concurrency_limit: Most requests in flight from then on.
        outage: Whether nothing is answered from then on.
        slowness: By how much longer than at first an answer takes from then on; simulated only.
    """

    at: float
    concurrency_limit: int | msgspec.UnsetType | None = msgspec.UNSET
    outage: bool | msgspec.UnsetType = msgspec.UNSET
    slowness: float | msgspec.UnsetType = msgspec.UNSET


class ServerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a server does.

    Attributes:
        latency: Median time of an answer, in seconds.
        spread: Standard deviation of its logarithm; 0 for a constant.
        concurrency_limit: Most requests worked on at once; `None` for no limit.
        queue: How many more may wait for their turn, first come, first served; `None` for any number.
        slow_ids: Share of the ids whose answers take `slow_latency`; simulated only.
        slow_latency: Seconds that those take.
        rate_limit: Most requests a second, through a bucket of a tenth of that.
        retry_after: The header of every 429 and 503, in seconds; `None` for none.
        server_errors: Probability of a 503 after the usual time.
        outage_kind: Whether an outage answers 503 or refuses connections.
        changes: What changes, in order.
        network: Seconds that a request and an answer each take on the way; simulated only.
        freed_late: Seconds for which a place stays taken after the answer was sent; simulated only.
        seed: What the draws are made from.
    """

    latency: float = LATENCY
    spread: float = 0.0
    concurrency_limit: int | None = None
    queue: int | None = 0
    slow_ids: float = 0.0
    slow_latency: float = 5.0
    rate_limit: float | None = None
    retry_after: float | None = None
    server_errors: float = 0.0
    outage_kind: Literal["unavailable", "refused"] = "unavailable"
    changes: tuple[Change, ...] = ()
    network: float = 0.0
    freed_late: float = 0.0
    seed: int = 0

    def mean_latency(self) -> float:
        """Say what an answer takes on average, were there no end of answers."""
        usual = self.latency * math.exp(self.spread**2 / 2)
        return usual + self.slow_ids * (self.slow_latency - usual)

    def segments(self) -> Iterator[tuple[float, float, int | None, bool]]:
        """Yield (start, end, concurrency limit, outage) between changes; the last end is infinite."""
        start, limit, outage = 0.0, self.concurrency_limit, False
        for change in self.changes:
            if change.at > start:
                yield start, change.at, limit, outage
            start = change.at
            if change.concurrency_limit is not msgspec.UNSET:
                limit = change.concurrency_limit
            if change.outage is not msgspec.UNSET:
                outage = change.outage
        yield start, math.inf, limit, outage

    def outage_seconds(self) -> float:
        """Say how long nothing is answered, in all."""
        return sum(end - start for start, end, _, outage in self.segments() if outage)


class ServerReport(msgspec.Struct, kw_only=True):
    """What a server saw.

    Attributes:
        requests: When each came, in seconds from the start of the clients, and its status; 0 for none.
        drawn_latency: Mean of the latencies drawn.
        peak: Most requests in flight, those that wait for their turn included.
    """

    requests: list[tuple[float, int]]
    drawn_latency: float
    peak: int


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What one client is to do.

    Attributes:
        client: Which client: a key of `peers.CLIENTS`.
        base_url: Where the server is.
        api_key: What it accepts.
        ids: What to look up.
        in_flight: Bound on requests in flight; `None` leaves it to the client.
        get_every: Seconds between single lookups beside the bulk run; 0 for none.
        sample_every: Seconds between samples of the client's limit; 0 for none.
        seconds: Seconds after which to stop; 0 for when all is done.
    """

    client: str
    base_url: str
    api_key: str
    ids: tuple[str, ...]
    in_flight: int | None = None
    get_every: float = 0.0
    sample_every: float = 0.0
    seconds: float = 0.0


class ClientReport(msgspec.Struct, kw_only=True):
    """What one client did; moments are of the system's monotonic clock, or of the virtual one.

    Attributes:
        started: When it started.
        finished: When each lookup ended, well or not.
        lost: Lookups that ended without a number.
        requests: Requests sent, if the client tells.
        gets: Seconds that each single lookup beside the bulk run took.
        answer: Mean seconds of lookups that took one request, if the client tells; 0 if not.
        samples: (moment, concurrency limit, in flight), if asked for.
    """

    started: float
    finished: list[float]
    lost: int
    requests: int | None = None
    gets: list[float] = []
    answer: float = 0.0
    samples: list[tuple[float, int, int]] = []
