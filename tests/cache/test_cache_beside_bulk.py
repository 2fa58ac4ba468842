"""Bulk runs and listings always send requests; their answers refresh remembered numbers."""

from __future__ import annotations

import asyncio

import pytest
from cache_helpers import LATENCY, ScriptedServer, label, with_cache

from elevenphone import Cache, PhoneNumberClient


async def find(client: PhoneNumberClient, call: str, *ids: str) -> None:
    match call:
        case "get_raw":
            for each in ids:
                await client.get_raw(each)
        case "gather":
            await client.gather(ids)
        case _:
            async with client.stream(ids) as lookups:
                async for _ in lookups:
                    pass


@pytest.mark.parametrize("call", ["get_raw", "gather", "stream"])
def test_other_calls_always_send_requests_and_refresh_remembered_numbers(call: str) -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        await asyncio.sleep(50.0)
        server.edit("phnum_1")
        await find(client, call, "phnum_1", "phnum_2")
        await asyncio.sleep(50.0)
        assert await label(client) == "1"
        assert (server.asked("phnum_1"), server.asked("phnum_2")) == (2, 1)
        await client.get("phnum_2")
        assert server.asked("phnum_2") == 2

    with_cache(use, Cache(max_age=60.0))


def test_a_listing_refreshes_remembered_numbers_and_adds_none() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        await asyncio.sleep(50.0)
        server.edit("phnum_1")
        server.edit("phnum_2")
        assert [number.label async for number in client.list()] == ["1", "1"]
        await asyncio.sleep(50.0)
        assert await label(client) == "1"
        assert server.asked("phnum_1") == 1
        await client.get("phnum_2")
        assert server.asked("phnum_2") == 1

    with_cache(use, Cache(max_age=60.0))


def test_a_number_of_an_older_page_does_not_replace_a_newer_answer() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        server.edits = {"phnum_0": 0, "phnum_1": 0}
        listing = client.list()
        await anext(listing)
        server.edit("phnum_1")
        await client.get("phnum_1", fresh=True)
        assert (await anext(listing)).label == "0"
        assert await label(client) == "1"

    with_cache(use, Cache(max_age=60.0))


def test_a_long_stream_neither_adds_to_the_cache_nor_evicts_from_it() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.latency = 0.001
        await client.get("phnum_1")
        await client.get("phnum_2")
        async with client.stream(f"phnum_{n}" for n in range(3, 5_000)) as lookups:
            async for _ in lookups:
                pass
        await client.gather(["phnum_1"])  # a refresh is no use: phnum_1 stays the least recently used
        await client.get("phnum_2")
        assert server.asked("phnum_2") == 1
        await client.get("phnum_3")
        await client.get("phnum_2")
        assert (server.asked("phnum_2"), server.asked("phnum_3")) == (1, 2)
        await client.get("phnum_1")
        assert server.asked("phnum_1") == 3

    with_cache(use, Cache(max_age=1e6, entries=2))


def test_an_answer_of_a_run_that_was_asked_for_earlier_does_not_replace_a_newer_one() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        server.latency = 1.0
        run = asyncio.create_task(client.gather(["phnum_1"]))
        await asyncio.sleep(0.1)
        server.latency = LATENCY
        server.edit("phnum_1")
        await client.get("phnum_1", fresh=True)
        await run
        assert await label(client) == "1"

    with_cache(use, Cache(max_age=60.0))
