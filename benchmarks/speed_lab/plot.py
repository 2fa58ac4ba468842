"""The plot for the documentation: lookups a second beside those of other clients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pictures import OTHERS, OURS, picture

from speed_lab.peers import SDK
from speed_lab.report import Figure, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OUR_NAMES = {"get": "elevenphone get", "gather": "elevenphone gather", "stream": "elevenphone stream"}


def draw(path: Path, reports: list[Report]) -> str:
    """Draw what there is.

    Args:
        path: Where to; its suffix picks the format.
        reports: What was measured.

    Returns:
        A sentence on what was drawn, or why nothing was.
    """
    figures = [
        figure for report in reports for figure in report.figures if figure.against == SDK and figure.ratio
    ]
    rates = [figure for figure in figures if figure.case.startswith("lookups/s")]
    if not rates:
        return "no plot: throughput was not measured against the official SDK"
    try:
        with picture(path) as axes:
            _draw_points(axes, [figure for figure in rates if figure.metric == rates[0].metric])
            how = f"{rates[0].metric}, {rates[0].case.rpartition(', ')[2]}"
            axes.set_title(f"Lookups a second ({how})", loc="right", fontsize=10)
    except ImportError:
        return "no plot: matplotlib is not installed"
    return f"drawn: {path}"


def _draw_points(axes: Axes, figures: list[Figure]) -> None:
    """Draw a point for each client: on a logarithmic axis the length of a bar would mean nothing."""
    for place, figure in enumerate(sorted(figures, key=lambda figure: figure.ratio or 0.0)):
        ratio = figure.ratio or 0.0
        colour = OURS if figure.subject in _OUR_NAMES else OTHERS
        axes.plot(ratio, place, "o", markersize=8, color=colour)
        axes.annotate(f"{ratio:,.3g}", (ratio, place), (7, -4), textcoords="offset points", color=colour)
    names = [figure.subject for figure in sorted(figures, key=lambda figure: figure.ratio or 0.0)]
    axes.set_yticks(range(len(names)), [_OUR_NAMES.get(name, name) for name in names])
    axes.set_xscale("log")
    axes.set_xlabel("× the official SDK, log scale (more is better)")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.16)
    axes.grid(axis="both")
    axes.tick_params(axis="y", length=0)
