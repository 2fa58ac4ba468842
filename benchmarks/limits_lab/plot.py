"""The limit over time, from a run over sockets against a server whose limit changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from limits_lab.plans import ServerPlan
from limits_lab.real import run_processes
from limits_lab.scenarios import PLOTTED, PLOTTED_SECONDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SAMPLE_SECONDS = 0.02
_THROTTLED = 429
_MOST_SHOWN = 32
_TICKS_AT = 0.7
# Mid-tones on a transparent ground: the one picture is read on white and on dark pages.
_TEXT, _CLIENT, _REFUSAL = "#777777", "#2a8fd8", "#e0532f"
_GRID = "#77777740"
_STYLE: dict[Any, Any] = {
    "font.size": 13,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "limits",
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _TEXT),
}


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
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    with mpl.rc_context(_STYLE):
        figure, axes = pyplot.subplots(figsize=(9.5, 4.6), layout="constrained")
        _draw_lines(axes, samples, refusals)
        _dress(axes)
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata: dict[str, Any] = {"Date": None, "Creator": None} if path.suffix == ".svg" else {}
        figure.savefig(path, transparent=True, dpi=150, metadata=metadata)
        pyplot.close(figure)


def _draw_lines(axes: Axes, samples: list[tuple[float, int]], refusals: list[float]) -> None:
    times, limits = _server_line(PLOTTED.server)
    axes.fill_between(times, limits, color=_TEXT, alpha=0.22, linewidth=0, label="what the server allows")
    axes.plot(times, limits, color=_TEXT, linewidth=1.2)
    moments, values = zip(*samples, strict=True)
    axes.step(moments, values, where="post", color=_CLIENT, linewidth=2.2, label="the client's limit")
    axes.plot(
        refusals,
        [_TICKS_AT] * len(refusals),
        linestyle="none",
        marker="|",
        markersize=15,
        markeredgewidth=1.8,
        color=_REFUSAL,
        label=f"a request refused with 429 ({len(refusals)} in all)",
    )


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
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", frameon=False)
