"""A request: its path, in which the id is one segment."""

from __future__ import annotations

import re
from urllib.parse import quote

from elevenphone._version import __version__
from elevenphone.errors import InvalidPhoneNumberIdError

PATH = "/v1/convai/phone-numbers/"
USER_AGENT = f"elevenphone/{__version__}"
_MAX_ID_LENGTH = 256
# These ids need no encoding.
_PLAIN = re.compile(f"[A-Za-z0-9_-]{{1,{_MAX_ID_LENGTH}}}")
# C0 and C1 control characters, and lone surrogates, which UTF-8 cannot encode.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def path_segment(phone_number_id: object) -> str:
    """Turn an id into one segment of a URL's path.

    Args:
        phone_number_id: Any non-empty text of at most 256 characters.

    Returns:
        The id, percent-encoded, so that the server reads the same id.

    Raises:
        InvalidPhoneNumberIdError: The id is not a `str`, or it is empty, blank, too
            long, `.` or `..` (which leave the path in any encoding), or it has control
            characters.
    """
    if not isinstance(phone_number_id, str):
        kind = type(phone_number_id).__name__
        raise InvalidPhoneNumberIdError(f"a phone number id must be a str, not {kind}")
    # Nearly all ids are identifiers, and that test is the fastest.
    if (
        phone_number_id.isidentifier()
        and phone_number_id.isascii()
        and len(phone_number_id) <= _MAX_ID_LENGTH
    ):
        return phone_number_id
    if _PLAIN.fullmatch(phone_number_id):
        return phone_number_id
    if len(phone_number_id) > _MAX_ID_LENGTH:
        problem = f"has {len(phone_number_id)} characters, more than {_MAX_ID_LENGTH}"
    elif not phone_number_id.strip():
        problem = "is empty or blank"
    elif phone_number_id in (".", ".."):
        problem = "is a step in a path"
    elif bad := _FORBIDDEN.search(phone_number_id):
        problem = f"holds the character {bad[0]!r} at {bad.start()}"
    else:
        return quote(phone_number_id, safe="")
    shown = repr(phone_number_id[:40]) + ("..." if len(phone_number_id) > 40 else "")
    raise InvalidPhoneNumberIdError(f"{shown} cannot be a phone number id: it {problem}")


def text_of(phone_number_id: object) -> str:
    """Show anything that was given as an id as text, even if its own `str` fails.

    Args:
        phone_number_id: Anything.

    Returns:
        Its text.
    """
    try:
        return str(phone_number_id)
    except Exception:
        return f"<{type(phone_number_id).__name__}>"
