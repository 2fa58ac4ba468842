"""A lookup as flat columns: those of `elevenphone.arrow.SCHEMA`, with the parts of a number after a dot."""

from __future__ import annotations

from typing import NamedTuple, cast

import click
import msgspec

from elevenphone._records import row_of
from elevenphone.lookups import Found, Lookup
from elevenphone.models import (
    AssignedAgent,
    InboundTrunk,
    OutboundTrunk,
    SIPTrunkPhoneNumber,
    TwilioPhoneNumber,
)


def _fields(struct: type[msgspec.Struct], prefix: str = "") -> dict[str, object]:
    return {f"{prefix}{field.encode_name}": field.type for field in msgspec.structs.fields(struct)}


_PARTS: dict[str, type[msgspec.Struct]] = {
    "assigned_agent": AssignedAgent,
    "provider_config": OutboundTrunk,
    "outbound_trunk": OutboundTrunk,
    "inbound_trunk": InboundTrunk,
}
_TYPES: dict[str, object] = {
    "index": int,
    "phone_number_id": str,
    "status": str,
    "provider": str,
    **{
        name: type_
        for name, type_ in (_fields(TwilioPhoneNumber) | _fields(SIPTrunkPhoneNumber)).items()
        if name not in _PARTS
    },
    **{name: type_ for part, struct in _PARTS.items() for name, type_ in _fields(struct, f"{part}.").items()},
    "raw": str,
    "error_kind": str,
    "http_status": int,
    "error_code": str,
    "error_message": str,
    "request_id": str,
    "attempts": int,
    "elapsed": float,
}
_NAMES = {
    part: {field.encode_name: f"{part}.{field.encode_name}" for field in msgspec.structs.fields(struct)}
    for part, struct in _PARTS.items()
}
FLAG = frozenset({bool})
NESTED = frozenset({list, tuple, dict})
COLUMNS = tuple(_TYPES)
"""The columns of a lookup, in their order."""

_OF_THE_LOOKUP = {
    *("index", "status", "error_kind", "http_status", "error_code", "error_message", "request_id"),
    *("attempts", "elapsed"),
}
NUMBER_COLUMNS = tuple(name for name in COLUMNS if name not in _OF_THE_LOOKUP)
"""The columns of a number alone, in their order."""


class Selection(NamedTuple):
    """What of the results is shown or written.

    Attributes:
        columns: Names of the columns; `None` for all of them.
        no_agent: Whether only numbers without an agent are taken.
        of_numbers: Whether the results are numbers of a listing rather than lookups.
    """

    columns: tuple[str, ...] | None = None
    no_agent: bool = False
    of_numbers: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns taken."""
        return self.columns or (NUMBER_COLUMNS if self.of_numbers else COLUMNS)

    def takes(self, lookup: Lookup) -> bool:
        """Tell whether a lookup is to be shown or written."""
        return not self.no_agent or (isinstance(lookup, Found) and lookup.number.assigned_agent is None)

    def values(self, lookup: Lookup, as_json: frozenset[type] = frozenset()) -> list[object]:
        """Take the columns of a lookup; those that it lacks are `None`. For `as_json` see `flat_row`."""
        return list(map(flat_row(lookup, as_json).get, self.names))


def selection_of(text: str | None, *, no_agent: bool, of_numbers: bool = False) -> Selection:
    """Understand `--select` and `--no-agent`.

    Args:
        text: Names of columns with commas between them, or `None`.
        no_agent: Whether only numbers without an agent are taken.
        of_numbers: Whether the results are numbers rather than lookups, which keep
            their id and status beside what is selected.

    Raises:
        click.UsageError: A name is unknown.
    """
    if text is None:
        return Selection(None, no_agent, of_numbers)
    known = NUMBER_COLUMNS if of_numbers else COLUMNS
    chosen: list[str] = [] if of_numbers else ["phone_number_id", "status"]
    for name in filter(None, map(str.strip, text.split(","))):
        fitting = [each for each in known if each == name or each.startswith(f"{name}.")]
        if not fitting:
            raise click.UsageError(f"--select: there is no field {name!r}. There are: {', '.join(known)}.")
        chosen += fitting
    if not text.strip(" ,"):
        raise click.UsageError(f"--select names no field. There are: {', '.join(known)}.")
    return Selection(tuple(dict.fromkeys(chosen)), no_agent, of_numbers)


def flat_row(lookup: Lookup, as_json: frozenset[type] = frozenset()) -> dict[str, object]:
    """Make a row of a lookup: column to value, without those that it lacks.

    Args:
        lookup: The lookup.
        as_json: Types of values that have no form of their own in the table, and are
            written as JSON: some of `FLAG` and `NESTED`.
    """
    row = row_of(lookup)
    for part, names in _NAMES.items():
        if (fields := row.pop(part, None)) is not None:
            row |= {names[name]: value for name, value in cast("dict[str, object]", fields).items()}
    row["index"] = lookup.index
    for name, value in row.items():
        if type(value) in as_json:
            row[name] = msgspec.json.encode(value).decode()
    return row


def type_of(name: str) -> object:
    """Return the Python type of a column's values, or an annotation of several."""
    return _TYPES[name]
