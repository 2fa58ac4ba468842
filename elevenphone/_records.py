"""What JSON lines, CSV and Arrow say of a lookup alike: plain fields instead of objects and exceptions."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

import msgspec

from elevenphone.errors import DecodeError, ElevenPhoneError, NotFoundError, StatusError
from elevenphone.lookups import Found, Lookup
from elevenphone.models import OtherPhoneNumber

Status: TypeAlias = Literal["found", "not_found", "failed"]
"""What became of an id, in a word."""

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


class ErrorDocument(msgspec.Struct, frozen=True):
    """Why there is no number.

    Attributes:
        kind: The error's class, such as `not_found`.
        http_status: The answer's status, or `None` where there was no answer.
        code: The API's own word for it, or `None`.
        message: A sentence.
        request_id: What to quote to ElevenLabs' support, or `None`.
    """

    kind: str
    http_status: int | None
    code: str | None
    message: str
    request_id: str | None


def status_of(lookup: Lookup) -> Status:
    """Say in a word what became of an id."""
    if isinstance(lookup, Found):
        return "found"
    return "not_found" if isinstance(lookup.error, NotFoundError) else "failed"


def row_of(lookup: Lookup) -> dict[str, object]:
    """Make a row of a lookup: the fields of its number, or of its error, and what all have but the index."""
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
    """Make what stands in a number's place."""
    answered = error if isinstance(error, StatusError) else None
    return ErrorDocument(
        kind=kind_of(type(error)),
        http_status=error.status if isinstance(error, StatusError | DecodeError) else None,
        code=None if answered is None else answered.code,
        message=encodable(message_of(error)),
        request_id=None if answered is None else answered.request_id,
    )


def kind_of(error: type[ElevenPhoneError]) -> str:
    """Name a class of errors for scripts: without `Error`, such as `not_found`."""
    return _CAPITAL.sub("_", error.__name__.removesuffix("Error")).lower()


def message_of(error: ElevenPhoneError) -> str:
    """Give an error's sentence, without status and advice."""
    if isinstance(error, DecodeError):
        return error.message if error.path is None else f"{error.message} at {error.path}"
    return error.message if isinstance(error, StatusError) else str(error)


def encodable(text: str) -> str:
    """Escape the lone surrogates that undecodable input leaves, which neither JSON nor Arrow can hold."""
    return text.encode(errors="backslashreplace").decode()
