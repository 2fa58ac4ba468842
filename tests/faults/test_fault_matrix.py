"""`docs/fault-matrix.md` has every row once, and each row names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
MATRIX = FOLDER.parents[1] / "docs" / "fault-matrix.md"
ROWS = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \|(.*)\|$", MATRIX.read_text(encoding="utf-8"), re.MULTILINE)


def functions_of(file: str) -> set[str]:
    tree = ast.parse((FOLDER / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_row_is_there_once_and_in_order() -> None:
    assert [int(number) for number, *_ in ROWS] == list(range(1, 76))


@pytest.mark.parametrize("tests", [row[3] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_row_names_tests_that_exist(tests: str) -> None:
    named = re.findall(r"`([\w/.]+\.py)::(\w+)`", tests)
    assert named
    for file, name in named:
        assert name in functions_of(file)


def test_every_test_of_a_row_is_named_in_it() -> None:
    named = {int(number): tests for number, _, _, tests in ROWS}
    for path in FOLDER.glob("test_*.py"):
        for name in functions_of(path.name):
            for number in re.findall(r"(?<=row_|and_)(\d\d)_", name) if name.startswith("test_row_") else ():
                assert f"`{path.name}::{name}`" in named[int(number)], f"row {number} lacks {name}"
