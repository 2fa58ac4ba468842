"""The ten figures that the page of benchmarks shows; all others are in its appendix."""

from __future__ import annotations

from typing import NamedTuple

from speed_lab.decoders import MSGSPEC
from speed_lab.peers import BARE, SDK
from speed_lab.report import Results

_PYREQWEST = "pyreqwest + msgspec"
_RATES = "lookups/s against the official SDK, 64 in flight"


class Line(NamedTuple):
    """One line of the table.

    Attributes:
        words: What is compared.
        case: The case of both figures.
        metric: Their metric.
        subject: Ours.
        other: What it is compared with.
        more_is_better: Which way is good.
    """

    words: str
    case: str
    metric: str
    subject: str
    other: str
    more_is_better: bool


LINES = (
    Line("lookups a second, `gather`, 64 in flight", _RATES, "plain, asyncio", "gather", SDK, True),
    Line("lookups a second, `gather`, 64 in flight, uvloop", _RATES, "plain, uvloop", "gather", SDK, True),
    Line("lookups a second, `gather`, 64 in flight, TLS", _RATES, "TLS, asyncio", "gather", SDK, True),
    Line("lookups a second, `gather`, 64 in flight", _RATES, "plain, asyncio", "gather", BARE, True),
    Line("lookups a second, `gather`, 64 in flight", _RATES, "plain, asyncio", "gather", _PYREQWEST, True),
    Line("time of one `get`, median", "one lookup at a time", "p50, µs", "elevenphone", BARE, False),
    Line("time of one `get`, median", "one lookup at a time", "p50, µs", "elevenphone", SDK, False),
    Line("time to decode a SIP trunk", "SIP trunk", "µs a body", "elevenphone.decode", MSGSPEC, False),
    Line("time to decode a SIP trunk", "SIP trunk", "µs a body", "elevenphone.decode", SDK, False),
    Line("memory of a number", "numbers held", "bytes a number", "elevenphone.decode", SDK, False),
)


def summary(results: Results) -> str:
    """Make the table.

    Args:
        results: What was measured.

    Returns:
        Markdown; without the lines that were not measured.
    """
    ratios = {
        (figure.case, figure.metric, figure.subject): figure.ratio
        for report in results.reports
        for figure in report.figures
    }
    rows = ["| what | compared with | factor | better is |", "| --- | --- | ---: | --- |"]
    for line in LINES:
        ours = ratios.get((line.case, line.metric, line.subject))
        other = ratios.get((line.case, line.metric, line.other))
        if ours and other:
            better = "more" if line.more_is_better else "less"
            rows.append(f"| {line.words} | {line.other} | {_two_digits(ours / other)} | {better} |")
    return "\n".join(rows)


def _two_digits(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.2g}"  # where `g` begins to write 1e+02
