"""The figures of a run, put into the documentation between two marks."""

from __future__ import annotations

from pathlib import Path

from speed_lab.report import Results, markdown
from speed_lab.summary import summary

_TITLES = {
    "throughput": "Throughput",
    "decode": "Decoding",
    "cache": "Answers from memory",
    "latency": "Latency",
    "startup": "Start",
    "memory": "Memory",
    "scaling": "Scaling",
}


def publish(page: Path, appendix: Path, results: Results) -> None:
    """Replace the figures in the documentation.

    Args:
        page: The page with the ten lines, between `<!-- summary -->` and its end.
        appendix: The page with everything, between `<!-- figures -->` and its end.
        results: What was measured.

    Raises:
        ValueError: A mark is missing.
    """
    _replace(page, "summary", summary(results))
    _replace(appendix, "figures", _figures(results))


def _replace(page: Path, mark: str, text: str) -> None:
    before, begin, rest = page.read_text().partition(f"<!-- {mark} -->")
    _, end, after = rest.partition(f"<!-- /{mark} -->")
    if not begin or not end:
        raise ValueError(f"{page}: the marks <!-- {mark} --> and <!-- /{mark} --> must both be there")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def _figures(results: Results) -> str:
    place = results.environment
    versions = ", ".join(f"{name} {version}" for name, version in place.packages.items())
    parts = [f"{place.python}, {place.system}; {place.cores}. {versions}."]
    for report in results.reports:
        server = f"Server: {report.server}.\n\n" if report.server else ""
        parts.append(f"### {_TITLES.get(report.benchmark, report.benchmark)}\n\n{server}{markdown(report)}")
    return "\n\n".join(parts)
