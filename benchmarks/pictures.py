"""How every plot looks: one style, and one way to save.

A plot has a light ground of its own, so that it is readable on a dark page and
on paper, and is drawn small, so that its text is readable on a phone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEXT, GRID, GROUND = "#1f2933", "#1f29332e", "#fcfcfd"
OURS, OTHERS, ALARM = "#0b6b8a", "#6b7280", "#c2410c"
_INCHES = (5.4, 4.0)
_STYLE: dict[Any, Any] = {
    "font.size": 11,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "elevenphone",
    "figure.facecolor": GROUND,
    "axes.facecolor": GROUND,
    "savefig.facecolor": GROUND,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), TEXT),
}


@contextmanager
def picture(path: Path) -> Iterator[Axes]:
    """Give the axes of a plot, and save it at the end.

    Args:
        path: Where to; its suffix picks the format.

    Yields:
        Axes to draw on.
    """
    import matplotlib as mpl  # noqa: PLC0415 - optional

    mpl.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    with mpl.rc_context(_STYLE):
        figure, axes = pyplot.subplots(figsize=_INCHES, layout="constrained")
        yield axes
        path.parent.mkdir(parents=True, exist_ok=True)
        # No date: the same figures give the same file.
        metadata: dict[str, Any] = {"Date": None, "Creator": None} if path.suffix == ".svg" else {}
        figure.savefig(path, dpi=150, metadata=metadata)
        pyplot.close(figure)
