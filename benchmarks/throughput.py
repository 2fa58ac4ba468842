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
from speed_lab.peers import BARE, GATHER, GET, OVER_AIOHTTP, PEERS, RUST, SDK, STREAM, WIRE, installed
from speed_lab.plans import LapReport, Task
from speed_lab.report import Report, Verdict, compare, median_ratio
from speed_lab.servers import Server, serve

IN_FLIGHT = (1, 10, 64, 256)
BUDGET_IN_FLIGHT = 64
SCHEMES = ("plain", "TLS")
LOOPS = ("asyncio", "uvloop")
RATE, CPU = "lookups/s", "CPU a lookup, µs"
AGAINST_SDK = "against the official SDK"
# Of the rate of the same decoding behind a loop of our own, over the same session.
LEAST_OF_BARE = 0.85
LEAST_OF_SDK = 150.0
# Of pyreqwest's rate, from so many in flight on: a client in Rust.
LEAST_OF_RUST = {"plain, asyncio": 1.3, "plain, uvloop": 1.5, "TLS, asyncio": 1.0, "TLS, uvloop": 0.9}
LEAST_IN_FLIGHT = 10
# Processor time of a lookup of `gather` over that of the wire without any policy.
MOST_OF_WIRE = 1.5


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
    report.verdicts += _verdicts(place, in_flight, rates, costs)


def _verdicts(
    place: str, in_flight: int, rates: dict[str, list[float]], costs: dict[str, list[float]]
) -> list[Verdict]:
    verdicts: list[Verdict] = []

    def at_least(how: str, peer: str, least: float, what: str) -> None:
        if (ratio := median_ratio(rates, how, peer)) is not None:
            budget = f"{how}, {place}, {in_flight} in flight: {what}"
            verdicts.append(Verdict(budget=budget, measured=ratio, at_least=least))

    at_least(OVER_AIOHTTP, BARE, LEAST_OF_BARE, "share of the bare loop's lookups/s")
    for how in (GATHER, STREAM):
        if in_flight >= LEAST_IN_FLIGHT:
            at_least(how, RUST, LEAST_OF_RUST[place], "times pyreqwest's lookups/s")
        if in_flight == BUDGET_IN_FLIGHT:
            at_least(how, SDK, LEAST_OF_SDK, "times the official SDK's lookups/s")
    if in_flight == BUDGET_IN_FLIGHT and (ratio := median_ratio(costs, GATHER, WIRE)) is not None:
        budget = f"{GATHER}, {place}, {in_flight} in flight: times the wire's processor time"
        verdicts.append(Verdict(budget=budget, measured=ratio, at_most=MOST_OF_WIRE))
    return verdicts


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
