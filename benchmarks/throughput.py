"""Lookups a second and processor time a lookup, on one core, against a server that is faster than any client.

    python benchmarks/throughput.py                               everything
    python benchmarks/throughput.py --in-flight 64 --scheme plain --loop asyncio
    python benchmarks/throughput.py --quick

Half of the bodies are Twilio's, half are SIP trunks'. Each client is a process of its own, opened once; then
all have their turn in each round. A ratio is that of two turns of one round, a figure the median over rounds.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys

from speed_lab import command
from speed_lab.contenders import Contender, FailedError, contenders, in_turn
from speed_lab.peers import BARE, GATHER, GET, PEERS, SDK, STREAM, installed
from speed_lab.plans import LapReport, Task
from speed_lab.report import Report, Verdict, compare, median_ratio
from speed_lab.servers import Server, serve

IN_FLIGHT = (1, 10, 64, 256)
BUDGET_IN_FLIGHT = 64
SCHEMES = ("plain", "TLS")
LOOPS = ("asyncio", "uvloop")
RATE, CPU = "lookups/s", "CPU a lookup, µs"
AGAINST_SDK = "against the official SDK"
LEAST_OF_BARE = 0.85
LEAST_OF_SDK = 25.0


def measure(options: argparse.Namespace) -> Report:
    """Measure every combination that was asked for."""
    quick: bool = options.quick
    names, left_out = installed(options.peers or PEERS)
    rounds = options.rounds or (3 if quick else 21)
    seconds = 0.1 if quick else 0.3
    report = Report(benchmark="throughput", left_out=left_out)
    with serve() as server:
        report.server = server.name
        for scheme, loop, in_flight in _cases(options, server, report):
            few = [name for name in names if name in (GET, GATHER, STREAM, BARE)]
            chosen = few if quick and (scheme, loop) != ("plain", "asyncio") else names
            address, authority = server.address(scheme), server.authority if scheme == "TLS" else None
            tasks = [
                Task(peer=name, base_url=address, in_flight=in_flight, authority=authority) for name in chosen
            ]
            place = f"{scheme}, {loop}"
            problems: list[str] = []
            with contenders(tasks, loop, problems) as able:
                laps = _race(able, rounds, seconds, problems)
            report.left_out += [f"{place}, {in_flight} in flight: {problem}" for problem in problems]
            _add(report, place, in_flight, laps)
    return report


def _cases(options: argparse.Namespace, server: Server, report: Report) -> list[tuple[str, str, int]]:
    if options.quick and not (options.in_flight or options.scheme or options.loop):
        wanted = [("plain", "asyncio", BUDGET_IN_FLIGHT), ("TLS", "uvloop", 10)]
    else:
        wanted = [
            (scheme, loop, in_flight)
            for scheme in options.scheme or SCHEMES
            for loop in options.loop or LOOPS
            for in_flight in options.in_flight or IN_FLIGHT
        ]
    if server.tls is None:
        report.left_out.append("TLS: trustme is not installed")
    if importlib.util.find_spec("uvloop") is None:
        report.left_out.append("uvloop: it is not installed")
    return [
        (scheme, loop, in_flight)
        for scheme, loop, in_flight in wanted
        if (scheme != "TLS" or server.tls) and (loop != "uvloop" or importlib.util.find_spec("uvloop"))
    ]


def _race(
    able: list[Contender], rounds: int, seconds: float, problems: list[str]
) -> dict[str, list[LapReport]]:
    lookups: dict[Contender, int] = {}
    slow: list[Contender] = []
    for contender in able:
        try:
            lookups[contender], is_slow = contender.lookups_in(seconds)
        except FailedError as error:
            problems.append(f"{contender.name}: {error}")
        else:
            slow += [contender] * is_slow
    laps = in_turn(list(lookups), rounds, lambda one: one.lap(lookups[one]), problems, slow)
    return {contender.name: reports for contender, reports in laps.items()}


def _add(report: Report, place: str, in_flight: int, laps: dict[str, list[LapReport]]) -> None:
    rates = {name: [lap.lookups / lap.seconds for lap in reports] for name, reports in laps.items()}
    costs = {name: [lap.cpu_seconds / lap.lookups * 1e6 for lap in reports] for name, reports in laps.items()}
    column = f"{in_flight} in flight"
    report.figures += compare(f"{RATE}: {place}", column, rates, BARE)
    report.figures += compare(f"{CPU}: {place}", column, costs, BARE)
    if in_flight == BUDGET_IN_FLIGHT and SDK in rates:
        report.figures += compare(f"{RATE} {AGAINST_SDK}, {column}", place, rates, SDK)
    for how in (GATHER, STREAM):
        where = f"{how}, {place}, {column}"
        if (ratio := median_ratio(rates, how, BARE)) is not None:
            budget = f"{where}: share of the bare loop's lookups/s"
            report.verdicts.append(Verdict(budget=budget, measured=ratio, at_least=LEAST_OF_BARE))
        if in_flight == BUDGET_IN_FLIGHT and (ratio := median_ratio(rates, how, SDK)) is not None:
            budget = f"{where}: times the official SDK's lookups/s"
            report.verdicts.append(Verdict(budget=budget, measured=ratio, at_least=LEAST_OF_SDK))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what only this benchmark has."""
    parser.add_argument("--in-flight", type=int, nargs="+", metavar="N", help="requests in flight")
    parser.add_argument("--scheme", nargs="+", choices=SCHEMES, help="how the server is reached")
    parser.add_argument("--loop", nargs="+", choices=LOOPS, help="which event loop")
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), metavar="NAME", help=", ".join(PEERS))


def main() -> int:
    """Measure and print.

    Returns:
        The exit status.
    """
    parser = command.parser(__doc__ or "")
    add_options(parser)
    return command.exit_status(command.run(parser.parse_args(), [measure]))


if __name__ == "__main__":
    sys.exit(main())
