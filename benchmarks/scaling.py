"""How the cost of a lookup grows with the number of ids, and with the number in flight.

    python benchmarks/scaling.py [--quick]

Processor time a lookup. With ids it is this library's alone, over a transport that answers from memory; with
concurrency it is over sockets, beside a bare aiohttp + msgspec loop, which shows what is not this library's.
"""

from __future__ import annotations

import argparse
import statistics
import sys

from speed_lab import command
from speed_lab.contenders import Contender, contenders, in_turn
from speed_lab.peers import BARE, GATHER, MEMORY, STREAM
from speed_lab.plans import Task
from speed_lab.report import Report, compare
from speed_lab.servers import Server, serve

SIZES = (1_000, 10_000, 100_000, 1_000_000)
CONCURRENCY = (1, 10, 30, 64, 100, 300, 1_000)
QUICK_SIZES, QUICK_CONCURRENCY = (500, 2_000), (1, 64)
METRIC = "CPU a lookup, µs"
_IN_FLIGHT = 64
# Lookups that a turn makes at least, in as many laps as it takes.
_TURN = 20_000


def measure(options: argparse.Namespace) -> Report:
    """Measure both."""
    report = Report(benchmark="scaling")
    _measure_ids(report, options)
    with serve() as server:
        report.server = server.name
        _measure_concurrency(report, options, server)
    return report


def _measure_ids(report: Report, options: argparse.Namespace) -> None:
    sizes = QUICK_SIZES if options.quick else SIZES
    rounds = options.rounds or (1 if options.quick else 3)
    names = [name for name in MEMORY if not name.startswith("get")]
    tasks = [Task(peer=name, base_url="http://127.0.0.1:9", in_flight=_IN_FLIGHT) for name in names]
    least = sizes[0] if options.quick else _TURN

    def turn(contender: Contender) -> list[float]:
        return [_cost(contender, size, max(1, least // size)) for size in sizes]

    with contenders(tasks, "asyncio", report.left_out) as able:
        for contender in able:
            contender.lap(least)
        done = in_turn(able, rounds, turn, report.left_out)
    for contender, turns in done.items():
        by_size = {f"{size:,} ids": [costs[index] for costs in turns] for index, size in enumerate(sizes)}
        report.figures += compare(f"ids, {contender.name}", METRIC, by_size, f"{sizes[1]:,} ids")


def _cost(contender: Contender, size: int, laps: int) -> float:
    return statistics.median(contender.lap(size).cpu_seconds / size for _ in range(laps)) * 1e6


def _measure_concurrency(report: Report, options: argparse.Namespace, server: Server) -> None:
    concurrency = QUICK_CONCURRENCY if options.quick else CONCURRENCY
    rounds = options.rounds or (1 if options.quick else 9)
    seconds = 0.1 if options.quick else 0.4
    names = (GATHER, STREAM, BARE)
    tasks = [
        Task(peer=name, base_url=server.plain, in_flight=in_flight)
        for in_flight in concurrency
        for name in names
    ]
    with contenders(tasks, "asyncio", report.left_out) as able:
        lookups = {contender: contender.lookups_in(seconds)[0] for contender in able}
        done = in_turn(able, rounds, lambda one: _cost(one, lookups[one], 1), report.left_out)
    costs = {(contender.in_flight, contender.name): turns for contender, turns in done.items()}
    for name in names:
        by_concurrency = {
            f"{in_flight:,} in flight": costs[in_flight, name]
            for in_flight in concurrency
            if (in_flight, name) in costs
        }
        report.figures += compare(f"in flight, {name}", METRIC, by_concurrency, "64 in flight")
    for in_flight in concurrency:
        beside = {name: costs[in_flight, name] for name in names if (in_flight, name) in costs}
        report.figures += compare(f"in flight, {in_flight:,}, side by side", METRIC, beside, BARE)


if __name__ == "__main__":
    sys.exit(command.main(__doc__ or "", measure))
