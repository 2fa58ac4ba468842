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
