from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from cli_helpers import Api, emulator


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """An emulator of fifty numbers."""
    with emulator(record=True) as running:
        yield running


@pytest.fixture(params=["uvloop", "asyncio"])
def on_loop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables with which a process runs on one event loop, and on the other."""
    if request.param == "uvloop":
        if find_spec("uvloop") is None:
            pytest.skip("needs the extra speed")
        return {}
    folder = tmp_path_factory.mktemp("without_uvloop")
    (folder / "uvloop.py").write_text("raise ImportError('hidden by a test')\n", encoding="ascii")
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{before}" if before else str(folder)}
