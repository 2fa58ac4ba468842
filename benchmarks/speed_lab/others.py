"""Other people's clients, tuned as their documentation advises.

Each is an async context manager that opens what it needs, and imports it only then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from speed_lab.bodies import API_KEY, PATH
from speed_lab.clients import HEADERS, TIMEOUT, Client, Settings, decoder, workers


@asynccontextmanager
async def official_sdk(settings: Settings) -> AsyncIterator[Client]:
    """Open ElevenLabs' own client, over an httpx client without pool limits."""
    import httpx  # noqa: PLC0415
    from elevenlabs import AsyncElevenLabs  # noqa: PLC0415

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=None)
    async with httpx.AsyncClient(timeout=TIMEOUT, limits=limits) as http:
        official = AsyncElevenLabs(api_key=API_KEY, base_url=settings.base_url, httpx_client=http)
        yield workers(official.conversational_ai.phone_numbers.get, settings)


@asynccontextmanager
async def httpx_and_msgspec(settings: Settings) -> AsyncIterator[Client]:
    """Open httpx without pool limits."""
    import httpx  # noqa: PLC0415

    decode = decoder()
    prefix = settings.base_url + PATH
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=None)
    async with httpx.AsyncClient(headers=HEADERS, timeout=TIMEOUT, limits=limits) as http:

        async def look_up(phone_number_id: str) -> object:
            return decode((await http.get(prefix + phone_number_id)).raise_for_status().content)

        yield workers(look_up, settings)


@asynccontextmanager
async def niquests_and_msgspec(settings: Settings) -> AsyncIterator[Client]:
    """Open niquests with a connection for each in flight, HTTP/1.1 alone, no cookies."""
    import niquests  # noqa: PLC0415

    decode = decoder()
    prefix = settings.base_url + PATH
    async with niquests.AsyncSession(
        pool_connections=1,
        pool_maxsize=settings.in_flight,
        disable_http2=True,
        disable_http3=True,
        timeout=TIMEOUT,
        headers=HEADERS,
        verify=settings.authority or True,
        allow_incoming_cookies=False,
    ) as session:
        session.trust_env = False

        async def look_up(phone_number_id: str) -> object:
            response = await session.get(prefix + phone_number_id)
            return decode(response.raise_for_status().content)

        yield workers(look_up, settings)


@asynccontextmanager
async def curl_cffi_and_msgspec(settings: Settings) -> AsyncIterator[Client]:
    """Open curl_cffi with a handle for each in flight, no cookies."""
    from curl_cffi.requests import AsyncSession  # noqa: PLC0415

    decode = decoder()
    prefix = settings.base_url + PATH
    verify: Any = settings.authority or True  # a path is taken too, though its types do not say so
    async with AsyncSession[Any](
        max_clients=settings.in_flight,
        headers=HEADERS,
        timeout=TIMEOUT,
        verify=verify,
        discard_cookies=True,
    ) as session:

        async def look_up(phone_number_id: str) -> object:
            response = await session.get(prefix + phone_number_id)
            response.raise_for_status()
            return decode(response.content)

        yield workers(look_up, settings)


@asynccontextmanager
async def primp_and_msgspec(settings: Settings) -> AsyncIterator[Client]:
    """Open primp without cookies and redirects."""
    import primp  # noqa: PLC0415

    decode = decoder()
    prefix = settings.base_url + PATH
    async with primp.AsyncClient(
        headers=HEADERS,
        timeout=TIMEOUT,
        cookie_store=False,
        referer=False,
        follow_redirects=False,
        ca_cert_file=settings.authority,
    ) as http:

        async def look_up(phone_number_id: str) -> object:
            response = await http.get(prefix + phone_number_id)
            response.raise_for_status()
            return decode(response.content)

        yield workers(look_up, settings)


@asynccontextmanager
async def pyreqwest_and_msgspec(settings: Settings) -> AsyncIterator[Client]:
    """Open pyreqwest with a connection for each in flight; the body is not copied."""
    from datetime import timedelta  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    from pyreqwest.client import ClientBuilder  # noqa: PLC0415

    decode = decoder()
    prefix = settings.base_url + PATH
    builder = ClientBuilder().default_headers(HEADERS).timeout(timedelta(seconds=TIMEOUT))
    builder = builder.max_connections(settings.in_flight).error_for_status(True).no_proxy().http1_only()
    if settings.authority is not None:
        builder = builder.add_root_certificate_pem(
            await asyncio.to_thread(Path(settings.authority).read_bytes)
        )
    async with builder.build() as http:

        async def look_up(phone_number_id: str) -> object:
            response = await http.get(prefix + phone_number_id).build().send()
            return decode(memoryview(await response.bytes()))

        yield workers(look_up, settings)
