"""One request, and its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from elevenphone.emulator._listener import Connection
from elevenphone.emulator._stats import RecordedRequest

LIST_ROUTE = "/v1/convai/phone-numbers"
PAGE_ROUTE = "/v1/convai/v2/phone-numbers"


class LookupTarget(NamedTuple):
    """One number: `GET /v1/convai/phone-numbers/{phone_number_id}`."""

    phone_number_id: str


class PageTarget(NamedTuple):
    """One page of the listing: `GET /v1/convai/v2/phone-numbers`."""

    parameters: dict[str, str]


class ListTarget(NamedTuple):
    """All numbers at once: `GET /v1/convai/phone-numbers`."""

    parameters: dict[str, str]


Target: TypeAlias = LookupTarget | PageTarget | ListTarget


@dataclass(slots=True, eq=False)
class Exchange:
    """One request on its way through the emulator.

    Attributes:
        request: The request as aiohttp read it.
        connection: The connection that it came on.
        target: What it asks for; `None` if no route has its path.
        request_id: The id that its answer is given.
        record: Where its status is written down, if requests are recorded.
    """

    request: web.BaseRequest
    connection: Connection
    target: Target | None
    request_id: str
    record: RecordedRequest | None = None


def target_of(raw_path: str) -> Target | None:
    """Parse a request's path and query as they were sent; percent-encoding is decoded once."""
    path, _, query = raw_path.partition("?")
    if path == PAGE_ROUTE:
        return PageTarget(_parameters(query))
    if path == LIST_ROUTE:
        return ListTarget(_parameters(query))
    segment = path.removeprefix(f"{LIST_ROUTE}/")
    return None if segment == path or not segment or "/" in segment else LookupTarget(unquote(segment))


def _parameters(query: str) -> dict[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True))  # of a repeated one, the last
