"""Closing the client ends all lookups of the cache, and leaves no task, timer or reference."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest
from cache_helpers import ScriptedServer, with_cache
from stub_transport import Hang, found
from virtual_time import VirtualTimeLoop

from elevenphone import Cache, ConfigurationError, PhoneNumber, PhoneNumberClient

ALL = Cache(max_age=10.0, stale_while_revalidate=10.0, stale_if_error=100.0)


@pytest.mark.parametrize("turns", [0, 1, 2, 5])
def test_closing_the_client_ends_background_refreshes(turns: int) -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        await asyncio.sleep(10.0)
        server.outcome = Hang()
        await client.get("phnum_1")
        for _ in range(turns):
            await asyncio.sleep(0)
        await client.aclose()
        assert len(asyncio.all_tasks()) == 1
        assert server.transport.in_flight == 0
        assert client.stats.in_flight == 0
        with pytest.raises(ConfigurationError, match="closed"):
            await client.get("phnum_1")

    with_cache(use, ALL)


@pytest.mark.parametrize("turns", [0, 1, 2, 5])
def test_callers_of_a_shared_lookup_learn_that_the_client_is_closed(turns: int) -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.outcome = Hang()
        calls = [asyncio.create_task(client.get("phnum_1")) for _ in range(3)]
        await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        await client.aclose()
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(error, ConfigurationError)
        assert server.asked() == (turns > 0)

    with_cache(use, ALL)


def test_a_closed_client_returns_no_remembered_number() -> None:
    async def use(client: PhoneNumberClient, _server: ScriptedServer) -> None:
        await client.get("phnum_1")
        await client.aclose()
        with pytest.raises(ConfigurationError, match="this client is closed"):
            await client.get("phnum_1")
        client.forget()

    with_cache(use, ALL)


def test_no_timer_is_left() -> None:
    loop = VirtualTimeLoop()

    async def main() -> None:
        server = ScriptedServer()
        async with PhoneNumberClient(transport=server.transport, cache=ALL) as client:
            await asyncio.gather(*(client.get("phnum_1") for _ in range(10)))
            server.outcome = Hang()
            call = asyncio.create_task(client.get("phnum_2"))
            await asyncio.sleep(1.0)
            call.cancel()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
        scheduled: list[asyncio.TimerHandle] = loop._scheduled  # noqa: SLF001  # pyright: ignore[reportAttributeAccessIssue, reportPrivateUsage, reportUnknownMemberType, reportUnknownVariableType]
        assert all(map(asyncio.TimerHandle.cancelled, scheduled))  # pyright: ignore[reportUnknownArgumentType] - private in asyncio


def test_no_reference_to_a_number_is_left() -> None:
    async def use(client: PhoneNumberClient, _server: ScriptedServer) -> None:
        class Canary:
            pass

        async def ask() -> weakref.ref[Canary]:
            canary = Canary()

            async def call() -> PhoneNumber:
                _held = canary
                return await client.get("phnum_1")

            await asyncio.gather(call(), call())
            return weakref.ref(canary)

        reference = await ask()
        gc.collect()
        assert reference() is None
        number = await client.get("phnum_1")
        holders = sum(isinstance(each, tuple) and number in each for each in gc.get_referrers(number))
        assert holders == 1  # the entry
        await client.aclose()
        gc.collect()
        assert not any(isinstance(each, tuple) and number in each for each in gc.get_referrers(number))

    with_cache(use, ALL)


def test_a_client_of_another_event_loop_refuses_to_answer_from_memory() -> None:
    server = ScriptedServer()
    client = PhoneNumberClient(transport=server.transport, cache=ALL)
    with (
        asyncio.Runner(loop_factory=VirtualTimeLoop) as first,
        asyncio.Runner(loop_factory=VirtualTimeLoop) as other,
    ):
        first.run(_get(client))
        with pytest.raises(ConfigurationError, match="another event loop"):
            other.run(_get(client))
        first.run(client.aclose())


def test_a_client_whose_event_loop_is_gone_can_be_closed() -> None:
    server = ScriptedServer()
    client = PhoneNumberClient(transport=server.transport, cache=ALL)

    async def leave_a_refresh() -> None:
        await client.get("phnum_1")
        await asyncio.sleep(10.0)
        server.outcome = found()
        await client.get("phnum_1")

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(leave_a_refresh())
    asyncio.run(client.aclose())


async def _get(client: PhoneNumberClient) -> None:
    await client.get("phnum_1")
