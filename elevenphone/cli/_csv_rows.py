"""Lookups as rows of CSV: the columns of `elevenphone.arrow.SCHEMA`, flat, after the index."""

from __future__ import annotations

import csv
import io
from typing import BinaryIO

import msgspec

from elevenphone.cli._lines import encodable, error_document, status_of
from elevenphone.lookups import Found, Lookup
from elevenphone.models import (
    AssignedAgent,
    InboundTrunk,
    OtherPhoneNumber,
    OutboundTrunk,
    SIPTrunkPhoneNumber,
    TwilioPhoneNumber,
)


def _fields(struct: type[msgspec.Struct], prefix: str = "") -> list[str]:
    return [f"{prefix}{field.encode_name}" for field in msgspec.structs.fields(struct)]


_PARTS: dict[str, type[msgspec.Struct]] = {
    "assigned_agent": AssignedAgent,
    "provider_config": OutboundTrunk,
    "outbound_trunk": OutboundTrunk,
    "inbound_trunk": InboundTrunk,
}
_PLAIN = ("provider", *dict.fromkeys([*_fields(TwilioPhoneNumber), *_fields(SIPTrunkPhoneNumber)]))
COLUMNS = (
    *("index", "phone_number_id", "status"),
    *(name for name in _PLAIN if name not in {*_PARTS, "phone_number_id"}),
    *(name for part, struct in _PARTS.items() for name in _fields(struct, f"{part}.")),
    *("raw", "error_kind", "http_status", "error_code", "error_message", "request_id"),
    *("attempts", "elapsed"),
)
"""The columns, in their order."""


class CSVRows:
    """Writes lookups as rows in UTF-8, after a header; what there is none of is empty."""

    def __init__(self, file: BinaryIO) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        self._writer = csv.DictWriter(self._text, COLUMNS, extrasaction="ignore", lineterminator="\n")
        self._writer.writeheader()

    def add(self, line: bytes, lookup: Lookup) -> None:  # noqa: ARG002 - as the other formats
        """Write one row."""
        self._writer.writerow({name: _cell(value) for name, value in _row(lookup).items()})

    def finish(self) -> None:
        """Write what is buffered."""
        self._text.flush()
        self._text.detach()


def _row(lookup: Lookup) -> dict[str, object]:
    row: dict[str, object] = {}
    if isinstance(lookup, Found):
        number: dict[str, object] = msgspec.to_builtins(lookup.number, builtin_types=(bytes,))
        for name, value in number.items():
            if isinstance(value, dict) and name in _PARTS:
                row |= {f"{name}.{field}": each for field, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
            else:
                row[name] = value
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
    return row | {
        "index": lookup.index,
        "phone_number_id": encodable(lookup.phone_number_id),
        "status": status_of(lookup),
        "attempts": lookup.attempts,
        "elapsed": lookup.elapsed,
    }


def _cell(value: object) -> object:
    """Write what has no form of its own in CSV as JSON: true, false, lists and mappings."""
    return msgspec.json.encode(value).decode() if isinstance(value, bool | list | tuple | dict) else value
