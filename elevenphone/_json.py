"""JSON from a server: what is wrong with it becomes a `DecodeError` that says what and where."""

from __future__ import annotations

import re

from elevenphone.errors import DecodeError

# Far beyond what the API nests (6, on a page), far below what exhausts a small thread's stack.
_MAX_DEPTH = 100
SHALLOW_BYTES = 2_000
"""A body this short cannot nest deeply enough to hurt msgspec's decoder, so its depth need not be counted."""

_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{\]}]', re.DOTALL)
SNIPPET_BYTES = 200
"""How much of a body an error shows."""

_MISSING_FIELD = re.compile(r"missing required field `(?P<field>[^`]+)`")
_PATH = re.compile(r"(?P<problem>.*) - at `(?P<path>[^`]+)`", re.DOTALL)


def refuse_deep_nesting(body: bytes, what: str) -> None:
    """Refuse a body that is nested too deeply to be decoded safely.

    Args:
        body: The body.
        what: What it should be, for the message.

    Raises:
        DecodeError: It is nested more than 100 levels deep.
    """
    if body.count(b"[") + body.count(b"{") <= _MAX_DEPTH:
        return
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(body):
        match token[0]:
            case b"[" | b"{":
                depth += 1
                if depth > _MAX_DEPTH:
                    raise malformed(body, what, f"nested more than {_MAX_DEPTH} levels deep")
            case b"]" | b"}":
                depth -= 1
            case _:
                pass  # a string, whose brackets do not count


def invalid(body: bytes, problem: str) -> DecodeError:
    """Make the error for JSON with a missing field or a wrong type.

    Args:
        body: The body.
        problem: What msgspec says; its path becomes that of the error.
    """
    path = "$"
    if located := _PATH.fullmatch(problem):
        problem, path = located["problem"], located["path"]
    if missing := _MISSING_FIELD.search(problem):
        path = f"{path}.{missing['field']}"
    return DecodeError(problem, path=path, snippet=body[:SNIPPET_BYTES])


def malformed(body: bytes, what: str, problem: str) -> DecodeError:
    """Make the error for a body that is no JSON, or none that can be decoded.

    Args:
        body: The body.
        what: What it should be.
        problem: What is wrong.
    """
    return DecodeError(f"not the JSON of {what}: {problem}", snippet=body[:SNIPPET_BYTES])
