"""The scenarios, their budgets, and the ideal each is held against."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from limits_lab.plans import HEAVY_TAIL, LATENCY, Change, ServerPlan

IDS = 3_000
_OUTAGE_KINDS: tuple[Literal["unavailable", "refused"], ...] = ("unavailable", "refused")
PROBES = 5.0
"""A handful of probes a second."""
_JITTER = 0.1
_GET_EVERY = 0.25
_VARYING: dict[str, dict[str, object]] = {
    "heavy tail": {"spread": HEAVY_TAIL},
    "three times slower at 9 s": {"changes": (Change(9.0, slowness=3.0),)},
    "three times faster at 27 s": {"latency": 3 * LATENCY, "changes": (Change(27.0, slowness=1 / 3),)},
}


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario.

    Attributes:
        name: What `--scenario` selects it by.
        server: What the server does.
        most_time: Budget: makespan over ideal; `None` for none.
        most_rejected: Budget: share of requests rejected after the first second.
        most_uneven: Budget: most over fewest lookups of the clients, when the first is done.
        most_get: Budget: median time of a single lookup beside the run, over that alone.
        most_slow_get: Budget: the same of the slowest in a hundred.
        get_every: Seconds between those single lookups; 0 for none.
        ids: Lookups in all.
        clients: Processes that share the server; each looks up its part of the ids.
        real: Whether it is run over sockets by default; long ones are left to the virtual clock.
        quick: Lookups when run over sockets with `--quick`; 0 leaves it out there.
        peers: Whether others are run against it too.
        against_fixed: The fixed bound whose makespan is the ideal, where nothing else bounds it.
        busy: Whether it keeps a processor busy, and so is run alone.
    """

    name: str
    server: ServerPlan
    most_time: float | None = None
    most_rejected: float | None = None
    most_uneven: float | None = None
    most_get: float | None = None
    most_slow_get: float | None = None
    get_every: float = 0.0
    ids: int = IDS
    clients: int = 1
    real: bool = True
    quick: int = 0
    peers: bool = False
    against_fixed: int | None = None
    busy: bool = False


def ideal_makespan(server: ServerPlan, ids: int, mean_latency: float) -> float:
    """Compute the least time in which a client that knew everything could be done.

    Under a rate limit that is ids / rate. Under a concurrency limit the answers
    take ids x mean latency / (1 - share of errors) seconds of places in flight, and
    each second offers as many as the limit then is, or none in an outage. What an
    answer takes on its way, and how long its place stays taken, count as latency.

    Args:
        server: What the server does.
        ids: Lookups in all.
        mean_latency: Mean of the latencies drawn, in seconds.

    Returns:
        Seconds; 0 where nothing limits.
    """
    if server.rate_limit is not None:
        return ids / server.rate_limit
    in_place = mean_latency + server.freed_late + 2 * server.network
    work = ids * in_place / (1 - server.server_errors)
    for start, end, limit, outage in server.segments():
        places = 0.0 if outage else math.inf if limit is None else float(limit)
        if places == math.inf:
            return start
        if places and work <= (end - start) * places:
            return start + work / places
        work -= (end - start) * places if places else 0.0
    return math.inf


def _limits() -> list[Scenario]:
    scenarios = []
    for limit in (2, 5, 10, 30):
        for retry_after in (None, 1.0):
            hint = "" if retry_after is None else ", Retry-After 1"
            for spread in (0.0, HEAVY_TAIL):
                plain = retry_after is None and not spread
                scenarios.append(
                    Scenario(
                        name=f"limit {limit}{hint}{', heavy tail' if spread else ''}",
                        server=ServerPlan(concurrency_limit=limit, retry_after=retry_after, spread=spread),
                        most_time=1.15,
                        most_rejected=0.01,
                        real=not spread,
                        quick={10: 1_000, 30: 3_000}.get(limit, 0) if plain else 0,
                        peers=limit == 10 and plain,
                        busy=limit == 30,
                    )
                )
    return scenarios


def _rates() -> list[Scenario]:
    scenarios = []
    for rate in (50.0, 200.0):
        for retry_after, spread in ((None, 0.0), (1.0, 0.0), (None, HEAVY_TAIL)):
            hint = "" if retry_after is None else ", Retry-After 1"
            plain = retry_after is None and not spread
            scenarios.append(
                Scenario(
                    name=f"rate {rate:g}/s{hint}{', heavy tail' if spread else ''}",
                    server=ServerPlan(rate_limit=rate, retry_after=retry_after, spread=spread),
                    most_time=1.15,
                    most_rejected=0.02,
                    real=not spread,
                    quick=1_000 if plain and rate > 100 else 0,
                    peers=plain and rate < 100,
                )
            )
    return scenarios


def _outages() -> list[Scenario]:
    return [
        Scenario(
            name=f"{seconds:g} s outage, {'503' if kind == 'unavailable' else 'refused'}",
            server=ServerPlan(
                concurrency_limit=10,
                outage_kind=kind,
                changes=(Change(5.0, outage=True), Change(5.0 + seconds, outage=False)),
            ),
            most_time=1.15,
            peers=seconds < 30 and kind == "unavailable",
        )
        for seconds in (10.0, 60.0)
        for kind in _OUTAGE_KINDS
    ]


def _others() -> list[Scenario]:
    falls = ServerPlan(
        concurrency_limit=20, changes=(Change(4.0, concurrency_limit=4), Change(8.0, concurrency_limit=20))
    )
    shared = ServerPlan(concurrency_limit=20)
    shared_heavy = ServerPlan(concurrency_limit=20, spread=HEAVY_TAIL)
    four = Scenario(
        name="four processes",
        server=shared,
        most_time=1.25,
        most_rejected=0.03,
        most_uneven=2.0,
        clients=4,
        quick=IDS,
        busy=True,
    )
    return [
        Scenario(name="limit 20, 4, 20", server=falls, most_time=1.3, most_rejected=0.02, peers=True),
        Scenario(name="20% 503", server=ServerPlan(concurrency_limit=10, server_errors=0.2), most_time=1.6),
        four,
        msgspec.structs.replace(four, name="four processes, 12,000 ids", ids=12_000, quick=0),
        msgspec.structs.replace(
            four, name="four processes, heavy tail", server=shared_heavy, real=False, quick=0
        ),
        Scenario(  # most lookups are refused several times before they meet a 503
            name="eight clients, limit 4, 5% 503",
            server=ServerPlan(concurrency_limit=4, server_errors=0.05),
            most_time=1.25,
            clients=8,
            real=False,
        ),
        Scenario(
            name="no limit",
            server=ServerPlan(),
            most_time=1.15,
            most_rejected=0.0,
            quick=IDS,
            against_fixed=100,
            busy=True,
        ),
        *_on_the_way(),
    ]


def _on_the_way() -> list[Scenario]:
    """Make servers that count otherwise than the client does; simulated, and without a budget."""
    return [
        Scenario(
            name=f"limit 10, {what}",
            server=msgspec.structs.replace(ServerPlan(concurrency_limit=10, spread=0.2), **settings),
            real=False,
        )
        for what, settings in (
            ("places freed 1 ms late", {"freed_late": 0.001}),
            ("places freed 5 ms late", {"freed_late": 0.005}),
            ("20 ms of network each way", {"network": 0.02}),
            ("20 ms each way, heavy tail", {"network": 0.02, "spread": HEAVY_TAIL}),
        )
    ]


def _queues() -> list[Scenario]:
    """Make servers that let requests wait before they refuse any, and servers that only seem to."""
    return [
        *(
            Scenario(
                name=f"limit {limit}, {'no bound' if queue is None else queue} in the queue",
                server=ServerPlan(concurrency_limit=limit, queue=queue, spread=_JITTER),
                most_time=1.10,
                most_get=1.5,
                most_slow_get=2.5,
                get_every=_GET_EVERY,
                ids=2 * IDS,
                busy=limit == 30,
            )
            for limit in (3, 10, 30)
            for queue in (10, 50, None)
        ),
        Scenario(
            name="limit 1, queue",
            server=ServerPlan(concurrency_limit=1, queue=None, spread=_JITTER),
            most_time=1.10,
            get_every=1.0,
            ids=500,
            real=False,
        ),
        Scenario(
            name="four processes, queue",
            server=ServerPlan(concurrency_limit=20, queue=None, spread=_JITTER),
            most_time=1.25,
            most_uneven=2.0,
            most_get=2.0,
            get_every=_GET_EVERY,
            ids=2 * IDS,
            clients=4,
            busy=True,
        ),
        *(
            Scenario(
                name=f"limit 10, {what}, {'no queue' if queue == 0 else 'queue'}",
                server=msgspec.structs.replace(ServerPlan(concurrency_limit=10, queue=queue), **settings),
                most_time=1.2,
                ids=2 * IDS,
                real=False,
            )
            for what, settings in _VARYING.items()
            for queue in (0, None)
        ),
        *(
            Scenario(
                name=f"limit 10, {what}",
                server=ServerPlan(concurrency_limit=10, latency=0.01, slow_ids=slow_ids),
                most_time=1.2,
                real=False,
            )
            for what, slow_ids in (("half take 5 s", 0.5), ("one in twenty takes 5 s", 0.05))
        ),
    ]


SCENARIOS = (*_limits(), *_rates(), *_outages(), *_others(), *_queues())
PLOTTED = Scenario(
    name="plotted",
    server=ServerPlan(
        concurrency_limit=10,
        changes=(Change(8.0, concurrency_limit=4), Change(18.0, concurrency_limit=20)),
    ),
    ids=12_000,
)
PLOTTED_SECONDS = 30.0
