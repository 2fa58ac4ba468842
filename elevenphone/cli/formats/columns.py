"""A lookup as flat columns: those of `elevenphone.arrow.SCHEMA`, with the parts of a number after a dot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple, cast, get_args, get_origin

import click
import msgspec
from msgspec.structs import astuple

from elevenphone._records import ErrorDocument, encodable, error_document, status_of
from elevenphone.cli.formats.lines import encode_line, number_of_line, rounded
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
_OF_LOOKUPS = ("index", "phone_number_id", "attempts", "elapsed")
_OF_ERRORS = dict(
    zip(
        ("error_kind", "http_status", "error_code", "error_message", "request_id"),
        ErrorDocument.__struct_fields__,
        strict=True,
    )
)
# Columns whose values differ between nearly all numbers, or failures.
_OWN = {
    *("phone_number", "label", "assigned_agent.agent_id", "assigned_agent.agent_name"),
    *("error_message", "request_id"),
}
_ENCODER = msgspec.json.Encoder()
# Making a template takes as long as writing three rows without one.
_ROWS_WORTH_A_TEMPLATE = 3
# Templates that are remembered for each kind of lookup.
_MOST_TEMPLATES = 200
# A SIP trunk's values take about 1 KB. Longer ones are rare, and get no template.
_MOST_SHARED_BYTES = 20_000
COLUMNS = tuple(TYPES)
"""The columns of a lookup, in their order."""

_NOT_OF_NUMBERS = {*_OF_LOOKUPS, *_OF_ERRORS, "status"} - {"phone_number_id"}
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


GAP: Final = object()
"""Stands in a template for a value that each lookup has for itself."""


class _Kind:
    """How lookups that are alike become columns: all Twilio numbers with an agent, or all failures.

    Args:
        subject: The number of one of them, or its error.
        names: The columns.
        has_raw: Whether the number's JSON is a value of its own.

    Attributes:
        has_raw: As above.
        own: Takes the values that each number or error has for itself.
        shared: Takes the values that many share, such as a trunk, which several numbers use.
        widths: How many columns each shared value fills.
        flags: Places of flags in all values, and `nested`, those of lists and mappings.
        choose: Chooses the columns from all values and a last one, which stands for missing ones.
        choose_there: Chooses the columns that are not missing, and `choose_own`, those of the lookup alone.
        seen: How many rows had the same shared values, by the JSON of these.
        templates: What `RowTemplates` made of these values, by their JSON.
        bare_template: A template without any shared value.
    """

    def __init__(self, subject: msgspec.Struct, names: Sequence[str], *, has_raw: bool) -> None:
        paths = _paths(subject)
        own = [path for path, (first, *_) in paths.items() if first in _OWN]
        shared = [path for path in paths if path not in own]
        self.has_raw = has_raw
        self.own: Callable[[object], tuple[object, ...]] = attrgetter(*own)
        self.shared: Callable[[object], tuple[object, ...]] = attrgetter(*shared)
        self.widths = [len(paths[path]) for path in shared]
        of_lookup = [*_OF_LOOKUPS, *(paths[path][0] for path in own), *(["raw"] if has_raw else [])]
        there = [*of_lookup, "status", *(name for path in shared for name in paths[path])]
        self.flags = [place for place, name in enumerate(there) if TYPES[name] is bool]
        self.nested = [place for place, name in enumerate(there) if _is_nested(TYPES[name])]
        self.choose = _chooser([there.index(name) if name in there else -1 for name in names])
        self.choose_there = _chooser([there.index(name) for name in names if name in there])
        self.choose_own = _chooser([there.index(name) for name in names if name in of_lookup])
        self.seen: dict[bytes, int] = {}
        self.templates: dict[bytes, str] = {}
        self.bare_template = ""


class Columns:
    """Takes the values of columns from lookups.

    Args:
        names: The columns.
        flags: What replaces `True` and `False`.
        of_json: What makes a value of the JSON of a list or a mapping; `None` leaves them as they are.
        with_raw: Whether `raw` is there for every number, not just for those of unknown providers.
    """

    def __init__(
        self,
        names: Sequence[str],
        flags: Mapping[object, object] | None = None,
        *,
        of_json: Callable[[str], object] | None = None,
        with_raw: bool = False,
    ) -> None:
        self._names = names
        self._flags = flags
        self._of_json = of_json
        self._has_raw = with_raw and "raw" in names
        self._kinds: dict[object, _Kind] = {}

    def values(self, lookup: Lookup) -> tuple[object, ...]:
        """Take the columns of a lookup."""
        kind, own, shared = self._take(lookup, None)
        return kind.choose([*self._all(kind, lookup, own, shared), None])

    def _take(
        self, lookup: Lookup, line: bytes | None
    ) -> tuple[_Kind, tuple[object, ...], tuple[object, ...]]:
        """Take the values that a lookup has for itself, and those that it shares with others."""
        subject: msgspec.Struct
        if isinstance(lookup, Found):
            subject = lookup.number
            name: object = (type(subject), subject.assigned_agent is None)
        else:
            subject = error_document(lookup.error)
            name = ErrorDocument
        kind = self._kinds.get(name)
        if kind is None:
            has_raw = isinstance(subject, OtherPhoneNumber) or (self._has_raw and isinstance(lookup, Found))
            kind = self._kinds[name] = _Kind(subject, self._names, has_raw=has_raw)
        # The id is the one that was asked for, even if the number says another.
        phone_number_id = encodable(lookup.phone_number_id)
        own = (
            lookup.index,
            phone_number_id,
            lookup.attempts,
            rounded(lookup.elapsed),
            *kind.own(subject),
        )
        if kind.has_raw:
            own = (*own, number_of_line(line or encode_line(lookup)))
        return kind, own, kind.shared(subject)

    def _all(
        self, kind: _Kind, lookup: Lookup, own: tuple[object, ...], shared: tuple[object, ...]
    ) -> list[object]:
        values = [*own, status_of(lookup)]
        for value, width in zip(shared, kind.widths, strict=True):
            if width == 1:
                values.append(value)
            else:
                values += [None] * width if value is None else astuple(cast("msgspec.Struct", value))
        if self._flags is not None:
            for place in kind.flags:
                values[place] = self._flags.get(values[place])
        if self._of_json is not None:
            for place in kind.nested:
                if (value := values[place]) is not None:
                    values[place] = self._of_json(_ENCODER.encode(value).decode())
        return values


class RowTemplates(Columns, ABC):
    """Takes each lookup as a template, which it shares with others, and the values to put there.

    Taking and writing the 47 values of a row costs more than everything else that is done for it. Most of
    them are flags and parts of a trunk, which many numbers share.
    """

    @abstractmethod
    def template(self, values: Sequence[object]) -> str:
        """Make the template of a row, in which `GAP` stands for values that are put there later."""

    def row(self, lookup: Lookup, line: bytes | None = None) -> tuple[str, tuple[object, ...]]:
        """Take a lookup.

        Args:
            lookup: The lookup.
            line: The same as `encode_line` writes it, where that is at hand.

        Returns:
            A template, and the values for its gaps.
        """
        kind, own, shared = self._take(lookup, line)
        key = _ENCODER.encode(shared)
        template = kind.templates.get(key)
        if template is not None:
            return template, kind.choose_own(own)
        values = self._all(kind, lookup, own, shared)
        if len(key) <= _MOST_SHARED_BYTES:
            if key not in kind.seen and len(kind.seen) >= _MOST_TEMPLATES:
                kind.seen.clear()
                kind.templates.clear()
            kind.seen[key] = kind.seen.get(key, 0) + 1
            if kind.seen[key] >= _ROWS_WORTH_A_TEMPLATE:
                gaps: list[object] = [GAP] * len(own)
                kind.templates[key] = self.template(kind.choose([*gaps, *values[len(own) :], None]))
        if not kind.bare_template:
            kind.bare_template = self.template(kind.choose([*[GAP] * len(values), None]))
        return kind.bare_template, kind.choose_there(values)


def _paths(subject: msgspec.Struct) -> dict[str, list[str]]:
    """Map the attributes of a number or an error to the columns whose values each has."""
    if isinstance(subject, ErrorDocument):
        return {path: [name] for name, path in _OF_ERRORS.items()}
    paths = {"provider": ["provider"]}
    for name in subject.__struct_fields__:
        parts = [f"{name}.{field}" for field in _PARTS[name].__struct_fields__] if name in _PARTS else []
        if name != "assigned_agent":
            paths[name] = parts or [name]
        elif getattr(subject, name) is not None:
            paths |= {part: [part] for part in parts}
    return {path: names for path, names in paths.items() if path not in ("phone_number_id", "raw")}


def _chooser(places: list[int]) -> Callable[[Sequence[object]], tuple[object, ...]]:
    if len(places) < 2:  # for which an itemgetter makes no tuple
        return lambda values: tuple(values[place] for place in places)
    return itemgetter(*places)


def _is_nested(kind: object) -> bool:
    """Tell whether values of a type are lists or mappings."""
    return any(get_origin(each) in (dict, tuple) for each in (kind, *get_args(kind)))
