"""What one `get` adds to the server's own time, alone and beside a bulk run of the same client.

    python benchmarks/latency.py [--quick]

The floor is a request written to a blocking socket and its answer read: what the server and the kernel take.
`added` is what a client takes beyond that, `longest stall` the most by which the event loop was late for a
timer. Beside bulk, 64 requests of the bulk run are in flight, and a single lookup is made every few
milliseconds.
"""

from __future__ import annotations

import argparse
import statistics
import sys

from speed_lab import command
from speed_lab.client_process import FLOOR
from speed_lab.contenders import Contender, contenders, in_turn
from speed_lab.peers import BARE, PEERS, SDK, STREAM, installed
from speed_lab.plans import Series, SeriesReport, Task
from speed_lab.report import Figure, Report, Verdict, compare, median_ratio
from speed_lab.servers import serve

ALONE, BESIDE = "one lookup at a time", "one lookup at a time, beside a bulk run with 64 in flight"
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
STALL = "longest stall, ms"
BULK_IN_FLIGHT = 64
MOST_OF_BARE = 1.5


def measure(options: argparse.Namespace) -> Report:
    """Measure alone and beside bulk."""
    quick: bool = options.quick
    rounds = options.rounds or (1 if quick else 15)
    report = Report(benchmark="latency")
    wanted, report.left_out = installed(PEERS)
    # `stream` stands for this library: its single lookups are `get`.
    alone = [FLOOR, *(name for name in wanted if name not in ("get", "gather"))]
    beside = [name for name in (STREAM, BARE, SDK) if name in wanted]
    if quick:
        alone = [FLOOR, *beside]
    with serve() as server:
        report.server = server.name
        series = Series(lookups=100 if quick else 2_000, seconds=0.1 if quick else 1.0)
        done = _race([_task(server.plain, name, 1) for name in alone], series, rounds, report)
        _add_quantiles(report, ALONE, done)
        _add_what_is_added(report, done)
        series = Series(
            lookups=20 if quick else 1_000,
            seconds=0.2 if quick else 3.0,
            beside_bulk=True,
            pause=0.002,
        )
        done = _race([_task(server.plain, name, BULK_IN_FLIGHT) for name in beside], series, rounds, report)
        _add_quantiles(report, BESIDE, done)
        p99 = {name: [_quantile(one.latencies, 0.99) for one in turns] for name, turns in done.items()}
        if (ratio := median_ratio(p99, "elevenphone", BARE)) is not None:
            budget = "p99 of a get beside a bulk run, over that beside a bare loop"
            report.verdicts.append(Verdict(budget=budget, measured=ratio, at_most=MOST_OF_BARE))
        bulk_rates = {name: [one.bulk_rate for one in turns] for name, turns in done.items()}
        report.figures += compare(BESIDE, "bulk lookups/s meanwhile", bulk_rates, BARE)
    return report


def _task(base_url: str, name: str, in_flight: int) -> Task:
    return Task(peer=name, base_url=base_url, in_flight=in_flight)


def _race(tasks: list[Task], series: Series, rounds: int, report: Report) -> dict[str, list[SeriesReport]]:
    def turn(contender: Contender) -> SeriesReport:
        return contender.series(series)

    with contenders(tasks, "asyncio", report.left_out) as able:
        in_turn(able, 1, turn, report.left_out)  # to open connections, and get warm
        done = in_turn(able, rounds, turn, report.left_out)
    return {_subject(contender.name): turns for contender, turns in done.items()}


def _subject(name: str) -> str:
    return "elevenphone" if name == STREAM else name


def _add_quantiles(report: Report, case: str, done: dict[str, list[SeriesReport]]) -> None:
    for metric, share in QUANTILES.items():
        rounds = {
            name: [_quantile(turn.latencies, share) * 1e6 for turn in turns] for name, turns in done.items()
        }
        report.figures += compare(case, f"{metric}, µs", rounds, BARE)
    if case == BESIDE:
        stalls = {name: [turn.longest_stall * 1e3 for turn in turns] for name, turns in done.items()}
        report.figures += compare(case, STALL, stalls, BARE)


def _add_what_is_added(report: Report, done: dict[str, list[SeriesReport]]) -> None:
    floors = [statistics.median(turn.latencies) for turn in done.get(FLOOR, [])]
    for name, turns in done.items():
        if name == FLOOR or not floors:
            continue
        added = [
            statistics.median(turn.latencies) - floor for turn, floor in zip(turns, floors, strict=False)
        ]
        value = statistics.median(added) * 1e6
        report.figures.append(Figure(case=ALONE, subject=name, metric="added at p50, µs", value=value))


def _quantile(latencies: list[float], share: float) -> float:
    return sorted(latencies)[min(len(latencies) - 1, int(share * len(latencies)))]


if __name__ == "__main__":
    sys.exit(command.main(__doc__ or "", measure))
