"""Errors for malformed or invalid JSON: a `DecodeError` with the problem and its place."""

from __future__ import annotations

import re

from elevenphone.errors import DecodeError

# Far beyond what the API nests (6, on a page), far below what exhausts a small thread's stack.
_MAX_DEPTH = 100
SHALLOW_BYTES = 2_000
"""A body this short cannot nest deeply enough to hurt msgspec's decoder, so its depth need not be counted."""

_AS_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
SNIPPET_BYTES = 200
"""Bytes of a body that an error shows."""

_MISSING_FIELD = re.compile(r"missing required field `(?P<field>[^`]+)`")
_PATH = re.compile(r"(?P<problem>.*) - at `(?P<path>[^`]+)`", re.DOTALL)


def refuse_deep_nesting(body: bytes, what: str) -> None:
    """Refuse a body that is nested too deeply to be decoded safely.

    Args:
        body: The body.
        what: The expected content, for the message.

    Raises:
        DecodeError: It is nested more than 100 levels deep.
    """
    if body.count(b"[") + body.count(b"{") <= _MAX_DEPTH:
        return
    # Without escaped quotes, every second piece between quotes is a string, whose brackets do not count.
    outside_strings = body.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2]
    brackets = b"".join(outside_strings).translate(_AS_SQUARE, _NO_BRACKETS)
    depth = 0
    while b"[]" in brackets and depth < _MAX_DEPTH:
        brackets = brackets.replace(b"[]", b"")  # the innermost level everywhere
        depth += 1
    if depth + brackets.count(b"[") > _MAX_DEPTH:
        raise malformed(body, what, f"nested more than {_MAX_DEPTH} levels deep")


def invalid(body: bytes, problem: str) -> DecodeError:
    """Make the error for JSON with a missing field or a wrong type.

    Args:
        body: The body.
        problem: The message of msgspec. Its path becomes the path of the error.
    """
    path = "$"
    if located := _PATH.fullmatch(problem):
        problem, path = located["problem"], located["path"]
    if missing := _MISSING_FIELD.search(problem):
        path = f"{path}.{missing['field']}"
    return DecodeError(problem, path=path, snippet=body[:SNIPPET_BYTES])


def malformed(body: bytes, what: str, problem: str) -> DecodeError:
    """Make the error for a body that is not JSON, or cannot be decoded.

    Args:
        body: The body.
        what: The expected content, such as `a phone number`.
        problem: The problem.
    """
    return DecodeError(f"not the JSON of {what}: {problem}", snippet=body[:SNIPPET_BYTES])
