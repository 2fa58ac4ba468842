"""Lookups as rows of CSV: the columns of `elevenphone.arrow.SCHEMA`, flat, after the index."""

from __future__ import annotations

import csv
import io
from typing import BinaryIO, cast

import msgspec

from elevenphone._records import row_of
from elevenphone.lookups import Lookup
from elevenphone.models import (
    AssignedAgent,
    InboundTrunk,
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
    row = row_of(lookup)
    for part in _PARTS:
        if (fields := row.pop(part, None)) is not None:
            row |= {f"{part}.{name}": value for name, value in cast("dict[str, object]", fields).items()}
    return row | {"index": lookup.index}


def _cell(value: object) -> object:
    """Write what has no form of its own in CSV as JSON: true, false, lists and mappings."""
    return msgspec.json.encode(value).decode() if isinstance(value, bool | list | tuple | dict) else value
