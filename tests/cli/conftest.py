from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_helpers import Running, emulator


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An emulator of fifty numbers, in a process of its own."""
    ids_file: Path = tmp_path_factory.mktemp("emulator") / "ids.txt"
    with emulator(ids_file=ids_file) as running:
        yield running
