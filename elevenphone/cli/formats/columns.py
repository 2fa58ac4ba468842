"""A lookup as flat columns: those of `elevenphone.arrow.SCHEMA`, with the parts of a number after a dot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import NamedTuple, get_args, get_origin

import click
import msgspec
from msgspec.structs import astuple

from elevenphone._records import encodable, error_document, status_of
from elevenphone.cli.formats.lines import ELAPSED_DIGITS, encode_line, number_of_line
from elevenphone.lookups import Failed, Found, Lookup
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
TYPES: dict[str, object] = {
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
"""The columns of a lookup, in their order, to the types of their values."""
_NUMBERS: set[object] = {int, float}
_ENCODER = msgspec.json.Encoder()
# Different agents, or trunks, whose values are remembered.
_MOST_REMEMBERED = 200
_OF_LOOKUPS = ("index", "phone_number_id", "attempts", "elapsed", "status", "raw")
_OF_ERRORS = ("error_kind", "http_status", "error_code", "error_message", "request_id")
COLUMNS = tuple(TYPES)
"""The columns of a lookup, in their order."""

_NOT_OF_NUMBERS = {*_OF_LOOKUPS, *_OF_ERRORS} - {"phone_number_id", "raw"}
NUMBER_COLUMNS = tuple(name for name in COLUMNS if name not in _NOT_OF_NUMBERS)
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


class Fields:
    """Fields whose values are shown together, and the places of those that need care.

    Attributes:
        flags: Places of flags.
        nested: Places of lists and mappings.
        numbers: Places of numbers.
    """

    def __init__(self, types: Iterable[object]) -> None:
        kinds = list(types)
        self.flags = [place for place, kind in enumerate(kinds) if kind is bool]
        self.nested = [place for place, kind in enumerate(kinds) if _is_nested(kind)]
        self.numbers = [place for place, kind in enumerate(kinds) if kind in _NUMBERS]


class _Part:
    """A part of a number, such as its agent, and the values of those before: many numbers share one."""

    def __init__(self, struct: type[msgspec.Struct], lacking: object) -> None:
        self.fields = Fields(_fields(struct).values())
        self.lacking = [lacking] * len(struct.__struct_fields__)
        self.shown: dict[bytes, list[object]] = {}


class _Kind(NamedTuple):
    """How lookups of a kind become columns: all Twilio numbers, or all failures.

    Attributes:
        own: Takes the values of a number that are not in its parts.
        fields: The fields of the lookup, and then these.
        parts: The names of the parts, and how they are shown.
        choose: Chooses the columns from the values of all these, and a last one for what is lacking.
    """

    own: Callable[[object], tuple[object, ...]]
    fields: Fields
    parts: list[tuple[str, _Part]]
    choose: Callable[[list[object]], tuple[object, ...]]


class Columns:
    """Takes the values of columns from lookups.

    Args:
        names: The columns.
        flags: What replaces `True` and `False`.
        of_json: What makes a value of the JSON of a list or a mapping; `None` leaves them as they are.
        lacking: What replaces `None`.
        with_raw: Whether `raw` is there for every number, not just for those of unknown providers.
    """

    def __init__(
        self,
        names: Sequence[str],
        flags: Mapping[object, object] | None = None,
        *,
        of_json: Callable[[str], object] | None = None,
        lacking: object = None,
        with_raw: bool = False,
    ) -> None:
        self._names = names
        self._flags = flags
        self._of_json = of_json
        self._lacking = lacking
        self._has_raw = with_raw and "raw" in names
        self._kinds: dict[type, _Kind] = {}
        structs = {struct: _Part(struct, lacking) for struct in _PARTS.values()}
        self._parts = {name: structs[struct] for name, struct in _PARTS.items()}

    def values(self, lookup: Lookup, line: bytes | None = None) -> tuple[object, ...]:
        """Take the columns of a lookup.

        Args:
            lookup: The lookup.
            line: The same as `encode_line` writes it, where that is at hand.
        """
        number = lookup.number if isinstance(lookup, Found) else None
        kind = self._kinds.get(type(number)) or self._kind(type(number))
        raw = None
        if number is not None and (self._has_raw or isinstance(number, OtherPhoneNumber)):
            raw = number_of_line(line or encode_line(lookup))
        own = astuple(error_document(lookup.error)) if isinstance(lookup, Failed) else kind.own(number)
        phone_number_id, status = encodable(lookup.phone_number_id), status_of(lookup)
        elapsed = round(lookup.elapsed, ELAPSED_DIGITS)
        values = self._show(
            kind.fields, [lookup.index, phone_number_id, lookup.attempts, elapsed, status, raw, *own]
        )
        for name, part in kind.parts:
            value: msgspec.Struct | None = getattr(number, name)
            values += part.lacking if value is None else self._show_part(part, value)
        values.append(self._lacking)
        return kind.choose(values)

    def _show_part(self, part: _Part, value: msgspec.Struct) -> list[object]:
        key = _ENCODER.encode(value)
        shown = part.shown.get(key)
        if shown is None:
            if len(part.shown) >= _MOST_REMEMBERED:
                part.shown.clear()
            shown = part.shown[key] = self._show(part.fields, list(astuple(value)))
        return shown

    def _show(self, fields: Fields, values: list[object]) -> list[object]:
        """Replace what is to be replaced in values of these fields."""
        if self._flags is not None:
            for place in fields.flags:
                values[place] = self._flags.get(values[place])
        if self._of_json is not None:
            for place in fields.nested:
                if (value := values[place]) is not None:
                    values[place] = self._of_json(_ENCODER.encode(value).decode())
        lacking = self._lacking
        return values if lacking is None else [lacking if value is None else value for value in values]

    def _kind(self, class_: type) -> _Kind:
        parts = [part for part in _PARTS if part in getattr(class_, "__struct_fields__", ())]
        of_numbers = dict.fromkeys(("provider", *_fields(class_))) if parts else {}
        own = [name for name in of_numbers if name not in (*_PARTS, "raw")] or _OF_ERRORS
        there = [*_OF_LOOKUPS, *own]
        fields = Fields(TYPES[name] for name in there)
        there += [f"{part}.{field}" for part in parts for field in _fields(_PARTS[part])]
        # The id is the one that was asked for, even if the number says another.
        places = [there.index(name) if name in there else -1 for name in self._names]
        shown = [(name, self._parts[name]) for name in parts]
        kind = self._kinds[class_] = _Kind(attrgetter(*own), fields, shown, _chooser(places))
        return kind


def _chooser(places: list[int]) -> Callable[[list[object]], tuple[object, ...]]:
    if len(places) == 1:  # for which an itemgetter makes no tuple
        return lambda values: (values[places[0]],)
    return itemgetter(*places)


def _is_nested(kind: object) -> bool:
    """Tell whether values of a type are lists or mappings."""
    return any(get_origin(each) in (dict, tuple) for each in (kind, *get_args(kind)))
