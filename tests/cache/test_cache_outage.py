"""During an outage a stale answer comes at once, and probes notice its end."""

from __future__ import annotations

import asyncio

import pytest
import virtual_time
from cache_helpers import DOWN, LATENCY, NO_RETRY, ScriptedServer, label, with_cache
from stub_transport import Hang, Step, refused

from elevenphone import Cache, ConnectionFailedError, ElevenPhoneError, PhoneNumberClient

KEEPING = Cache(max_age=10.0, stale_if_error=1_000.0)


async def fail(client: PhoneNumberClient, *ids: str) -> None:
    for each in ids:
        with pytest.raises(ElevenPhoneError):
            await client.get(each)


async def remember_and_let_it_become_stale(client: PhoneNumberClient, *ids: str) -> None:
    for each in ids:
        await client.get(each)
    await asyncio.sleep(10.0)


@pytest.mark.parametrize(
    "outcome", [DOWN, ConnectionFailedError("refused", stage="connect"), ConnectionFailedError("reset")]
)
def test_after_three_failures_a_stale_answer_comes_at_once(outcome: Step) -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await remember_and_let_it_become_stale(client, "phnum_1")
        server.outcome = outcome
        await fail(client, "phnum_2", "phnum_3")
        assert server.asked() == 1
        await label(client)  # two failures are too few: this asks, and fails as the third
        assert server.asked() == 2
        began = virtual_time.elapsed()
        assert [await label(client) for _ in range(10)] == ["0"] * 10
        assert virtual_time.elapsed() == began

    with_cache(use, KEEPING, retry=NO_RETRY)


@pytest.mark.parametrize("outcome", [refused(404), refused(429), None], ids=["404", "429", "found"])
def test_any_answer_shows_that_the_server_is_up(outcome: Step | None) -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await remember_and_let_it_become_stale(client, "phnum_1")
        server.outcome = DOWN
        await fail(client, "phnum_2", "phnum_3", "phnum_4")
        server.outcome = outcome
        await client.get_raw("phnum_5", retry=NO_RETRY)
        server.outcome = None
        await client.get("phnum_1")
        assert server.asked() == 2

    with_cache(use, KEEPING, retry=NO_RETRY)


def test_a_lookup_is_not_retried_once_the_server_is_known_to_be_down() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await remember_and_let_it_become_stale(client, "phnum_1", "phnum_2", "phnum_3")
        server.outcome = Hang()
        began = virtual_time.elapsed()
        calls = [client.get(f"phnum_{n}") for n in (1, 2, 3)]
        assert [number.label for number in await asyncio.gather(*calls)] == ["0"] * 3
        # One attempt of each shows it; otherwise there would be three rounds of them.
        assert virtual_time.elapsed() - began < 5.0 + 0.2
        assert server.transport.requests == 3 + 3

    with_cache(use, KEEPING, timeout=5.0)


def test_regular_probes_notice_that_the_server_is_back() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await remember_and_let_it_become_stale(client, "phnum_1")
        server.outcome = DOWN
        await fail(client, "phnum_2", "phnum_3", "phnum_4")
        server.edit("phnum_1")
        before, began = server.transport.requests, virtual_time.elapsed()
        while virtual_time.elapsed() - began < 60.0:
            assert await label(client) == "0"
            await asyncio.sleep(0.05)
        assert 55 <= server.transport.requests - before <= 61
        server.outcome = None
        await asyncio.sleep(1.0)
        assert await label(client) == "0"  # the call that sends the probe
        await asyncio.sleep(2 * LATENCY)
        assert await label(client) == "1"
        assert client.stats.cache_stale > 1_000

    with_cache(use, KEEPING, retry=NO_RETRY)


def test_many_numbers_cause_no_more_probes_than_one() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        ids = [f"phnum_{n}" for n in range(20)]
        await remember_and_let_it_become_stale(client, *ids)
        server.outcome = DOWN
        await fail(client, "phnum_a", "phnum_b", "phnum_c")
        before = server.transport.requests
        for _ in range(100):
            await asyncio.gather(*(client.get(each) for each in ids))
            await asyncio.sleep(0.1)
        assert server.transport.requests - before <= 11

    with_cache(use, KEEPING, retry=NO_RETRY)


def test_no_request_is_sent_while_nobody_calls() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await remember_and_let_it_become_stale(client, "phnum_1")
        server.outcome = DOWN
        await fail(client, "phnum_2", "phnum_3", "phnum_4")
        await client.get("phnum_1")
        before = server.transport.requests
        await asyncio.sleep(300.0)
        assert server.transport.requests - before == 1
        began = virtual_time.elapsed()
        assert await label(client) == "0"  # nothing has been answered since: it is still away
        assert virtual_time.elapsed() == began

    with_cache(use, KEEPING, retry=NO_RETRY)


def test_a_lookup_of_an_unknown_number_notices_that_the_server_is_back() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await remember_and_let_it_become_stale(client, "phnum_1")
        server.outcome = DOWN
        await fail(client, "phnum_2", "phnum_3", "phnum_4")
        server.outcome = None
        server.edit("phnum_1")
        assert await label(client, "phnum_2") == "0"
        assert await label(client) == "1"

    with_cache(use, KEEPING, retry=NO_RETRY)


def test_without_stale_if_error_an_outage_is_an_error() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await remember_and_let_it_become_stale(client, "phnum_1")
        server.outcome = DOWN
        await fail(client, "phnum_1", "phnum_1", "phnum_1", "phnum_1", "phnum_1")
        assert client.stats.cache_hits == 0

    with_cache(use, Cache(max_age=10.0), retry=NO_RETRY)
