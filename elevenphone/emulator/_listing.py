"""The listings: which numbers match, in which order, and on which page."""

from __future__ import annotations

import hashlib
from base64 import b85decode, b85encode
from collections.abc import Mapping
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

import msgspec

from elevenphone import models
from elevenphone.emulator import _envelopes as envelopes
from elevenphone.emulator._dataset import Dataset
from elevenphone.emulator._envelopes import Answer, Problem
from elevenphone.emulator._settings import Fault

_DEFAULT_PAGE_SIZE = "100"
_LARGEST_PAGE = 1_000
_SEAL_BYTES = 12
_POSITION_BYTES = 4
# Each page of a listing needs all that match; a few listings may be under way at once.
_LISTINGS_KEPT = 8

_BOOLEANS = {
    **dict.fromkeys(("true", "1", "yes", "on", "t", "y"), True),
    **dict.fromkeys(("false", "0", "no", "off", "f", "n"), False),
}
_CHOICES = {
    "provider": ("twilio", "sip_trunk", "exotel"),
    "sort_by": ("label", "phone_number"),
    "sort_direction": ("asc", "desc"),
}


class Query(NamedTuple):
    """Which numbers a listing has, and in which order; `None` stands for any."""

    search: str | None = None
    label: str | None = None
    phone_number: str | None = None
    provider: str | None = None
    supports_outbound: str | None = None
    agent_id: str | None = None
    branch_id: str | None = None
    sort_by: str | None = None
    sort_direction: str | None = None


class Listing:
    """Answers the two routes that list numbers.

    Args:
        dataset: The numbers.
        seed: What the cursors are made from.
    """

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self._dataset = dataset
        self._seed = seed
        self._matching = lru_cache(_LISTINGS_KEPT)(self._find)

    def everything(self, parameters: Mapping[str, str], fault: Fault | None) -> Answer:
        """Answer the older route: all numbers that match, in one array."""
        known = _only(parameters, "provider", "agent_id", "branch_id")
        if problems := _problems(known):
            return envelopes.unprocessable(*problems)
        bodies = self._bodies(self._matching(Query(**known)))
        faulty = fault is Fault.FAULTY_ELEMENT and _break_one(bodies)
        return Answer(200, b"[" + b",".join(bodies) + b"]", faulty=faulty)

    def page(self, parameters: Mapping[str, str], fault: Fault | None, request_id: str) -> Answer:
        """Answer the newer route: one page of the numbers that match."""
        if problems := _problems(parameters):
            return envelopes.unprocessable(*problems)
        page_size = int(parameters.get("page_size", _DEFAULT_PAGE_SIZE))
        if not 1 <= page_size <= _LARGEST_PAGE:
            return envelopes.invalid_page_size(_LARGEST_PAGE, request_id)
        query = Query(**_only(parameters, *Query._fields))
        cursor = parameters.get("cursor")
        start = 0 if cursor is None else self._position(cursor, query)
        expired = cursor is not None and fault is Fault.EXPIRED_CURSOR
        if start is None or expired:
            return envelopes.invalid_cursor(request_id)._replace(faulty=expired)
        matching = self._matching(query)
        end = start + page_size
        bodies = self._bodies(matching[start:end])
        has_more = end < len(matching)
        next_cursor = self._cursor(end, query) if has_more else None
        faulty = True
        match fault:
            case Fault.EMPTY_PAGE:
                bodies, has_more, next_cursor = [], True, self._cursor(end, query)
            case Fault.MISSING_CURSOR:
                has_more, next_cursor = True, None
            case Fault.REPEATED_CURSOR if cursor is not None:
                has_more, next_cursor = True, self._cursor(page_size, query)
            case Fault.FAULTY_ELEMENT:
                faulty = _break_one(bodies)
            case _:
                faulty = False
        return Answer(200, _page_body(bodies, next_cursor, has_more=has_more), faulty=faulty)

    def _find(self, query: Query) -> tuple[str, ...]:
        """Find the ids of the numbers that match, in the requested order."""
        if query == Query():
            return self._dataset.ids
        found = [
            (_sort_key(number, query.sort_by), number.phone_number_id)
            for number in map(self._dataset.number, self._dataset.ids)
            if _matches(number, query)
        ]
        found.sort(key=itemgetter(0), reverse=query.sort_direction == "desc")
        return tuple(phone_number_id for _, phone_number_id in found)

    def _bodies(self, ids: tuple[str, ...]) -> list[bytes]:
        return [self._dataset.body(phone_number_id) for phone_number_id in ids]

    def _cursor(self, position: int, query: Query) -> str:
        """Make the cursor of a page, the same each time; its text may hold `&`, `+`, `#` and `%`."""
        sealed = f"{self._seed} {position} {query!r}".encode()
        seal = hashlib.blake2b(sealed, digest_size=_SEAL_BYTES).digest()
        return b85encode(seal + position.to_bytes(_POSITION_BYTES, "big")).decode()

    def _position(self, cursor: str, query: Query) -> int | None:
        """Read a cursor; `None` if it was not made here, or for another query."""
        try:
            position = int.from_bytes(b85decode(cursor)[_SEAL_BYTES:][:_POSITION_BYTES], "big")
        except ValueError:
            return None
        return position if cursor == self._cursor(position, query) else None


def _only(parameters: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: parameters[name] for name in names if name in parameters}


def _problems(parameters: Mapping[str, str]) -> list[Problem]:
    """Find the parameters whose type is wrong; a page size out of range is another error."""
    problems: list[Problem] = []
    for name, value in parameters.items():
        if name == "page_size" and not _is_int(value):
            problems.append(envelopes.not_an_integer(name, value))
        elif name == "supports_outbound" and value.lower() not in _BOOLEANS:
            problems.append(envelopes.not_a_boolean(name, value))
        elif name in _CHOICES and value not in _CHOICES[name]:
            problems.append(envelopes.not_a_choice(name, value, _CHOICES[name]))
    return problems


def _is_int(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


def _matches(number: models.PhoneNumber, query: Query) -> bool:
    agent = number.assigned_agent
    return (
        (query.search is None or _is_found(number, query.search))
        and (query.label is None or query.label.casefold() in number.label.casefold())
        and query.phone_number in {None, number.phone_number}
        and query.provider in {None, number.provider}
        and (
            query.supports_outbound is None
            or number.supports_outbound is _BOOLEANS[query.supports_outbound.lower()]
        )
        and query.agent_id in {None, agent and agent.agent_id}
        and query.branch_id in {None, agent and agent.branch_id}
    )


def _is_found(number: models.PhoneNumber, search: str) -> bool:
    texts = (number.label, number.phone_number)
    return search == number.phone_number_id or any(search.casefold() in text.casefold() for text in texts)


def _sort_key(number: models.PhoneNumber, sort_by: str | None) -> str:
    match sort_by:
        case "label":
            return number.label
        case "phone_number":
            return number.phone_number
        case _:
            return ""  # all alike: they stay in the order of the dataset


def _page_body(bodies: list[bytes], next_cursor: str | None, *, has_more: bool) -> bytes:
    rest = msgspec.json.encode({"next_cursor": next_cursor, "has_more": has_more})
    return b'{"phone_numbers":[' + b",".join(bodies) + b"]," + rest[1:]


def _break_one(bodies: list[bytes]) -> bool:
    """Set the label of the element in the middle to null; tell whether there is one."""
    if not bodies:
        return False
    middle = len(bodies) // 2
    fields = msgspec.json.decode(bodies[middle], type=dict[str, msgspec.Raw])
    bodies[middle] = msgspec.json.encode(fields | {"label": None})
    return True
