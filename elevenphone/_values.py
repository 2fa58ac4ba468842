"""Check and show values from callers and servers, without exceptions."""

from __future__ import annotations

import math
from typing import TypeGuard

_LONGEST_SHOWN = 100


def is_finite(value: object) -> TypeGuard[float]:
    """Return whether a value is a number that a `float` can hold; a `bool` is not a number here."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond the largest float
        return False


def shown(value: object) -> str:
    """Show a value for a message: its `repr`, shortened, or its type if it has no `repr`.

    Args:
        value: Anything, also an int with too many digits to print.

    Returns:
        About 100 characters at most, which every encoding has.
    """
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return encodable(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}...")


def encodable(text: str) -> str:
    """Escape lone surrogates: neither JSON nor Arrow nor a terminal can hold them.

    They represent bytes that are not UTF-8, in a header or in a file of ids.
    """
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def with_escaped_bytes(header: str) -> str:
    r"""Escape the bytes of a header that are not UTF-8 as bytes, such as `\xff`."""
    try:
        return header.encode(errors="surrogateescape").decode(errors="backslashreplace")
    except UnicodeEncodeError:  # no transport decodes bytes to these surrogates
        return encodable(header)
