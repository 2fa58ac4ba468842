"""A lookup as flat columns: those of `elevenphone.arrow.SCHEMA`, with the parts of a number after a dot."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple, get_args, get_origin

import click
import msgspec
from msgspec.structs import astuple

from elevenphone._records import encodable, error_document, status_of
from elevenphone.lookups import Found, Lookup
from elevenphone.models import (
    AssignedAgent,
    InboundTrunk,
    OtherPhoneNumber,
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
_ENCODER = msgspec.json.Encoder()
_FIRST = ("index", "phone_number_id", "attempts", "elapsed", "status")
_OF_ERRORS = ("error_kind", "http_status", "error_code", "error_message", "request_id")
_LACKING = {part: (None,) * len(struct.__struct_fields__) for part, struct in _PARTS.items()}
COLUMNS = tuple(_TYPES)
"""The columns of a lookup, in their order."""

_OF_THE_LOOKUP = {*_FIRST, *_OF_ERRORS} - {"phone_number_id"}
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


class Columns:
    """Takes the values of columns from lookups.

    Args:
        names: The columns.
        flags: What replaces `True`, `False` and the `None` of a flag that is lacking.
        of_json: What makes a value of the JSON of a list or a mapping; `None` leaves them as they are.
    """

    def __init__(
        self,
        names: Sequence[str],
        flags: Mapping[object, object] | None = None,
        *,
        of_json: Callable[[str], object] | None = None,
    ) -> None:
        self._names = names
        self._replaced = flags or {}
        self._flags = [place for place, name in enumerate(names) if flags and _TYPES[name] is bool]
        self._of_json = of_json
        self._nested = [place for place, name in enumerate(names) if is_nested(name)]
        # By the class of a number, or of the lookup without one.
        self._takers: dict[type, Callable[[tuple[object, ...]], tuple[object, ...]]] = {}

    def values(self, lookup: Lookup) -> list[object]:
        """Take the columns of a lookup; those that it lacks are `None`."""
        kind = type(lookup.number) if isinstance(lookup, Found) else type(lookup)
        taker = self._takers.get(kind)
        if taker is None:
            taker = self._takers[kind] = _taker(kind, self._names)
        values = list(taker(_flat(lookup)))
        for place in self._flags:
            values[place] = self._replaced[values[place]]
        if self._of_json is not None:
            for place in self._nested:
                if (value := values[place]) is not None:
                    values[place] = self._of_json(_ENCODER.encode(value).decode())
        return values


def _flat(lookup: Lookup) -> tuple[object, ...]:
    """Flatten a lookup; `_flat_names` has the names. At the end is `None`, for the columns that it lacks."""
    phone_number_id = encodable(lookup.phone_number_id)
    flat: tuple[object, ...]
    flat = (lookup.index, phone_number_id, lookup.attempts, lookup.elapsed, status_of(lookup))
    if not isinstance(lookup, Found):
        return (*flat, *astuple(error_document(lookup.error)), None)
    number = lookup.number
    if isinstance(number, OtherPhoneNumber):
        flat = (*flat, number.raw.decode(errors="replace"))
    flat = (*flat, number.provider, *astuple(number))
    for part in _parts(type(number)):
        value = getattr(number, part)
        flat += _LACKING[part] if value is None else astuple(value)
    return (*flat, None)


def _flat_names(kind: type) -> tuple[str, ...]:
    if not issubclass(kind, msgspec.Struct) or not hasattr(kind, "provider"):
        return (*_FIRST, *_OF_ERRORS)
    parts = [f"{part}.{field}" for part in _parts(kind) for field in _fields(_PARTS[part])]
    raw = ("raw",) if kind is OtherPhoneNumber else ()
    return (*_FIRST, *raw, "provider", *_fields(kind), *parts)


def _taker(kind: type, names: Sequence[str]) -> Callable[[tuple[object, ...]], tuple[object, ...]]:
    """Choose columns from what `_flat` makes of a kind of lookup."""
    there = _flat_names(kind)
    places = [there.index(name) if name in there else -1 for name in names]
    if len(places) == 1:  # for which an itemgetter makes no tuple
        return lambda flat: (flat[places[0]],)
    return itemgetter(*places)


@functools.cache
def _parts(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(part for part in _PARTS if part in kind.__struct_fields__)


def is_nested(name: str) -> bool:
    """Tell whether a column has lists or mappings."""
    return any(get_origin(each) in (dict, tuple) for each in (_TYPES[name], *get_args(_TYPES[name])))


def type_of(name: str) -> object:
    """Return the Python type of a column's values, or an annotation of several."""
    return _TYPES[name]
