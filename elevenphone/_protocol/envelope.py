"""The body of an error: the API has five shapes of it, and `read_detail` reads them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from elevenphone._protocol.words import rate_limit_kind, specific_word
from elevenphone.errors import FieldError, RateLimitKind


class Detail(NamedTuple):
    """The content of an error's body.

    Attributes:
        code: The most specific word for the error, or `None`.
        message: A sentence, or an empty text.
        kind: The kind of a 429.
        request_id: The id of the request, or `None`.
        errors: The invalid fields.
    """

    code: str | None = None
    message: str = ""
    kind: RateLimitKind = "unknown"
    request_id: str | None = None
    errors: tuple[FieldError, ...] = ()


def read_detail(body: bytes) -> Detail:
    """Read the body of an error.

    Args:
        body: Any bytes.

    Returns:
        The fields that could be read.
    """
    try:
        envelope = msgspec.json.decode(body, type=dict[str, object])
        return _detail_of(envelope.get("detail", envelope))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # A value just shallow enough to be decoded may be too deep to be shown.
        return Detail()


def _detail_of(detail: object) -> Detail:
    match detail:
        case str():
            return Detail(message=detail.strip())
        case list():
            errors = tuple(_field_error(entry) for entry in msgspec.convert(detail, list[object]))
            return Detail(message="; ".join(error.message for error in errors), errors=errors)
        case dict():
            fields = msgspec.convert(detail, dict[str, object])
            code, status, type_ = (_text(fields, name) for name in ("code", "status", "type"))
            return Detail(
                code=specific_word(code, status),
                message=_text(fields, "message") or "",
                kind=rate_limit_kind(code, status, type_),
                request_id=_text(fields, "request_id"),
            )
        case _:
            return Detail()


def _text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    return value.strip() or None if isinstance(value, str) else None


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
