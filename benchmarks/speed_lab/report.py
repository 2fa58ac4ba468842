"""Figures, budgets, and how both are shown: on a terminal, as JSON, in Markdown."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from pathlib import Path

import msgspec

from speed_lab import cores

_PACKAGES = (
    "elevenphone", "aiohttp", "msgspec", "uvloop", "elevenlabs", "httpx", "niquests", "curl_cffi", "primp",
    "pyreqwest", "pydantic",
)  # fmt: skip


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured thing.

    Attributes:
        case: Under what circumstances; figures of one case make one table.
        subject: Of what.
        metric: What was measured, with its unit.
        value: The median.
        against: What `ratio` compares with.
        ratio: The median of the ratios of each round, or `None`.
        low: The lowest of these ratios.
        high: The highest.
    """

    case: str
    subject: str
    metric: str
    value: float
    against: str | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A budget, and whether it was met.

    Attributes:
        budget: What is bounded.
        measured: The figure.
        at_most: Its upper bound, or `None`.
        at_least: Its lower bound, or `None`.
    """

    budget: str
    measured: float
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether the figure is within its bounds."""
        return (self.at_most is None or self.measured <= self.at_most) and (
            self.at_least is None or self.measured >= self.at_least
        )

    def words(self) -> str:
        """Put it in one line."""
        budget, measured, bound, _ = self.cells()
        return f"{'ok' if self.is_met else 'MISS':4}  {budget}: {measured} ({bound})"

    def cells(self) -> list[str]:
        """Put it in cells of a table: the budget, the figure, its bound, whether it is missed."""
        bound = f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"
        return [self.budget, f"{self.measured:.3g}", bound, "" if self.is_met else "**missed**"]


class Report(msgspec.Struct, kw_only=True):
    """What a benchmark found.

    Attributes:
        benchmark: Its name.
        server: What answered, where there was one.
        figures: All of them.
        verdicts: One for each budget.
        left_out: What could not be measured here, and why.
        notes: What a reader must know.
    """

    benchmark: str
    server: str | None = None
    figures: list[Figure] = []
    verdicts: list[Verdict] = []
    left_out: list[str] = []
    notes: list[str] = []


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured.

    Attributes:
        python: Version of the interpreter.
        system: The operating system.
        cores: How client and server were placed.
        packages: Versions of what was compared.
    """

    python: str
    system: str
    cores: str
    packages: dict[str, str]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """All reports of one call.

    Attributes:
        quick: Whether it was too short to judge by.
        environment: Where.
        reports: One for each benchmark.
    """

    quick: bool
    environment: Environment
    reports: list[Report]


def environment() -> Environment:
    """Describe where this runs."""
    return Environment(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=f"{platform.system()} {platform.machine()}",
        cores=cores.placement(),
        packages={name: version for name in _PACKAGES if (version := _version(name))},
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def compare(
    case: str,
    metric: str,
    rounds: dict[str, list[float]],
    against: str | None,
) -> list[Figure]:
    """Make figures of what each subject measured in each round.

    Args:
        case: Under what circumstances.
        metric: What was measured.
        rounds: By subject, one value a round.
        against: The subject that all are held against, round by round.
    """
    reference = rounds.get(against or "")
    figures: list[Figure] = []
    for subject, values in rounds.items():
        ratios = [value / peer for value, peer in zip(values, reference or (), strict=False) if peer]
        figures.append(
            Figure(
                case=case,
                subject=subject,
                metric=metric,
                value=statistics.median(values),
                against=against if ratios else None,
                ratio=statistics.median(ratios) if ratios else None,
                low=min(ratios, default=None),
                high=max(ratios, default=None),
            )
        )
    return figures


def median_ratio(rounds: dict[str, list[float]], subject: str, against: str) -> float | None:
    """Compute the median of the ratios of two subjects, round by round; `None` where one is missing."""
    if not rounds.get(subject) or not rounds.get(against):
        return None
    return statistics.median(a / b for a, b in zip(rounds[subject], rounds[against], strict=False))


def print_report(report: Report) -> None:
    """Print a report as tables."""
    print(f"\n== {report.benchmark}" + (f" (server: {report.server})" if report.server else ""))
    for case, table in _tables(report.figures, _cell):
        widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
        print(f"\n{case}")
        for row in table:
            cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            print("", row[0].ljust(widths[0]), *cells, sep="  ")
    if report.left_out:
        print("\nleft out:", *dict.fromkeys(report.left_out), sep="\n  ")
    if report.notes:
        print("", *report.notes, sep="\n")
    if report.verdicts:
        print("", *(verdict.words() for verdict in report.verdicts), sep="\n", flush=True)


def markdown(report: Report) -> str:
    """Render a report's ratios, which mean something on other machines too, as Markdown."""
    parts: list[str] = []
    compared = [figure for figure in report.figures if figure.ratio is not None]
    for case, table in _tables(compared, _ratio_cell):
        head, *rows = table
        lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
        parts.append(f"**{case}**\n\n{_markdown_lines(lines)}")
    if report.verdicts:
        rows = [verdict.cells() for verdict in report.verdicts]
        parts.append(
            _markdown_lines([["budget", "figure", "bound", ""], ["---", "---:", "---", "---"], *rows])
        )
    if report.left_out:
        parts.append("Left out: " + "; ".join(dict.fromkeys(report.left_out)) + ".")
    return "\n\n".join(parts)


def _markdown_lines(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_json(path: Path, results: Results) -> None:
    """Write all figures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def _tables(
    figures: Sequence[Figure], cell: Callable[[Figure], str]
) -> Iterable[tuple[str, list[list[str]]]]:
    """Yield each case with a table: subjects down, metrics across."""
    for case in dict.fromkeys(figure.case for figure in figures):
        of_case = [figure for figure in figures if figure.case == case]
        metrics = list(dict.fromkeys(figure.metric for figure in of_case))
        by_place = {(figure.subject, figure.metric): cell(figure) for figure in of_case}
        against = next((figure.against for figure in of_case if figure.against), None)
        rows = [
            [subject, *(by_place.get((subject, metric), "") for metric in metrics)]
            for subject in dict.fromkeys(figure.subject for figure in of_case)
        ]
        yield case, [[f"× {against}" if against else "", *metrics], *rows]


def _cell(figure: Figure) -> str:
    if figure.ratio is None or figure.low is None or figure.high is None:
        return _short(figure.value)
    return f"{_short(figure.value)}  ×{figure.ratio:.2f} ({figure.low:.2f} to {figure.high:.2f})"


def _ratio_cell(figure: Figure) -> str:
    return "" if figure.ratio is None else f"{figure.ratio:.2f}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
