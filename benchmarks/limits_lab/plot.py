"""The limit over time, from a run over sockets against a server whose limit changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pictures import ALARM, OTHERS, OURS, picture

from limits_lab.plans import ServerPlan
from limits_lab.real import run_processes
from limits_lab.scenarios import PLOTTED, PLOTTED_SECONDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SAMPLE_SECONDS = 0.02
_THROTTLED = 429
_MOST_SHOWN = 34
_TICKS_AT = 0.7


async def draw(path: Path) -> None:
    """Run the scenario, and draw it.

    Args:
        path: Where to; its suffix picks the format.
    """
    reports, server = await run_processes(PLOTTED, sample_every=_SAMPLE_SECONDS, seconds=PLOTTED_SECONDS)
    report = reports[0]
    samples = [(moment - report.started, limit) for moment, limit, _ in report.samples]
    refusals = [moment for moment, status in server.requests if status == _THROTTLED]
    print(f"{len(report.finished)} lookups, {len(refusals)} refused, {report.lost} lost")
    _draw(path, samples, refusals)


def _draw(path: Path, samples: list[tuple[float, int]], refusals: list[float]) -> None:
    with picture(path) as axes:
        times, limits = _server_line(PLOTTED.server)
        axes.fill_between(
            times, limits, color=OTHERS, alpha=0.25, linewidth=0, label="what the server allows"
        )
        axes.plot(times, limits, color=OTHERS, linewidth=1.2)
        moments, values = zip(*samples, strict=True)
        axes.step(moments, values, where="post", color=OURS, linewidth=2.2, label="the client's limit")
        axes.plot(
            refusals,
            [_TICKS_AT] * len(refusals),
            linestyle="none",
            marker="|",
            markersize=13,
            markeredgewidth=1.6,
            color=ALARM,
            label=f"refused with 429 ({len(refusals)} requests)",
        )
        _dress(axes)


def _server_line(plan: ServerPlan) -> tuple[list[float], list[float]]:
    times: list[float] = []
    limits: list[float] = []
    for start, end, limit, _ in plan.segments():
        times += [start, min(end, PLOTTED_SECONDS)]
        limits += [float(limit or 0)] * 2
    return times, limits


def _dress(axes: Axes) -> None:
    axes.set(
        xlabel="time (s)",
        ylabel="requests in flight",
        xlim=(0, PLOTTED_SECONDS),
        ylim=(0, _MOST_SHOWN),
    )
    axes.set_yticks([0, 4, 10, 20])
    axes.grid()
    axes.legend(loc="upper left", frameon=False, fontsize=10)
