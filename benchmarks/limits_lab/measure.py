"""From what servers and clients report to the figures of one run."""

from __future__ import annotations

import statistics

import msgspec

from limits_lab.plans import ClientReport, ServerReport
from limits_lab.scenarios import PROBES, Scenario, ideal_makespan

_THROTTLED, _OK = 429, 200
_START_SECONDS = 1.0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one run.

    Attributes:
        scenario: Its name.
        client: Which client.
        in_flight: The bound it was given; `None` for none.
        clock: `real` or `virtual`.
        ids: Lookups in all.
        makespan: Seconds from the start to the last lookup's end.
        ideal: Seconds that a client that knew everything would take.
        mean_latency: Mean of the latencies drawn, in seconds.
        answer: Mean time of a lookup that took one request, as the client saw it, in seconds; 0 if unknown.
        requests: Requests that reached the server.
        refused: Of those, answered 429.
        rejected: Share answered 429 of those after the first second.
        wasted: Requests that brought no number, those to a closed door included.
        lost: Lookups without a number.
        peak: Most in flight at the server.
        probes: Requests a second in an outage; 0 where there is none.
        get_median: Median time of a single lookup beside the run, over that alone; 0 for none.
        get_slow: The same of the slowest in a hundred.
        uneven: Most over fewest lookups among the clients, by the time the first had done its part.
    """

    scenario: str
    client: str
    in_flight: int | None
    clock: str
    ids: int
    makespan: float
    ideal: float
    mean_latency: float
    answer: float
    requests: int
    refused: int
    rejected: float
    wasted: int
    lost: int
    peak: int
    probes: float
    uneven: float
    get_median: float = 0.0
    get_slow: float = 0.0

    @property
    def ratio(self) -> float:
        """Makespan over ideal."""
        return self.makespan / self.ideal if self.ideal else 0.0


def measure(
    scenario: Scenario,
    clients: list[ClientReport],
    server: ServerReport,
    *,
    client: str = "elevenphone",
    in_flight: int | None = None,
    clock: str = "real",
    ids: int | None = None,
    ideal: float | None = None,
) -> Run:
    """Compute the figures of one run.

    Args:
        scenario: What was run.
        clients: What each client did.
        server: What the server saw.
        client: Which client it was.
        in_flight: The bound it was given.
        clock: `real` or `virtual`.
        ids: Lookups in all, where they are not the scenario's.
        ideal: The ideal, where it was measured.
    """
    ids = ids or scenario.ids
    started = min(report.started for report in clients)
    late = [status for moment, status in server.requests if moment >= _START_SECONDS]
    mean_latency = server.drawn_latency or scenario.server.mean_latency()
    gets = sorted(seconds for report in clients for seconds in report.gets)
    lost = sum(report.lost for report in clients)
    alone = scenario.server.latency + 2 * scenario.server.network
    # A client that tells knows of requests that met a closed door, too.
    told = [report.requests for report in clients if report.requests is not None]
    sent = max(sum(told) if len(told) == len(clients) else 0, len(server.requests))
    return Run(
        scenario=scenario.name,
        client=client,
        in_flight=in_flight,
        clock=clock,
        ids=ids,
        makespan=max(max(report.finished) for report in clients) - started,
        ideal=ideal if ideal is not None else ideal_makespan(scenario.server, ids + len(gets), mean_latency),
        mean_latency=mean_latency,
        answer=sum(report.answer for report in clients) / len(clients),
        requests=len(server.requests),
        refused=sum(status == _THROTTLED for _, status in server.requests),
        rejected=late.count(_THROTTLED) / len(late) if late else 0.0,
        wasted=sent - (ids - lost),
        lost=lost,
        peak=server.peak,
        probes=_probes(scenario, server, sent),
        uneven=_uneven(clients),
        get_median=statistics.median(gets) / alone if gets else 0.0,
        get_slow=statistics.quantiles(gets, n=100, method="inclusive")[-1] / alone if gets else 0.0,
    )


def _probes(scenario: Scenario, server: ServerReport, sent: int) -> float:
    """Requests a second in an outage: those the server saw in it, or those that never reached it."""
    seconds = scenario.server.outage_seconds()
    if not seconds:
        return 0.0
    seen = sum(
        start <= moment < end
        for start, end, _, outage in scenario.server.segments()
        if outage
        for moment, status in server.requests
        if status != _OK
    )
    return max(seen, sent - len(server.requests)) / seconds


def _uneven(clients: list[ClientReport]) -> float:
    first = min(max(report.finished) for report in clients)
    done = [sum(moment <= first for moment in report.finished) for report in clients]
    return max(done) / max(1, min(done))


def misses(scenario: Scenario, run: Run) -> list[str]:
    """Name what is over its budget.

    Args:
        scenario: What was run.
        run: Its figures.

    Returns:
        Words for each; empty where all is well.
    """
    found = []
    if scenario.most_time is not None and run.ratio > scenario.most_time:
        found.append("time")
    if scenario.most_rejected is not None and run.rejected > scenario.most_rejected:
        found.append("rejected")
    if run.lost:
        found.append("lost")
    if run.probes > PROBES:
        found.append("probes")
    if scenario.most_get is not None and run.get_median > scenario.most_get:
        found.append("get")
    if scenario.most_slow_get is not None and run.get_slow > scenario.most_slow_get:
        found.append("slow get")
    if scenario.most_uneven is not None and run.uneven > scenario.most_uneven:
        found.append("shares")
    return found


def median_run(runs: list[Run]) -> Run:
    """Pick the run whose makespan is the median one."""
    middle = statistics.median_low(run.makespan for run in runs)
    return next(run for run in runs if run.makespan == middle)
