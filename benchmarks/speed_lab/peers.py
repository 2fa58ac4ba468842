"""The clients that are compared: this library in its three ways, a bare loop over aiohttp, and others.

Each is an async context manager. Nothing but asyncio is imported before one is opened, so that each pays for
its own imports only.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

from speed_lab import others
from speed_lab.bodies import API_KEY, PATH
from speed_lab.clients import HEADERS, TIMEOUT, Client, Peer, Settings, decoder, workers

if TYPE_CHECKING:
    from elevenphone import Lookup, PhoneNumberClient, Transport


@asynccontextmanager
async def _elevenphone_get(settings: Settings) -> AsyncIterator[Client]:
    async with _elevenphone(settings) as client:
        yield workers(client.get, settings)


@asynccontextmanager
async def _elevenphone_gather(settings: Settings) -> AsyncIterator[Client]:
    async with _elevenphone(settings) as client:

        async def run(ids: Iterable[str]) -> int:
            return sum(map(_is_found, await client.gather(ids)))

        yield Client(client.get, run)


@asynccontextmanager
async def _elevenphone_over_aiohttp(settings: Settings) -> AsyncIterator[Client]:
    async with _elevenphone(settings, http="aiohttp") as client:

        async def run(ids: Iterable[str]) -> int:
            return sum(map(_is_found, await client.gather(ids)))

        yield Client(client.get, run)


@asynccontextmanager
async def _elevenphone_stream(settings: Settings) -> AsyncIterator[Client]:
    async with _elevenphone(settings) as client:
        yield Client(client.get, lambda ids: _stream(client, ids))


async def _stream(client: PhoneNumberClient, ids: Iterable[str]) -> int:
    found = 0
    async with client.stream(ids) as lookups:
        async for lookup in lookups:
            found += _is_found(lookup)
    return found


def _elevenphone(
    settings: Settings,
    transport: Transport | None = None,
    http: Literal["auto", "httptools", "aiohttp"] = "auto",
) -> PhoneNumberClient:
    from elevenphone import PhoneNumberClient  # noqa: PLC0415

    return PhoneNumberClient(
        API_KEY,
        base_url=settings.base_url,
        timeout=TIMEOUT,
        concurrency=settings.in_flight,
        transport=transport,
        http=http,
    )


def _is_found(lookup: Lookup) -> bool:
    return hasattr(lookup, "number")


@asynccontextmanager
async def _no_network(settings: Settings, how: str) -> AsyncIterator[Client]:
    """This library over a transport that answers from memory after one turn of the loop."""
    from elevenphone import Response  # noqa: PLC0415
    from speed_lab import bodies  # noqa: PLC0415

    twilio, sip_trunk = (
        tuple(part.encode() for part in template.split(bodies.MARK))
        for template in (bodies.TWILIO, bodies.SIP_TRUNK)
    )
    headers = {"transfer-encoding": "chunked"}

    id_length = len(bodies.id_at(0))

    class Memory:
        requests = connections_opened = 0

        async def send(self, url: str) -> Response:
            self.requests += 1
            await asyncio.sleep(0)
            before, after = sip_trunk if bodies.SIP_PREFIX in url else twilio
            return Response(200, headers, before + url[-id_length:].encode() + after)

        async def aclose(self) -> None:
            pass

    async with _elevenphone(settings, Memory()) as client:

        async def gather(ids: Iterable[str]) -> int:
            return sum(map(_is_found, await client.gather(ids)))

        runs = {
            "get": workers(client.get, settings).run,
            "gather": gather,
            "stream": lambda ids: _stream(client, ids),
        }
        yield Client(client.get, runs[how])


@asynccontextmanager
async def _aiohttp(settings: Settings) -> AsyncIterator[Client]:
    """A worker loop over aiohttp with this library's session settings, and nothing else that it does."""
    import aiohttp  # noqa: PLC0415
    from yarl import URL  # noqa: PLC0415

    decode = decoder()
    prefix = settings.base_url + PATH
    no_timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=no_timeout,
        auto_decompress=False,
        headers=HEADERS,
    ) as session:

        async def look_up(phone_number_id: str) -> object:
            url = URL(prefix + phone_number_id, encoded=True)
            async with session.get(url, allow_redirects=False, raise_for_status=True) as response:
                return decode(await response.read())

        yield workers(look_up, settings)


@asynccontextmanager
async def _wire(settings: Settings) -> AsyncIterator[Client]:
    """A worker loop over this library's own wire, and nothing of its policy."""
    from elevenphone._http import make_transport  # noqa: PLC0415

    decode = decoder()
    prefix = settings.base_url + PATH
    transport = make_transport(API_KEY, session=None, http="httptools")

    async def look_up(phone_number_id: str) -> object:
        response = await transport.send(prefix + phone_number_id)
        if response.status != OK:
            raise RuntimeError(f"status {response.status}")
        return decode(response.body)

    try:
        yield workers(look_up, settings)
    finally:
        await transport.aclose()


OK = 200
OVER_AIOHTTP, WIRE = "gather over aiohttp", "the wire alone + msgspec"
BARE, GET, GATHER, STREAM = "bare aiohttp + msgspec", "get", "gather", "stream"
SDK = "official SDK"
RUST = "pyreqwest + msgspec"

PEERS: dict[str, Peer] = {
    GET: _elevenphone_get,
    GATHER: _elevenphone_gather,
    STREAM: _elevenphone_stream,
    OVER_AIOHTTP: _elevenphone_over_aiohttp,
    WIRE: _wire,
    BARE: _aiohttp,
    RUST: others.pyreqwest_and_msgspec,
    "primp + msgspec": others.primp_and_msgspec,
    "curl_cffi + msgspec": others.curl_cffi_and_msgspec,
    "niquests + msgspec": others.niquests_and_msgspec,
    "httpx + msgspec": others.httpx_and_msgspec,
    SDK: others.official_sdk,
}
"""By name, what is compared over sockets."""

MEMORY: dict[str, Peer] = {
    f"{how}, no network": lambda settings, how=how: _no_network(settings, how)  # type: ignore[misc]
    for how in (GET, GATHER, STREAM)
}
"""By name, this library alone, without sockets."""

_NEEDS = {
    WIRE: "httptools",
    RUST: "pyreqwest",
    "primp + msgspec": "primp",
    "curl_cffi + msgspec": "curl_cffi",
    "niquests + msgspec": "niquests",
    "httpx + msgspec": "httpx",
    SDK: "elevenlabs",
}


def installed(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Say which of these peers can run here, and which are left out and why.

    Returns:
        Names of peers, and sentences.
    """
    there: list[str] = []
    left_out: list[str] = []
    for name in names:
        needs = _NEEDS.get(name)
        if needs is None or importlib.util.find_spec(needs):
            there.append(name)
        else:
            left_out.append(f"{name}: {needs} is not installed")
    return there, left_out
