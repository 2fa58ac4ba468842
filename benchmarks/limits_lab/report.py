"""Rows on a terminal, and the same figures as JSON."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import msgspec

from limits_lab.measure import Run, misses
from limits_lab.scenarios import Scenario

IDEAL = (
    "ideal: ids / rate under a rate limit; else the time in which the limit, as it changes, offers\n"
    "ids x mean latency drawn / (1 - share of 503) seconds of places, none in an outage;\n"
    "with no limit the makespan of the same client fixed at 100 in flight. rejected: share answered 429\n"
    "after the first second. answer: mean time of lookups of one request, as the client saw it, which over\n"
    "sockets tells how loaded the machine is. probes: a second, in an outage. spread: most over fewest\n"
    "lookups of the processes, when the first of them is done. get, p99: median and slowest in a hundred\n"
    "of the single lookups beside the run, over the time of one alone."
)
_SCENARIO_HEAD = (
    f"{'scenario':38}{'clock':>9}{'makespan':>10}{'ideal':>9}{'ratio':>7}{'worst':>7}{'budget':>8}"
    f"{'rejected':>10}{'budget':>8}{'lost':>6}{'peak':>6}{'answer':>9}{'probes':>8}{'spread':>8}"
    f"{'get':>6}{'p99':>6}  verdict"
)
_PEER_HEAD = (
    f"{'scenario':38}{'client':32}{'in flight':>10}{'clock':>9}{'lost':>7}{'wasted':>8}"
    f"{'makespan':>10}{'ratio':>7}"
)


def print_scenario_head() -> None:
    """Print what the columns of `print_scenario` are."""
    print(IDEAL, _SCENARIO_HEAD, sep="\n", flush=True)


def print_scenario(scenario: Scenario, run: Run, runs: list[Run]) -> bool:
    """Print one row.

    Args:
        scenario: What was run.
        run: The run to show.
        runs: All runs, this one included; the worst ratio and the verdict are theirs.

    Returns:
        Whether all of them kept within the budgets.
    """
    over = sorted({miss for one in runs for miss in misses(scenario, one)})
    bounded = scenario.most_time is not None
    verdict = f"MISS {', '.join(over)}" if over else "ok" if bounded else "-"
    print(
        f"{scenario.name:38}{run.clock:>9}{run.makespan:>9.2f}s{run.ideal:>8.2f}s{run.ratio:>7.3f}"
        f"{max(one.ratio for one in runs):>7.3f}{_or_dash(scenario.most_time, 'g'):>8}"
        f"{run.rejected:>10.2%}{_or_dash(scenario.most_rejected, '.0%'):>8}"
        f"{max(one.lost for one in runs):>6}{run.peak:>6}"
        f"{f'{1000 * run.answer:.1f} ms' if run.answer else '-':>9}"
        f"{_or_dash(run.probes or None, '.1f'):>8}"
        f"{_or_dash(run.uneven if scenario.clients > 1 else None, '.2f'):>8}"
        f"{_or_dash(run.get_median or None, '.2f'):>6}{_or_dash(run.get_slow or None, '.2f'):>6}  {verdict}",
        flush=True,
    )
    return not (over and bounded)


def print_peer_head(missing: list[str]) -> None:
    """Print what the columns of `print_peer` are, and which packages are not installed."""
    if missing:
        print(f"not installed, left out: {', '.join(missing)}")
    print(_PEER_HEAD, flush=True)


def print_peer(run: Run) -> None:
    """Print one row of the comparison."""
    print(
        f"{run.scenario:38}{run.client:32}{run.in_flight or 'adapts':>10}{run.clock:>9}"
        f"{run.lost:>7}{run.wasted:>8}{run.makespan:>9.2f}s{run.ratio:>7.2f}",
        flush=True,
    )


def write_json(path: Path, runs: list[Run]) -> None:
    """Write the figures of all runs."""
    figures = [{**msgspec.structs.asdict(run), "ratio": run.ratio} for run in runs]
    about = {"python": platform.python_version(), "platform": sys.platform}
    path.write_bytes(
        msgspec.json.format(msgspec.json.encode({"about": about, "runs": figures}), indent=2) + b"\n"
    )


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
