"""The figures of a run, put into the documentation between two marks."""

from __future__ import annotations

from pathlib import Path

from speed_lab.report import Results, markdown

_BEGIN, _END = "<!-- figures -->", "<!-- /figures -->"
_TITLES = {
    "throughput": "Throughput",
    "decode": "Decoding",
    "latency": "Latency",
    "startup": "Start",
    "memory": "Memory",
    "scaling": "Scaling",
}


def publish(page: Path, results: Results) -> None:
    """Replace the figures in a page.

    Args:
        page: A Markdown file that has both marks.
        results: What was measured.

    Raises:
        ValueError: A mark is missing.
    """
    text = page.read_text()
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{page}: the marks {_BEGIN} and {_END} must both be there")
    page.write_text(f"{before}{_BEGIN}\n{_figures(results)}\n{_END}{after}")


def _figures(results: Results) -> str:
    place = results.environment
    versions = ", ".join(f"{name} {version}" for name, version in place.packages.items())
    parts = [f"{place.python}, {place.system}; {place.cores}. {versions}."]
    for report in results.reports:
        server = f"Server: {report.server}.\n\n" if report.server else ""
        parts.append(f"### {_TITLES.get(report.benchmark, report.benchmark)}\n\n{server}{markdown(report)}")
    return "\n\n".join(parts)
