"""What every benchmark's command line has in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from speed_lab import cores
from speed_lab.report import Report, Results, environment, print_report, write_json

Measure: TypeAlias = Callable[[argparse.Namespace], Report]


def parser(description: str) -> argparse.ArgumentParser:
    """Make a parser with the options that all have.

    Args:
        description: The module's docstring.
    """
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "--quick", action="store_true", help="a few seconds: shows that it runs, judges nothing"
    )
    made.add_argument("--rounds", type=int, metavar="N", help="turns of each")
    made.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return made


def main(description: str, measure: Measure) -> int:
    """Run one benchmark that has no options of its own.

    Args:
        description: The module's docstring.
        measure: The benchmark.

    Returns:
        The exit status.
    """
    return exit_status(run(parser(description).parse_args(), [measure]))


def run(options: argparse.Namespace, measures: list[Measure]) -> Results:
    """Run benchmarks one after the other, and print what each finds.

    Args:
        options: Of the command line.
        measures: The benchmarks.
    """
    cores.allow_many_connections()
    reports: list[Report] = []
    for measure in measures:
        report = measure(options)
        print_report(report)
        reports.append(report)
    results = Results(quick=options.quick, environment=environment(), reports=reports)
    if options.json is not None:
        write_json(options.json, results)
    return results


def exit_status(results: Results) -> int:
    """Say 1 where a budget was missed, unless the run was too short to judge by."""
    missed = not all(verdict.is_met for report in results.reports for verdict in report.verdicts)
    return int(missed and not results.quick)
