"""The picture for the documentation: lookups a second, and decoding, beside those of others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from speed_lab.peers import SDK
from speed_lab.report import Figure, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Mid-tones, so that the one transparent picture is readable on white and on dark pages.
_TEXT, _GRID, _OURS, _OTHERS = "#777777", "#7777774d", "#1f8ad6", "#9a9a9a"
_OUR_NAMES = {"get": "elevenphone get", "gather": "elevenphone gather", "stream": "elevenphone stream"}
_BARS = 0.8


def draw(path: Path, reports: list[Report]) -> str:
    """Draw what there is.

    Args:
        path: Where to; its suffix picks the format.
        reports: What was measured.

    Returns:
        A sentence on what was drawn, or why nothing was.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415 - optional
    except ImportError:
        return "no picture: matplotlib is not installed"
    panels = _panels(reports)
    if not panels:
        return "no picture: neither throughput nor decode was measured against the official SDK"
    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    style: dict[Any, Any] = dict.fromkeys(
        ("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), _TEXT
    )
    style |= {"font.size": 11, "svg.hashsalt": "speed", "svg.fonttype": "none", "font.family": "sans-serif"}
    with mpl.rc_context(style):
        figure, axes = plt.subplots(
            len(panels), figsize=(8.5, 3.6 * len(panels)), layout="constrained", squeeze=False
        )
        for axis, (title, bars) in zip(axes[:, 0], panels, strict=True):
            _draw_bars(axis, title, bars)
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"Date": None, "Creator": None} if path.suffix == ".svg" else {}
        figure.savefig(path, transparent=True, dpi=150, metadata=metadata)
        plt.close(figure)
    return f"drawn: {path}"


def _panels(reports: list[Report]) -> list[tuple[str, list[Figure]]]:
    by_name = {report.benchmark: report.figures for report in reports}
    rates = [figure for figure in by_name.get("throughput", []) if figure.against == SDK]
    decoding = [figure for figure in by_name.get("decode", []) if figure.case == "SIP trunk"]
    panels: list[tuple[str, list[Figure]]] = []
    if rates:
        first = rates[0]
        title = (
            f"Lookups a second, times the official SDK's ({first.metric}; {first.case.rpartition(', ')[2]})"
        )
        panels.append((title, [figure for figure in rates if figure.metric == first.metric]))
    if decoding:
        against = decoding[0].against or ""
        panels.append((f"Time to decode a SIP trunk, times {against} (less is better)", decoding))
    return panels


def _draw_bars(axis: Axes, title: str, bars: list[Figure]) -> None:
    ranked = sorted(bars, key=lambda figure: figure.ratio or 0.0)
    names = [_OUR_NAMES.get(figure.subject, figure.subject) for figure in ranked]
    colours = [_OURS if name.startswith("elevenphone") else _OTHERS for name in names]
    drawn = axis.barh(names, [figure.ratio or 0.0 for figure in ranked], height=_BARS, color=colours)
    axis.bar_label(drawn, labels=[f" {figure.ratio:,.3g}" for figure in ranked], color=_TEXT)
    axis.set_title(title, loc="left", fontsize=11)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.margins(x=0.12)
    axis.grid(axis="x", color=_GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.spines["bottom"].set_color(_TEXT)
    axis.tick_params(axis="y", length=0)
