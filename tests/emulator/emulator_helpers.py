"""Requests to the emulator that do not use this package."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from yarl import URL

from elevenphone.emulator import Emulator

ROUTE = "/v1/convai/phone-numbers/"
LIST_ROUTE = "/v1/convai/phone-numbers"
PAGE_ROUTE = "/v1/convai/v2/phone-numbers"
# In seconds; a request that takes longer hangs.
PATIENCE = 10


class Page(msgspec.Struct, forbid_unknown_fields=True):
    """A page of the listing; all three fields are required here."""

    phone_numbers: list[dict[str, Any]]
    next_cursor: str | None
    has_more: bool

    @property
    def ids(self) -> list[str]:
        return [number["phone_number_id"] for number in self.phone_numbers]


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, object]:
        return msgspec.json.decode(self.body, type=dict[str, object])

    @property
    def page(self) -> Page:
        assert self.status == 200, self.body
        return msgspec.json.decode(self.body, type=Page)

    @property
    def detail(self) -> dict[str, object]:
        """The object that `detail` is in most envelopes."""
        return msgspec.convert(self.document["detail"], dict[str, object])

    @property
    def code(self) -> object:
        """The `status` of the older envelope."""
        return self.detail["status"]


@asynccontextmanager
async def client(emulator: Emulator) -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"xi-api-key": emulator.api_key}) as session:
        yield session


async def ask(
    emulator: Emulator,
    segment: str,
    *,
    session: aiohttp.ClientSession | None = None,
    method: str = "GET",
    key: str | None = None,
    route: str = ROUTE,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Request a path segment exactly as it is given, over a new connection or one of the session."""
    if session is None:
        async with aiohttp.ClientSession() as fresh:
            return await ask(
                emulator, segment, session=fresh, method=method, key=key, route=route, headers=headers
            )
    url = URL(f"{emulator.base_url}{route}{segment}", encoded=True)
    sent = {"xi-api-key": emulator.api_key if key is None else key, **(headers or {})}
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with session.request(method, url, headers=sent, allow_redirects=False, timeout=timeout) as response:
        return Reply(response.status, response.headers.copy(), await response.read())


async def ask_for_page(
    emulator: Emulator, session: aiohttp.ClientSession | None = None, /, **parameters: str | int | None
) -> Reply:
    """Request one page of the listing, with the percent-encoded parameters that are not `None`."""
    given = {name: value for name, value in parameters.items() if value is not None}
    query = urlencode(given, quote_via=quote, errors="surrogatepass")
    return await ask(emulator, f"?{query}", route=PAGE_ROUTE, session=session)


async def pages(emulator: Emulator, **parameters: str | int) -> list[Page]:
    """Follow the cursors from the first page to the last."""
    async with client(emulator) as session:
        followed = [(await ask_for_page(emulator, session, **parameters)).page]
        while (cursor := followed[-1].next_cursor) is not None:
            assert followed[-1].has_more
            followed.append((await ask_for_page(emulator, session, cursor=cursor, **parameters)).page)
    assert not followed[-1].has_more
    return followed


async def ids_listed(emulator: Emulator, **parameters: str | int) -> list[str]:
    return [phone_number_id for page in await pages(emulator, **parameters) for phone_number_id in page.ids]


async def statuses(emulator: Emulator, count: int) -> list[int]:
    """Request the first ids one after another, and return the statuses."""
    async with client(emulator) as session:
        return [(await ask(emulator, emulator.ids[i], session=session)).status for i in range(count)]


@asynccontextmanager
async def connect(emulator: Emulator) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    url = URL(emulator.base_url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def request_bytes(emulator: Emulator, segment: str, route: str = ROUTE) -> bytes:
    return (
        f"GET {route}{segment} HTTP/1.1\r\nHost: emulator\r\nxi-api-key: {emulator.api_key}\r\n\r\n"
    ).encode()


async def until_in_flight(emulator: Emulator, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while emulator.stats.in_flight != count:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def until_waiting(emulator: Emulator, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while emulator.stats.waiting != count:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
