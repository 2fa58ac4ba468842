"""Answers within `max_age`: when they are remembered, and when they are dropped."""

from __future__ import annotations

import asyncio
import logging
import math

import pytest
import virtual_time
from cache_helpers import LATENCY, ScriptedServer, label, with_cache
from stub_transport import refused

from elevenphone import (
    Cache,
    ConfigurationError,
    InvalidPhoneNumberIdError,
    NotFoundError,
    PhoneNumberClient,
    RetryPolicy,
)

MINUTE = Cache(max_age=60.0)


def test_get_answers_from_memory_until_max_age_and_then_sends_a_request() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        assert await label(client) == "0"
        server.edit("phnum_1")
        # The age counts from the start of the request.
        await asyncio.sleep(60.0 - LATENCY - 0.001)
        assert await label(client) == "0"
        await asyncio.sleep(0.001)
        assert await label(client) == "1"
        assert server.asked() == 2
        assert (client.stats.cache_hits, client.stats.cache_stale, client.stats.joined) == (1, 0, 0)

    with_cache(use, MINUTE)


def test_the_age_of_a_retried_lookup_counts_from_its_last_attempt() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.outcome = refused(503, retry_after="30")
        asyncio.get_running_loop().call_later(1.0, setattr, server, "outcome", None)
        await client.get("phnum_1")
        assert virtual_time.elapsed() >= 30.0
        await asyncio.sleep(59.0)
        await client.get("phnum_1")
        assert server.asked() == 2

    with_cache(use, MINUTE)


def test_an_answer_from_memory_needs_no_turn_of_the_event_loop() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        number = await client.get("phnum_1")
        with pytest.raises(StopIteration) as caught:
            client.get("phnum_1").send(None)
        assert caught.value.value is number
        assert server.asked() == 1

    with_cache(use, MINUTE)


@pytest.mark.parametrize("fresh", [False, True])
def test_without_a_cache_every_get_sends_a_request(fresh: bool) -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await asyncio.gather(client.get("phnum_1", fresh=fresh), client.get("phnum_1", fresh=fresh))
        await client.get("phnum_1", fresh=fresh)
        client.forget("phnum_1")
        client.forget()
        assert server.asked() == 3
        assert (client.stats.cache_hits, client.stats.joined) == (0, 0)

    with_cache(use, None)


def test_a_fresh_get_sends_a_request_and_its_answer_is_remembered() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        server.edit("phnum_1")
        assert (await client.get("phnum_1", fresh=True)).label == "1"
        assert (await client.get("phnum_2", fresh=True)).label == "0"
        assert (await label(client), await label(client, "phnum_2")) == ("1", "0")
        assert len(server.transport.urls) == 3

    with_cache(use, MINUTE)


def test_a_get_with_its_own_timeout_or_policy_is_answered_from_memory() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1", timeout=1.0)
        await client.get("phnum_1", retry=RetryPolicy.none(), deadline=1.0)
        assert server.asked() == 1

    with_cache(use, MINUTE)


def test_forget_drops_one_number_or_all() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        for _ in range(2):
            await client.get("phnum_1")
            await client.get("phnum_2")
        client.forget("phnum_1")
        client.forget("phnum_unknown")
        await client.get("phnum_1")
        await client.get("phnum_2")
        assert (server.asked("phnum_1"), server.asked("phnum_2")) == (2, 1)
        client.forget()
        await client.get("phnum_1")
        await client.get("phnum_2")
        assert (server.asked("phnum_1"), server.asked("phnum_2")) == (3, 2)

    with_cache(use, MINUTE)


@pytest.mark.parametrize("fresh", [False, True])
def test_an_answer_in_flight_when_its_number_is_forgotten_is_not_remembered(fresh: bool) -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        early = asyncio.create_task(client.get("phnum_1", fresh=fresh))
        await asyncio.sleep(LATENCY / 2)
        server.edit("phnum_1")
        client.forget("phnum_1")
        late = asyncio.create_task(client.get("phnum_1"))
        assert (await early).label == "0"
        assert (await late).label == "1"  # it did not join the lookup from before
        assert await label(client) == "1"
        assert server.asked() == 2

    with_cache(use, MINUTE)


def test_the_answer_to_the_later_of_two_requests_is_remembered() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.latency = 1.0
        slow = asyncio.create_task(client.get("phnum_1", fresh=True))
        await asyncio.sleep(0.1)
        server.edit("phnum_1")
        server.latency = LATENCY
        assert (await client.get("phnum_1", fresh=True)).label == "1"
        assert (await slow).label == "0"
        assert await label(client) == "1"

    with_cache(use, MINUTE)


@pytest.mark.parametrize("call", ["get", "get_raw", "gather"])
def test_a_404_to_any_call_forgets_the_number(call: str) -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        server.outcome = refused(404)
        match call:
            case "get":
                with pytest.raises(NotFoundError):
                    await client.get("phnum_1", fresh=True)
            case "get_raw":
                assert (await client.get_raw("phnum_1")).status == 404
            case _:
                await client.gather(["phnum_1"])
        with pytest.raises(NotFoundError):
            await client.get("phnum_1")

    with_cache(use, Cache(max_age=60.0, stale_if_error=600.0))


def test_the_least_recently_used_answer_is_dropped_first() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        for each in ("phnum_1", "phnum_2", "phnum_1", "phnum_3", "phnum_1", "phnum_2"):
            await client.get(each)
        assert [server.asked(each) for each in ("phnum_1", "phnum_2", "phnum_3")] == [1, 2, 1]

    with_cache(use, Cache(entries=2))


def test_an_invalid_id_is_refused_as_without_a_cache() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        wrong: list[object] = ["", "..", ["phnum_1"], None, 5]
        for each in wrong:
            with pytest.raises(InvalidPhoneNumberIdError):
                await client.get(each)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            with pytest.raises(InvalidPhoneNumberIdError):
                client.forget(each)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert server.transport.requests == 0

    with_cache(use, MINUTE)


def test_arguments_are_checked_even_if_the_answer_is_remembered() -> None:
    async def use(client: PhoneNumberClient, _server: ScriptedServer) -> None:
        await client.get("phnum_1")
        with pytest.raises(ConfigurationError, match="timeout"):
            await client.get("phnum_1", timeout=-1.0)
        with pytest.raises(ConfigurationError, match="deadline"):
            await client.get("phnum_1", deadline=0.0)

    with_cache(use, MINUTE)


def test_a_log_line_says_where_an_answer_came_from(caplog: pytest.LogCaptureFixture) -> None:
    async def use(client: PhoneNumberClient, _server: ScriptedServer) -> None:
        await asyncio.gather(client.get("phnum_1"), client.get("phnum_1"))
        await asyncio.sleep(1.0)
        await client.get("phnum_1")
        await asyncio.sleep(60.0)
        await client.get("phnum_1")

    with caplog.at_level(logging.DEBUG, logger="elevenphone"):
        with_cache(use, Cache(stale_while_revalidate=60.0))
    of_cache = [record.getMessage() for record in caplog.records if record.getMessage().startswith("phnum")]
    assert of_cache == [
        "phnum_1: joined the lookup that is under way",
        "phnum_1: from memory, 1.1 s old",
        "phnum_1: from memory, 61.1 s old, stale: a refresh is under way",
    ]


def test_a_cache_has_the_documented_defaults_and_cannot_be_changed() -> None:
    cache = Cache()
    assert (cache.max_age, cache.stale_while_revalidate, cache.stale_if_error, cache.entries) == (
        60.0,
        0.0,
        0.0,
        10_000,
    )
    with pytest.raises(AttributeError):
        cache.max_age = 1.0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("name", ["max_age", "stale_while_revalidate", "stale_if_error"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf, "60", None, True])
def test_an_invalid_duration_is_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be a number of seconds from 0 up"):
        Cache(**{name: value})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("entries", [0, -1, 1.5, True, None, "10"])
def test_an_invalid_number_of_entries_is_refused(entries: object) -> None:
    with pytest.raises(ConfigurationError, match="entries must be a whole number from 1 up"):
        Cache(entries=entries)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_client_refuses_anything_but_a_cache() -> None:
    with pytest.raises(
        ConfigurationError, match=r"cache must be a Cache, such as Cache\(max_age=60.0\), not 60"
    ):
        PhoneNumberClient("key", cache=60)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
