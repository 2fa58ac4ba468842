"""The envelopes that the API wraps its errors in, five shapes of them, read as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from elevenphone.errors import FieldError


class Detail(NamedTuple):
    """What an error's body says.

    Attributes:
        code: The API's word: its `code`, or the older `status`.
        message: The API's sentence; empty where there is none.
        request_id: The request's id, where the body tells it.
        errors: The fields complained of.
    """

    code: str | None
    message: str
    request_id: str | None = None
    errors: tuple[FieldError, ...] = ()


def read_detail(body: bytes) -> Detail:
    """Read an error's body.

    Args:
        body: Any bytes.

    Returns:
        What could be read of it.
    """
    try:
        envelope = msgspec.json.decode(body, type=dict[str, object])
        return _detail_of(envelope.get("detail", envelope))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Nesting that could just be decoded may still be too deep to be shown.
        return Detail(None, "")


def _detail_of(detail: object) -> Detail:
    match detail:
        case str():
            return Detail(None, detail)
        case list():
            errors = tuple(_field_error(entry) for entry in msgspec.convert(detail, list[object]))
            return Detail(None, "; ".join(error.message for error in errors), errors=errors)
        case dict():
            fields = msgspec.convert(detail, dict[str, object])
            code = _text(fields, "code") or _text(fields, "status")
            return Detail(code, _text(fields, "message") or "", _text(fields, "request_id"))
        case _:
            return Detail(None, "")


def _text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


class _WireFieldError(msgspec.Struct):
    msg: str
    loc: tuple[str | int, ...] = ()
    type: str = ""


def _field_error(entry: object) -> FieldError:
    try:
        wire = msgspec.convert(entry, _WireFieldError)
    except msgspec.ValidationError:
        return FieldError((), str(entry), "")
    return FieldError(wire.loc, wire.msg, wire.type)
