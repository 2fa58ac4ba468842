"""Answers older than `max_age`: refreshed in the background, or given instead of an error."""

from __future__ import annotations

import asyncio
import math

import pytest
import virtual_time
from cache_helpers import DOWN, LATENCY, NO_RETRY, ScriptedServer, label, with_cache
from stub_transport import Hang, Step, refused

from elevenphone import (
    AuthenticationError,
    Cache,
    ConnectionFailedError,
    DecodeError,
    ElevenPhoneError,
    NotFoundError,
    PermissionDeniedError,
    PhoneNumberClient,
    Response,
    ServerError,
    UnprocessableEntityError,
)

REVALIDATE = Cache(max_age=10.0, stale_while_revalidate=20.0)
IF_ERROR = Cache(max_age=10.0, stale_if_error=100.0)


# Within stale_while_revalidate


def test_a_stale_answer_comes_at_once_and_one_lookup_refreshes_it() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        server.edit("phnum_1")
        await asyncio.sleep(10.0)
        began = virtual_time.elapsed()
        assert [await label(client) for _ in range(5)] == ["0"] * 5
        assert virtual_time.elapsed() == began
        await asyncio.sleep(2 * LATENCY)
        assert await label(client) == "1"
        assert server.asked() == 2
        assert (client.stats.cache_hits, client.stats.cache_stale, client.stats.joined) == (6, 5, 0)

    with_cache(use, REVALIDATE)


def test_the_stale_window_starts_when_max_age_ends() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        server.edit("phnum_1")
        await asyncio.sleep(30.0 - LATENCY - 0.001)
        server.outcome = Hang()  # the refresh does not end in time
        assert await label(client) == "0"
        await asyncio.sleep(0.001)
        server.outcome = None
        assert await label(client) == "1"
        assert client.stats.cache_stale == 1

    with_cache(use, REVALIDATE)


def test_a_call_that_must_wait_for_an_answer_does_not_wait_for_the_refresh() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        await asyncio.sleep(29.0)
        server.outcome = Hang()
        await client.get("phnum_1")
        await asyncio.sleep(2.0)
        assert server.transport.in_flight == 1
        server.outcome = None
        began = virtual_time.elapsed()
        await client.get("phnum_1")
        assert virtual_time.elapsed() - began == pytest.approx(LATENCY)
        assert (server.transport.in_flight, server.transport.peak_in_flight) == (0, 1)

    with_cache(use, REVALIDATE)


def test_a_refresh_waits_behind_single_lookups_as_bulk_does() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        await asyncio.sleep(10.0)
        busy = [asyncio.create_task(client.get(f"phnum_{n}")) for n in range(2, 10)]
        await asyncio.sleep(0)
        await client.get("phnum_1")
        await asyncio.sleep(0)
        single = asyncio.create_task(client.get("phnum_10"))
        await asyncio.gather(*busy, single)
        await asyncio.sleep(1.0)
        asked = [url.rpartition("/")[2] for url in server.transport.urls]
        assert asked[0] == "phnum_1"
        assert asked.index("phnum_10") < asked.index("phnum_1", 1)

    with_cache(use, REVALIDATE)


def test_a_refresh_that_fails_leaves_the_answer_and_the_next_call_starts_another() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        await asyncio.sleep(10.0)
        server.outcome = refused(401)
        assert await label(client) == "0"
        await asyncio.sleep(1.0)
        assert await label(client) == "0"
        await asyncio.sleep(1.0)
        assert server.asked() == 3

    with_cache(use, REVALIDATE)


def test_a_refresh_that_finds_a_404_forgets_the_number() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        await asyncio.sleep(10.0)
        server.outcome = refused(404)
        assert await label(client) == "0"
        await asyncio.sleep(1.0)
        with pytest.raises(NotFoundError):
            await client.get("phnum_1")

    with_cache(use, REVALIDATE)


def test_a_refresh_of_a_number_that_was_forgotten_adds_nothing() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        await asyncio.sleep(10.0)
        await client.get("phnum_1")
        await asyncio.sleep(LATENCY / 2)
        client.forget("phnum_1")
        await asyncio.sleep(LATENCY)
        await client.get("phnum_1")
        assert server.asked() == 3

    with_cache(use, REVALIDATE)


def test_refreshes_of_an_outage_wait_for_its_end_and_no_longer_than_the_deadline() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        ids = [f"phnum_{n}" for n in range(50)]
        for each in ids:
            await client.get(each)
        await asyncio.sleep(30.0 - 50 * LATENCY)
        server.outcome = DOWN
        before = server.transport.requests
        assert [await label(client, each) for each in ids] == ["0"] * 50
        await asyncio.sleep(20.0)
        # Bulk requests wait: a few attempts reveal the outage, then one probe a second is sent.
        assert server.transport.requests - before < 60
        assert len(asyncio.all_tasks()) > 1
        await asyncio.sleep(41.0)
        assert len(asyncio.all_tasks()) == 1

    with_cache(use, Cache(max_age=10.0, stale_while_revalidate=100.0))


def test_refreshes_probe_one_by_one_if_no_id_is_known_to_be_good() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        ids = [f"phnum_{n}" for n in range(20)]
        await client.get(ids[0])
        await asyncio.gather(*(client.get(each) for each in ids))
        await asyncio.sleep(20.0)
        server.outcome = DOWN
        for each in ids:  # now no id is left that a probe could ask for
            with pytest.raises(ServerError):
                await client.get(each, fresh=True)
        before = server.transport.requests
        await asyncio.gather(*(client.get(each) for each in ids))
        await asyncio.sleep(2.0)
        assert server.transport.requests - before <= 6
        server.outcome = None
        await asyncio.sleep(2.0)
        assert server.transport.requests - before >= len(ids)

    with_cache(use, Cache(max_age=10.0, stale_while_revalidate=1_000.0), retry=NO_RETRY)


def test_refreshes_leave_the_queue_of_bulk_when_the_last_has_ended() -> None:
    async def use(client: PhoneNumberClient, _server: ScriptedServer) -> None:
        for _ in range(2):
            await asyncio.gather(client.get("phnum_1"), client.get("phnum_2"))
            await asyncio.sleep(10.0)
        await client.get("phnum_1")
        assert "1 runs" in repr(client)
        await asyncio.sleep(1.0)
        assert "0 runs" in repr(client)

    with_cache(use, REVALIDATE)


def test_no_refresh_starts_while_somebody_waits_for_a_lookup_of_the_same_number() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.latency = 5.0
        slow = asyncio.create_task(client.get("phnum_1"))
        await asyncio.sleep(1.0)
        server.latency = LATENCY
        await client.get("phnum_1", fresh=True)
        assert await label(client) == "0"  # that of the fresh call, already stale
        await asyncio.sleep(1.0)
        assert server.asked() == 2
        await slow

    with_cache(use, Cache(max_age=0.0, stale_while_revalidate=100.0))


# Within stale_if_error

PASSING: dict[str, Step] = {
    "no connection": ConnectionFailedError("refused", stage="connect"),
    "broken connection": ConnectionFailedError("reset"),
    "timeout": Hang(),
    "429": refused(429, "too_many_concurrent_requests"),
    "500": refused(500),
    "503": refused(503),
}
FINAL: dict[str, tuple[Step, type[ElevenPhoneError]]] = {
    "401": (refused(401), AuthenticationError),
    "403": (refused(403), PermissionDeniedError),
    "404": (refused(404), NotFoundError),
    "422": (refused(422), UnprocessableEntityError),
    "no number": (Response(200, {}, b"[]"), DecodeError),
    "certificate": (ConnectionFailedError("untrusted", stage="certificate"), ConnectionFailedError),
}


@pytest.mark.parametrize("outcome", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("timeout", [None, 3.0], ids=["together", "alone"])
def test_a_transient_error_gives_the_last_known_answer(outcome: Step, timeout: float | None) -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        await asyncio.sleep(10.0)
        server.outcome = outcome
        number = await (client.get("phnum_1") if timeout is None else client.get("phnum_1", timeout=timeout))
        assert number.label == "0"
        assert server.asked() == 4  # with all attempts
        assert (client.stats.cache_hits, client.stats.cache_stale, client.stats.failed) == (1, 1, 1)

    with_cache(use, IF_ERROR)


def test_a_missed_deadline_gives_the_last_known_answer() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        await asyncio.sleep(10.0)
        server.outcome = Hang()
        began = virtual_time.elapsed()
        assert (await client.get("phnum_1", deadline=2.0)).label == "0"
        assert (await client.get("phnum_1", deadline=2.0, timeout=5.0)).label == "0"
        assert virtual_time.elapsed() - began == pytest.approx(4.0)

    with_cache(use, IF_ERROR)


@pytest.mark.parametrize(("outcome", "error"), FINAL.values(), ids=FINAL)
def test_a_permanent_error_is_raised(outcome: Step, error: type[ElevenPhoneError]) -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        await asyncio.sleep(10.0)
        server.outcome = outcome
        with pytest.raises(error):
            await client.get("phnum_1")
        server.outcome = DOWN
        if error is NotFoundError:  # it has been forgotten
            with pytest.raises(ServerError):
                await client.get("phnum_1")
        else:
            assert await label(client) == "0"

    with_cache(use, IF_ERROR)


@pytest.mark.parametrize("is_fresh_wanted", [False, True])
def test_no_answer_is_returned_that_is_too_old_or_not_wanted(is_fresh_wanted: bool) -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        await asyncio.sleep(10.0 if is_fresh_wanted else 110.0 - LATENCY)
        server.outcome = DOWN
        with pytest.raises(ServerError):
            await client.get("phnum_1", fresh=is_fresh_wanted)

    with_cache(use, IF_ERROR)


def test_the_age_is_measured_at_the_end_of_the_lookup() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        await asyncio.sleep(105.0)
        server.outcome = Hang()
        with pytest.raises(ElevenPhoneError):
            await client.get("phnum_1")
        assert virtual_time.elapsed() > 110.0

    with_cache(use, IF_ERROR, retry=NO_RETRY)


def test_both_windows_are_independent() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        await asyncio.sleep(15.0)
        server.outcome = DOWN
        assert await label(client) == "0"  # within both: at once
        assert virtual_time.elapsed() == pytest.approx(15.0 + LATENCY)
        await asyncio.sleep(15.0)
        assert await label(client) == "0"  # within stale_if_error alone
        await asyncio.sleep(80.0)
        with pytest.raises(ServerError):
            await client.get("phnum_1")

    with_cache(use, Cache(max_age=10.0, stale_while_revalidate=10.0, stale_if_error=100.0), retry=NO_RETRY)


def test_every_call_during_an_outage_gets_an_answer_that_is_young_enough() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.edits["phnum_1"] = 0
        edited_at: dict[str, float] = {"0": -math.inf}
        for second in range(150):
            if second == 40:
                server.outcome = DOWN
            if second == 100:
                server.outcome = None
            server.edit("phnum_1")
            edited_at[str(server.edits["phnum_1"])] = virtual_time.elapsed()
            text = await label(client)
            replaced = edited_at.get(str(int(text) + 1), math.inf)
            allowed = 110.0 if 40 <= second <= 102 else 10.0
            assert virtual_time.elapsed() - replaced <= allowed + 1.0
            await asyncio.sleep(second + 1 - virtual_time.elapsed())

    with_cache(use, IF_ERROR)
