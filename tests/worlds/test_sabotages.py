"""The script that breaks the client on purpose keeps up with the client."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import elevenphone

SABOTAGES = Path(__file__).parents[2] / "benchmarks" / "worlds_lab" / "sabotages.py"


@pytest.mark.skipif(not SABOTAGES.exists(), reason="there is no checkout")
def test_each_sabotage_changes_one_place_of_the_package() -> None:
    specification = importlib.util.spec_from_file_location("sabotages", SABOTAGES)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    package = Path(elevenphone.__file__).parent
    for sabotage in module.SABOTAGES:
        text = (package / sabotage.module).read_text(encoding="utf-8")
        assert text.count(sabotage.text) == 1, sabotage.name
        compile(text.replace(sabotage.text, sabotage.replacement), sabotage.module, "exec")
