"""Finds the code blocks of the README and the documentation, and what is to be done with each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

_COMMENT = re.compile(r"<!-- (?P<name>[a-z]+)(?:: (?P<value>.*?))? -->")
_FENCE = re.compile(r"```(?P<language>[a-z]+)$")


class Snippet(NamedTuple):
    """One code block.

    Attributes:
        page: Path of the page, from the root of the project.
        line: Line of the block's first line, from 1.
        language: What stands behind the fence.
        code: The block's text.
        notes: Name and value of each comment above it; the value may be empty.
    """

    page: str
    line: int
    language: str
    code: str
    notes: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """Read the values of every comment of a name."""
        return [value for note, value in self.notes if note == name]

    def get(self, name: str) -> str | None:
        """Read the value of a comment; `None` where there is none of this name."""
        return next(iter(self.all(name)), None)

    @property
    def is_left_out(self) -> bool:
        """Whether it is not to be run: it says so, or is a shell block that does not ask for it."""
        return self.get("skip") is not None or (self.language == "sh" and not self.notes)

    @property
    def is_output(self) -> bool:
        """Whether it shows what the block before it prints."""
        return self.language == "text" and self.get("output") == ""

    @property
    def place(self) -> str:
        """Page and line."""
        return f"{self.page}:{self.line}"


class Group(NamedTuple):
    """Blocks that share a directory and their names: one, and those that continue it."""

    snippets: tuple[Snippet, ...]


def pages() -> list[Path]:
    """List the pages: the README, and all of docs but the guides for engines, which tests/engines runs."""
    found = sorted((ROOT / "docs").rglob("*.md"))
    left_out = {ROOT / "docs" / "engines", ROOT / "docs" / "_build"}
    return [ROOT / "README.md", *(page for page in found if not left_out & set(page.parents))]


def snippets_of(page: Path) -> list[Snippet]:
    """Read the blocks of a page, of whichever language."""
    found: list[Snippet] = []
    notes: list[tuple[str, str]] = []
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), 1))
    for number, line in lines:
        if comment := _COMMENT.fullmatch(line.strip()):
            notes.append((comment["name"], comment["value"] or ""))
        elif fence := _FENCE.fullmatch(line):
            code: list[str] = []
            for _, inner in lines:
                if inner == "```":
                    break
                code.append(inner)
            name = page.relative_to(ROOT).as_posix()
            found.append(Snippet(name, number + 1, fence["language"], "\n".join(code) + "\n", tuple(notes)))
            notes = []
        elif line.strip():
            notes = []
    return found


def groups() -> list[Group]:
    """Put the blocks that can be run into groups."""
    made: list[list[Snippet]] = []
    for page in pages():
        for snippet in snippets_of(page):
            if snippet.language not in {"python", "sh"} and not snippet.is_output:
                continue
            if snippet.get("continues") is not None or snippet.is_output:
                made[-1].append(snippet)
            else:
                made.append([snippet])
    return [Group(tuple(group)) for group in made]
