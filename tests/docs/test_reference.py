"""The reference names everything that is public, and the index leads to every page."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
from docs_snippets import ROOT, snippets_of

import elevenphone
import elevenphone.emulator

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
NAMES = [(module, name) for module in (elevenphone, elevenphone.emulator) for name in module.__all__]


def described() -> set[str]:
    """List what the pages of the reference describe, with its module."""
    found: set[str] = set()
    for page in (DOCS / "reference").glob("*.md"):
        module = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if current := re.match(r"\.\. py:currentmodule:: (\S+)", line):
                module = f"{current[1]}."
            elif directive := re.match(r"\.\. (auto\w+|py:\w+):: ([\w.]+)", line):
                found.add(directive[2] if directive[1].startswith("auto") else module + directive[2])
    return found


@pytest.mark.parametrize(("module", "name"), NAMES, ids=[name for _, name in NAMES])
def test_every_public_name_is_in_the_reference(module: ModuleType, name: str) -> None:
    assert f"{module.__name__}.{name}" in described()


@pytest.mark.parametrize("name", elevenphone.__all__)
def test_every_public_name_is_in_an_example_of_the_reference(name: str) -> None:
    examples = [snippet for page in (DOCS / "reference").glob("*.md") for snippet in snippets_of(page)]
    assert any(re.search(rf"\b{name}\b", each.code) for each in examples if each.language == "python")


def test_the_index_leads_to_every_page() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    listed = {
        line for tree in re.findall(r"```\{toctree\}\n(.*?)```", index, re.DOTALL) for line in tree.split()
    }
    for page in PAGES:
        name = page.relative_to(DOCS).with_suffix("").as_posix()
        assert name in listed or name == "index", f"{name} is in no toctree of docs/index.md"


def test_the_version_of_the_changes_is_that_of_the_package() -> None:
    changes = (DOCS / "changelog.md").read_text(encoding="utf-8")
    latest = re.search(r"^## (\d+\.\d+\.\d+)", changes, re.MULTILINE)
    assert latest is not None
    assert latest[1] == elevenphone.__version__


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *PAGES], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, _, anchor in re.findall(r"\]\((?!https?:|#)([^)#]+)(#([^)]+))?\)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(page.parent / target), (
            f"{page.name} links to {target}#{anchor}"
        )


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
