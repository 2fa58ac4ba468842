"""A lookup as one line of JSON: what `get --json` prints, `fetch` writes, and its journal keeps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from elevenphone import errors
from elevenphone._records import ErrorDocument, Status, encodable, error_document, kind_of, status_of
from elevenphone.cli.text import printable_json
from elevenphone.errors import DecodeError, ElevenPhoneError, StatusError
from elevenphone.lookups import Failed, Found, Lookup
from elevenphone.models import (
    ExotelPhoneNumber,
    OtherPhoneNumber,
    SIPTrunkPhoneNumber,
    TwilioPhoneNumber,
    decode,
)


# gc=False: no reference cycle can pass through them.
class _Common(msgspec.Struct, frozen=True, gc=False):
    index: int
    phone_number_id: str
    status: Status
    attempts: int
    elapsed: float


class _Line(_Common, frozen=True, gc=False):
    number: TwilioPhoneNumber | ExotelPhoneNumber | SIPTrunkPhoneNumber | UnsetType = UNSET
    error: ErrorDocument | UnsetType = UNSET


class _OtherLine(_Common, frozen=True, gc=False):
    """A line with the number of an unknown provider, which is kept as it came."""

    number: msgspec.Raw


_ENCODER = msgspec.json.Encoder()
_MICROSECONDS = 1e6
_NUMBER = b'"number":'
_DECODER = msgspec.json.Decoder(_Line)
_OTHER_DECODER = msgspec.json.Decoder(_OtherLine)
_CLASSES: dict[str, type[ElevenPhoneError]] = {
    kind_of(value): value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, ElevenPhoneError)
}


Answer: TypeAlias = tuple[Lookup, bytes | None]
"""A lookup, and the same as `encode_line` writes it, where that is at hand."""


def encode_line(lookup: Lookup) -> bytes:
    """Write a lookup as JSON, with the newline."""
    return encode_lines([lookup])


def encode_lines(lookups: Iterable[Lookup]) -> bytes:
    """Write lookups as JSON, one a line."""
    documents = [_document(each) for each in lookups]  # msgspec 0.22 never frees an iterator that it is given
    return printable_json(_ENCODER.encode_lines(documents))


def rounded(seconds: float) -> float:
    """Round the time of a lookup to microseconds; `round` takes twice as long."""
    return int(seconds * _MICROSECONDS + 0.5) / _MICROSECONDS


def number_of_line(line: bytes) -> str:
    """Take the JSON of the number from the line of one that was found."""
    return line[line.index(_NUMBER) + len(_NUMBER) : -2].decode()


def decode_line(line: bytes) -> Lookup:
    """Read what `encode_line` wrote.

    Returns:
        The lookup; its error has what the line says of it.

    Raises:
        ValueError: It is not such a line.
    """
    try:
        document = _DECODER.decode(line)
    except msgspec.ValidationError:
        return _decode_other(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a line of a lookup: {error}") from None
    common = (document.index, document.phone_number_id, document.attempts, document.elapsed)
    if document.number is not UNSET:
        return Found(*common, document.number)
    if document.error is UNSET:
        raise ValueError("not a line of a lookup: it has neither number nor error")
    return Failed(*common, _error_of(document.error))


def _decode_other(line: bytes) -> Found:
    try:
        document = _OTHER_DECODER.decode(line)
        common = (document.index, document.phone_number_id, document.attempts, document.elapsed)
        return Found(*common, decode(bytes(document.number)))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, DecodeError) as error:
        raise ValueError(f"not a line of a lookup: {error}") from None


def _document(lookup: Lookup) -> _Line | _OtherLine:
    phone_number_id, elapsed = encodable(lookup.phone_number_id), rounded(lookup.elapsed)
    if not isinstance(lookup, Found):
        error = error_document(lookup.error)
        status = status_of(lookup)
        return _Line(lookup.index, phone_number_id, status, lookup.attempts, elapsed, error=error)
    if isinstance(lookup.number, OtherPhoneNumber):
        raw = msgspec.Raw(_on_one_line(lookup.number.raw))
        return _OtherLine(lookup.index, phone_number_id, "found", lookup.attempts, elapsed, raw)
    return _Line(lookup.index, phone_number_id, "found", lookup.attempts, elapsed, lookup.number)


def _on_one_line(body: bytes) -> bytes:
    # The body of an unknown provider is kept as it came, and may have several lines.
    return msgspec.json.format(body, indent=-1) if b"\n" in body or b"\r" in body else body


def _error_of(document: ErrorDocument) -> ElevenPhoneError:
    kind = _CLASSES.get(document.kind, ElevenPhoneError)
    if issubclass(kind, StatusError):
        return kind(document.http_status or 0, document.code, document.message, document.request_id)
    if issubclass(kind, DecodeError):
        return kind(document.message, status=document.http_status)
    return kind(document.message)
