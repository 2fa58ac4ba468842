"""Troubleshooting quotes the messages of the code, and has every exit code."""

from __future__ import annotations

import re

import pytest
from docs_snippets import ROOT

from elevenphone.cli.errors import ExitCode

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
TABLE = PAGE[PAGE.index("## By message") : PAGE.index("## By exit code")]
MESSAGES = [
    message
    for cell in re.findall(r"^\| (`.*?) \|", TABLE, re.MULTILINE)
    for message in re.findall(r"`([^`]+)`", cell)
]
# Messages of Python and aiohttp.
OTHERS = {"Connect call failed", "event loop is closed", "Unclosed client session", "Unclosed connector"}
# What f-strings of the code have in their place.
FILLED = {
    "a phone number": "{what}",
    "10 s": "{job.timeout:g} s",
    "read before it was entered": "read {when}",
}


def source() -> str:
    """Read all code, with the parts of a long text joined."""
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "elevenphone").rglob("*.py"))
    )
    return re.sub(r'"\n\s*f?"', "", code)


def test_every_exit_code_is_there() -> None:
    table = PAGE[PAGE.index("## By exit code") : PAGE.index("## By symptom")]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == list(ExitCode)


def test_there_are_messages() -> None:
    assert len(MESSAGES) > 20
    assert set(MESSAGES) >= OTHERS


@pytest.mark.parametrize("message", sorted(set(MESSAGES) - OTHERS))
def test_a_message_is_in_the_code(message: str) -> None:
    code = source()
    for part in message.split("..."):
        alternatives = [part.strip()] + [
            part.strip().replace(shown, written) for shown, written in FILLED.items()
        ]
        assert any(each in code for each in alternatives)
