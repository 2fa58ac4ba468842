"""The README's pictures are current, and its text is readable on a package index too."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import util
from types import ModuleType

import pytest
from docs_snippets import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
RELATIVE_LINK = re.compile(r"\]\((?!https://|#)")
REPOSITORY = "https://git.example/owner/elevenphone"


@pytest.fixture
def hook() -> ModuleType:
    pytest.importorskip("hatchling")
    spec = util.spec_from_file_location("hatch_build", ROOT / "docs" / "_tools" / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_with_a_repository_every_link_of_the_description_is_absolute(hook: ModuleType) -> None:
    text = hook.description(README, REPOSITORY)
    assert not RELATIVE_LINK.search(text)
    assert f"]({REPOSITORY}/raw/HEAD/docs/images/demo.svg)" in text
    assert f"[Tutorial]({REPOSITORY}/blob/HEAD/docs/tutorial.md)" in text


def test_without_a_repository_the_description_has_no_link_that_leads_nowhere(hook: ModuleType) -> None:
    text = hook.description(README, "")
    assert not RELATIVE_LINK.search(text)
    assert "![" not in text
    assert "- Tutorial: " in text


def test_project_urls_are_made_from_the_repository_alone(hook: ModuleType) -> None:
    assert hook.project_urls("") == {}
    assert all(url.startswith(REPOSITORY) for url in hook.project_urls(REPOSITORY).values())


@pytest.mark.parametrize("picture", ["badges", "terminal"])
def test_pictures_are_current(picture: str) -> None:
    script = ROOT / "docs" / "_tools" / f"{picture}.py"
    done = subprocess.run(  # noqa: S603
        [sys.executable, str(script), "--check"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, f"run {script.relative_to(ROOT)}\n{done.stdout}{done.stderr}"


def test_the_nightly_check_sees_every_external_link_of_the_readme() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))
    for link in re.findall(r"\]\((https?://[^)]+)\)", README):
        assert link in pages, f"{link} is in no page of docs, which are all that the nightly check reads"
