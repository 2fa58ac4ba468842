"""Text from elsewhere, made safe for a terminal."""

from __future__ import annotations

import re
import textwrap

# C0 and C1 controls, line and paragraph separators, marks that change the writing direction, lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ENCODED_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PASSWORD = re.compile("(://[^/@:]*:)[^/]*(@)")


def printable(text: str) -> str:
    r"""Show the characters that could command a terminal as escapes, such as `\x1b`."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


def printable_json(document: bytes) -> bytes:
    r"""Write the same JSON with those characters as JSON's own escapes, such as `\u009b`."""
    if document.isascii() and b"\x7f" not in document:
        return document
    return _ENCODED_UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", document.decode()).encode()


def without_password(text: str) -> str:
    """Hide the password in an address such as `http://user:password@proxy.example`."""
    return _PASSWORD.sub(r"\1***\2", text)


def counted(count: int, noun: str) -> str:
    """Say a count with its noun, such as `1 lookup` or `2,000 lookups`."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def wrapped(text: str, width: int) -> str:
    """Break lines at words; an indented line is a command to copy, and stays whole."""
    return "\n".join(
        line
        if line.startswith("  ")
        else textwrap.fill(line, max(width, 20), break_long_words=False, break_on_hyphens=False)
        for line in text.split("\n")
    )
