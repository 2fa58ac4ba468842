"""Pages of a scripted server, and a function that reads a listing to its end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

from stub_transport import Script, StubTransport, answer

from elevenphone import (
    ElevenPhoneError,
    FaultyElementError,
    Listing,
    PhoneNumber,
    PhoneNumberClient,
    Response,
    RetryPolicy,
)

Element: TypeAlias = Mapping[str, object]
BASE_URL = "http://127.0.0.1:9"


def element(phone_number_id: str, /, **fields: object) -> dict[str, object]:
    """Make a Twilio number; fields replace or add others."""
    return {
        "provider": "twilio",
        "phone_number": "+12125550100",
        "label": "Main line",
        "phone_number_id": phone_number_id,
        **fields,
    }


def page(elements: Sequence[object], next_cursor: str | None = None, **fields: object) -> Response:
    """Make a page; `has_more` is true by default if there is a cursor."""
    document = {"phone_numbers": elements, "next_cursor": next_cursor, "has_more": next_cursor is not None}
    return answer(200, document | fields)


def page_of(ids: Sequence[str], next_cursor: str | None = None, **fields: object) -> Response:
    """Make a page of good numbers with these ids."""
    return page([element(phone_number_id) for phone_number_id in ids], next_cursor, **fields)


def pages_of(pages: Sequence[Sequence[str]], cursors: Sequence[str]) -> dict[str | None, Response]:
    """Make the pages of a whole listing, each under the cursor that leads to it."""
    following: list[str | None] = [*cursors[: len(pages) - 1], None]
    return {
        cursor: page_of(ids, next_cursor)
        for cursor, ids, next_cursor in zip([None, *following[:-1]], pages, following, strict=True)
    }


def parameters_of(url: str) -> dict[str, str]:
    """Read the query strictly, as an independent server does."""
    query = parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True, errors="strict")
    assert len(dict(query)) == len(query)
    return dict(query)


def client_of(script: Script | StubTransport, retry: RetryPolicy | None = None) -> PhoneNumberClient:
    transport = script if isinstance(script, StubTransport) else StubTransport(script)
    return PhoneNumberClient(transport=transport, base_url=BASE_URL, retry=retry or RetryPolicy())


def ids_of(numbers: Sequence[PhoneNumber]) -> list[str]:
    return [number.phone_number_id for number in numbers]


async def read(listing: Listing) -> tuple[list[str], list[FaultyElementError], ElevenPhoneError | None]:
    """Read to the end: the ids, the faulty elements, and the error that ended it."""
    ids: list[str] = []
    faulty: list[FaultyElementError] = []
    while True:
        try:
            ids.append((await anext(listing)).phone_number_id)
        except StopAsyncIteration:
            return ids, faulty, None
        except FaultyElementError as error:
            faulty.append(error)
        except ElevenPhoneError as error:
            return ids, faulty, error


def compact(document: object) -> bytes:
    """Encode as servers often do: without spaces, and without escapes for other scripts."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
