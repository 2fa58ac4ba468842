"""Tracing and middlewares of the user's own session."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace

import aiohttp

from elevenphone import Found, PhoneNumberClient, RetryPolicy
from elevenphone.emulator import Emulator

AT_ONCE = RetryPolicy(wait_initial=0, wait_max=0)


def counting(events: Counter[str]) -> aiohttp.TraceConfig:
    """Make a trace config that counts what happens to requests."""
    config = aiohttp.TraceConfig()

    async def on_start(
        _session: aiohttp.ClientSession, _context: SimpleNamespace, _params: aiohttp.TraceRequestStartParams
    ) -> None:
        events["started"] += 1

    async def on_end(
        _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        events[str(params.response.status)] += 1

    async def on_exception(
        _session: aiohttp.ClientSession,
        _context: SimpleNamespace,
        params: aiohttp.TraceRequestExceptionParams,
    ) -> None:
        events[type(params.exception).__name__] += 1

    config.on_request_start.append(on_start)
    config.on_request_end.append(on_end)
    config.on_request_exception.append(on_exception)
    return config


async def test_trace_configs_see_each_attempt() -> None:
    events: Counter[str] = Counter()
    async with (
        Emulator(5, outage=True) as emulator,
        aiohttp.ClientSession(trace_configs=[counting(events)]) as session,
    ):
        client = PhoneNumberClient(
            emulator.api_key, base_url=emulator.base_url, session=session, retry=AT_ONCE
        )
        [lookup] = await asyncio.gather(client.get_raw(emulator.ids[0]))
        assert (lookup.status, lookup.attempts) == (503, 3)
        emulator.outage = False
        assert all(isinstance(each, Found) for each in await client.gather(emulator.ids))
        assert client.stats.requests == emulator.stats.requests == events["started"] == 8
    assert events == {"started": 8, "503": 3, "200": 5}


async def test_middlewares_see_each_attempt_and_may_change_it() -> None:
    seen: list[str] = []

    async def tagged(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        seen.append(request.url.name)
        request.headers["x-team"] = "voice"
        return await handler(request)

    async with (
        Emulator(5, record=True, server_errors=1.0) as emulator,
        aiohttp.ClientSession(middlewares=[tagged]) as session,
    ):
        client = PhoneNumberClient(
            emulator.api_key, base_url=emulator.base_url, session=session, retry=AT_ONCE
        )
        await client.get_raw(emulator.ids[0])
        assert [request.headers["x-team"] for request in emulator.requests] == ["voice"] * 3
        assert seen == [emulator.ids[0]] * 3


async def test_a_borrowed_session_is_left_open() -> None:
    async with Emulator(5) as emulator, aiohttp.ClientSession() as session:
        async with PhoneNumberClient(emulator.api_key, base_url=emulator.base_url, session=session) as client:
            await client.get(emulator.ids[0])
        assert not session.closed
        async with PhoneNumberClient(emulator.api_key, base_url=emulator.base_url, session=session) as again:
            await again.get(emulator.ids[0])
