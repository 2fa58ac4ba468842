"""A lookup as plain fields instead of objects and exceptions, for JSON lines, CSV and Arrow."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

import msgspec

from elevenphone._values import encodable as encodable  # noqa: PLC0414 - the writers of records use it too
from elevenphone.errors import DecodeError, ElevenPhoneError, NotFoundError, StatusError
from elevenphone.lookups import Failed, Found, Lookup
from elevenphone.models import OtherPhoneNumber, PhoneNumber

Status: TypeAlias = Literal["found", "not_found", "failed"]
"""The status of a lookup, in one word."""

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


class ErrorDocument(msgspec.Struct, frozen=True):
    """The reason why a lookup has no number.

    Attributes:
        kind: The name of the error's class for scripts, such as `not_found`.
        http_status: The HTTP status, or `None` if there was no answer.
        code: The API's word for the error, or `None`.
        message: The error in a sentence.
        request_id: The id of the request, for ElevenLabs' support, or `None`.
    """

    kind: str
    http_status: int | None
    code: str | None
    message: str
    request_id: str | None


def status_of(lookup: Lookup) -> Status:
    """Return the status of a lookup, in one word."""
    if isinstance(lookup, Found):
        return "found"
    return "not_found" if isinstance(lookup.error, NotFoundError) else "failed"


def row_of(lookup: Lookup | PhoneNumber) -> dict[str, object]:
    """Turn a lookup into a row: its fields without the index, and those of its number or error.

    A number of a listing becomes a row with `found` and 0 attempts.
    """
    if not isinstance(lookup, Found | Failed):
        lookup = Found(0, lookup.phone_number_id, 0, 0.0, lookup)
    if isinstance(lookup, Found):
        row: dict[str, object] = msgspec.to_builtins(lookup.number, builtin_types=(bytes,))
        if isinstance(lookup.number, OtherPhoneNumber):
            row["raw"] = lookup.number.raw.decode(errors="replace")
    else:
        error = error_document(lookup.error)
        row = {
            "error_kind": error.kind,
            "http_status": error.http_status,
            "error_code": error.code,
            "error_message": error.message,
            "request_id": error.request_id,
        }
    row["phone_number_id"] = encodable(lookup.phone_number_id)
    row["status"] = status_of(lookup)
    row["attempts"] = lookup.attempts
    row["elapsed"] = lookup.elapsed
    return row


def error_document(error: ElevenPhoneError) -> ErrorDocument:
    """Turn an error into the document that replaces the number."""
    answered = error if isinstance(error, StatusError) else None
    return ErrorDocument(
        kind=kind_of(type(error)),
        http_status=error.status if isinstance(error, StatusError | DecodeError) else None,
        code=None if answered is None else answered.code,
        message=encodable(message_of(error)),
        request_id=None if answered is None else answered.request_id,
    )


def kind_of(error: type[ElevenPhoneError]) -> str:
    """Return the name of an error's class for scripts, such as `not_found`."""
    return _CAPITAL.sub("_", error.__name__.removesuffix("Error")).lower()


def message_of(error: ElevenPhoneError) -> str:
    """Return the message of an error, without its status and its hint."""
    if isinstance(error, DecodeError):
        return error.message if error.path is None else f"{error.message} at {error.path}"
    return error.message if isinstance(error, StatusError) else str(error)
