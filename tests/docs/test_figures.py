"""The arithmetic that the pages show is right."""

from __future__ import annotations

import re

import pytest
from docs_snippets import ROOT

TABLE = re.compile(r"^\| (\d+) \| (\d+) ms \| (\d+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
ROWS = TABLE.findall((ROOT / "docs" / "cost.md").read_text(encoding="utf-8"))
SECONDS = {"s": 1, "min": 60, "h": 3600}


def test_there_are_rows() -> None:
    assert len(ROWS) >= 8


@pytest.mark.parametrize(("limit", "milliseconds", "rate", "ten_thousand", "million"), ROWS)
def test_the_times_of_a_run(
    limit: str, milliseconds: str, rate: str, ten_thousand: str, million: str
) -> None:
    a_second = int(limit) / (int(milliseconds) / 1000)
    assert rate == f"{a_second:.0f}"
    for ids, shown in ((10_000, ten_thousand), (1_000_000, million)):
        number, unit = shown.split()
        assert number == f"{ids / a_second / SECONDS[unit]:.2g}", f"{ids} ids"


def test_the_readme_has_the_factor_of_the_page_of_benchmarks() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    row = re.search(
        r"^\| lookups a second, `gather`, 64 in flight \| official SDK \| (\d+) ", page, re.MULTILINE
    )
    shown = re.search(r"about (\d+) times as many", readme)
    assert row is not None
    assert shown is not None
    assert int(shown[1]) == pytest.approx(int(row[1]), rel=0.1), "write the new factor into the README"


def test_the_page_of_benchmarks_has_one_plot_and_ten_lines() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    summary = page[page.index("<!-- summary -->") : page.index("<!-- /summary -->")]
    assert page.count("![") == 1
    assert len(re.findall(r"^\| ", summary, re.MULTILINE)) == 2 + 10
