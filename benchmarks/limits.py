"""How near the client comes to a server's limit, and what it costs to find it.

    python benchmarks/limits.py                       every scenario, simulated and over sockets
    python benchmarks/limits.py --virtual             simulated alone: seconds
    python benchmarks/limits.py --quick               what a build server runs: less than a minute
    python benchmarks/limits.py --peers               what others do against the same servers
    python benchmarks/limits.py --plot docs/images/limits.svg

The server over sockets is `elevenphone.emulator` on loopback, in a process of its own,
and so is each client. The simulated one runs with the client on a virtual clock, with
several seeds; its verdict is that of the worst of them. The exit status is 1 where a
budget was missed, but for `--quick`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from limits_lab.measure import Run, median_run
from limits_lab.peers import installed
from limits_lab.real import run_really
from limits_lab.report import print_peer, print_peer_head, print_scenario, print_scenario_head, write_json
from limits_lab.scenarios import SCENARIOS, Scenario
from limits_lab.virtual import run_elevenphone, run_peer, virtual_peers

SEEDS = 10
QUICK_SEEDS = 1
PEER_SEEDS = 3
IN_FLIGHT = (10, 50)


class Benchmark:
    """What was asked for, and what came of it.

    Attributes:
        runs: The figures so far.
        all_well: Whether no budget was missed so far.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.runs: list[Run] = []
        self.all_well = True
        self._options = options
        self._places = asyncio.Semaphore(options.jobs)

    def simulate(self, scenario: Scenario) -> None:
        """Run a scenario on the virtual clock, with several seeds."""
        seeds = QUICK_SEEDS if self._options.quick else SEEDS
        runs = [run_elevenphone(scenario, seed) for seed in range(seeds)]
        self.runs += runs
        self.all_well &= print_scenario(scenario, median_run(runs), runs)

    async def run(self, scenario: Scenario) -> None:
        """Run a scenario over sockets."""
        async with self._places:
            run = await run_really(scenario, ids=scenario.quick if self._options.quick else None)
        self.runs.append(run)
        self.all_well &= print_scenario(scenario, run, [run])

    def simulate_peers(self, scenario: Scenario) -> None:
        """Run all clients that can be against a simulated server; the median is shown."""
        seeds = range(PEER_SEEDS)
        of_each = [[run_elevenphone(scenario, seed, bound) for seed in seeds] for bound in (None, *IN_FLIGHT)]
        of_each += [
            [run_peer(scenario, name, in_flight, seed) for seed in seeds]
            for name in virtual_peers()
            for in_flight in IN_FLIGHT
        ]
        for runs in of_each:
            self.runs += runs
            print_peer(median_run(runs))

    async def run_peer(self, scenario: Scenario, client: str, in_flight: int | None) -> None:
        """Run one client against a scenario over sockets."""
        async with self._places:
            run = await run_really(scenario, client=client, in_flight=in_flight)
        self.runs.append(run)
        print_peer(run)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How near the client comes to a server's limit.")
    parser.add_argument("--quick", action="store_true", help="less of everything, in under a minute")
    parser.add_argument(
        "--scenario", nargs="+", metavar="NAME", help="those whose names contain one of these"
    )
    parser.add_argument("--list", action="store_true", help="print the scenarios' names")
    parser.add_argument("--peers", action="store_true", help="run other clients, in place of the budgets")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw the limit over time, and nothing else"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="light scenarios run at once (1)")
    clock = parser.add_mutually_exclusive_group()
    clock.add_argument("--virtual", action="store_true", help="on the virtual clock alone")
    clock.add_argument("--real", action="store_true", help="over sockets alone")
    return parser.parse_args()


def _chosen(options: argparse.Namespace) -> list[Scenario]:
    return [
        scenario
        for scenario in SCENARIOS
        if not options.scenario or any(part in scenario.name for part in options.scenario)
    ]


async def _run_really(benchmark: Benchmark, scenarios: list[Scenario], options: argparse.Namespace) -> None:
    chosen = [scenario for scenario in scenarios if scenario.real and (scenario.quick or not options.quick)]
    await asyncio.gather(*(benchmark.run(scenario) for scenario in chosen if not scenario.busy))
    for scenario in chosen:
        if scenario.busy:
            await benchmark.run(scenario)


async def _run_peers_really(benchmark: Benchmark, scenarios: list[Scenario], names: list[str]) -> None:
    for scenario in scenarios:
        # The official SDK keeps a processor busy by itself.
        light = [
            (name, bound) for name in ("elevenphone", *names) if "SDK" not in name for bound in IN_FLIGHT
        ]
        await asyncio.gather(
            benchmark.run_peer(scenario, "elevenphone", None),
            *(benchmark.run_peer(scenario, name, bound) for name, bound in light),
        )
        for name in names:
            if "SDK" in name:
                for bound in IN_FLIGHT:
                    await benchmark.run_peer(scenario, name, bound)


def _compare(benchmark: Benchmark, scenarios: list[Scenario], options: argparse.Namespace) -> None:
    names, missing = installed()
    if "botocore adaptive, 3 attempts" not in virtual_peers():
        missing.append("botocore")
    compared = [scenario for scenario in scenarios if scenario.peers]
    print_peer_head(missing)
    if not options.real:
        for scenario in compared:
            benchmark.simulate_peers(scenario)
    if not (options.virtual or options.quick):
        asyncio.run(_run_peers_really(benchmark, compared, names))


def _hold_to_budgets(benchmark: Benchmark, scenarios: list[Scenario], options: argparse.Namespace) -> None:
    print_scenario_head()
    if not options.real:
        for scenario in scenarios:
            benchmark.simulate(scenario)
    if not options.virtual:
        asyncio.run(_run_really(benchmark, scenarios, options))


def main() -> int:
    """Do what the command line asks for.

    Returns:
        The exit status.
    """
    options = _options()
    scenarios = _chosen(options)
    if options.list or not scenarios:
        print(*(scenario.name for scenario in SCENARIOS), sep="\n")
        return 0 if options.list else 2
    if options.plot is not None:
        from limits_lab.plot import draw  # noqa: PLC0415 - needs matplotlib

        asyncio.run(draw(options.plot))
        return 0
    benchmark = Benchmark(options)
    (_compare if options.peers else _hold_to_budgets)(benchmark, scenarios, options)
    if options.json is not None:
        write_json(options.json, benchmark.runs)
    # A quick run shows that it runs, and judges nothing.
    return 0 if benchmark.all_well or options.quick else 1


if __name__ == "__main__":
    sys.exit(main())
