"""Run the code blocks of the guides that need no engine, unchanged."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="needs the extra arrow")

from arrow_helpers import emulator_in_thread

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(code: str, folder: Path) -> str:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], cwd=folder, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_blocks_on_tables_write_and_read_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write, pandas, polars = BLOCK.findall((DOCS / "engines" / "tables.md").read_text(encoding="utf-8"))
    with emulator_in_thread(monkeypatch) as emulator:
        (tmp_path / "ids.txt").write_text("\n".join([*emulator.ids, *emulator.unknown_ids, ".."]))
        run(write, tmp_path)
    trunks = {
        trunk.address
        for each in emulator.ids
        if (trunk := getattr(emulator.number(each), "outbound_trunk", None)) is not None
    }
    agents = {agent.agent_name for each in emulator.ids if (agent := emulator.number(each).assigned_agent)}
    if find_spec("pandas") is not None:
        said = run(pandas, tmp_path)
        assert re.search(r"^found +100$", said, re.MULTILINE)
        assert agents <= set(re.findall(r"^(.+?) +\d+$", said, re.MULTILINE))
    if find_spec("polars") is not None:
        said = run(polars, tmp_path)
        assert "invalid_phone_number_id" in said
        assert f"shape: ({len(trunks)}, 1)" in said
