"""The limits of an answer, the same in each form of HTTP."""

from __future__ import annotations

from elevenphone.errors import ResponseTooLargeError

MAX_BODY_BYTES = 4_194_304
"""Longest body that is read; a number has about 1,000 bytes, and the largest page has a thousand of them."""

MAX_HEAD_BYTES = 65_536
"""Longest head that is read: status line and headers, those of interim answers included."""

MAX_HEADERS = 1_000
"""Most headers of one answer."""

MAX_LENGTH_DIGITS = 20
"""Most digits of a Content-Length: as many as 64 bits can have."""

LEAST_STATUS = 100
"""Three digits below it are not a status."""


def too_large() -> ResponseTooLargeError:
    """Make the error for a body longer than `MAX_BODY_BYTES`."""
    return ResponseTooLargeError(
        f"the answer is longer than {MAX_BODY_BYTES:,} bytes, more than any phone number has; reading stopped"
    )
