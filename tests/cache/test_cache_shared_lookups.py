"""Equal calls at the same time share one lookup."""

from __future__ import annotations

import asyncio

import pytest
import virtual_time
from cache_helpers import DOWN, LATENCY, NO_RETRY, ScriptedServer, with_cache
from stub_transport import Hang, refused

from elevenphone import (
    Cache,
    DeadlineExceededError,
    ElevenPhoneError,
    NotFoundError,
    PhoneNumberClient,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    StatusError,
)

SHARING = Cache(max_age=0.0)
HANG = Hang()


def test_any_number_of_equal_gets_share_one_request() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        numbers = await asyncio.gather(*(client.get("phnum_1") for _ in range(1_000)))
        assert len({id(number) for number in numbers}) == 1
        assert (server.asked(), client.stats.joined, client.stats.found) == (1, 999, 1)
        assert virtual_time.elapsed() == pytest.approx(LATENCY)

    with_cache(use, SHARING)


def test_a_caller_with_more_time_waits_for_a_pause_that_the_first_cannot_wait_for() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.outcomes["phnum_2"] = refused(429, "rate_limit_exceeded", retry_after="2")
        others = [asyncio.create_task(client.get("phnum_2", retry=NO_RETRY)) for _ in range(2)]
        await asyncio.sleep(LATENCY / 2)
        hurried = asyncio.create_task(client.get("phnum_1", deadline=1.0))
        await asyncio.sleep(LATENCY / 4)
        assert (await client.get("phnum_1", deadline=30.0)).phone_number_id == "phnum_1"
        await asyncio.gather(*others, hurried, return_exceptions=True)

    with_cache(use, SHARING, concurrency=1)


def test_the_next_get_after_the_answer_sends_a_new_request() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await client.get("phnum_1")
        await client.get("phnum_1")
        assert (server.asked(), client.stats.cache_hits) == (2, 0)

    with_cache(use, SHARING)


def test_a_fresh_get_or_one_with_its_own_settings_shares_no_request() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        await asyncio.gather(
            client.get("phnum_1"),
            client.get("phnum_1", deadline=5.0),  # a different deadline can share it
            client.get("phnum_1", timeout=10.0, retry=RetryPolicy()),  # these are the client's
            client.get("phnum_1", timeout=5.0),
            client.get("phnum_1", retry=RetryPolicy(attempts=2)),
            client.get("phnum_1", fresh=True),
        )
        assert (server.asked(), client.stats.joined) == (4, 2)

    with_cache(use, SHARING)


def test_an_error_is_shared_and_each_caller_gets_a_separate_exception() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.outcome = DOWN
        errors = await asyncio.gather(*(client.get("phnum_1") for _ in range(3)), return_exceptions=True)
        assert server.asked() == 3  # the attempts of one lookup
        assert len({id(error) for error in errors}) == 3
        for error in errors:
            assert isinstance(error, ServerError)
            assert len(error.history) == 3
        assert client.stats.failed == 1

    with_cache(use, SHARING)


def test_the_cancellation_of_one_caller_does_not_affect_another() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        first, second, third = (asyncio.create_task(client.get("phnum_1")) for _ in range(3))
        await asyncio.sleep(LATENCY / 2)
        first.cancel()
        third.cancel()
        assert (await second).label == "0"
        assert (first.cancelled(), third.cancelled(), server.asked()) == (True, True, 1)
        assert virtual_time.elapsed() == pytest.approx(LATENCY)

    with_cache(use, SHARING)


def test_the_request_is_cancelled_when_its_last_caller_is_cancelled() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.outcome = HANG
        calls = [asyncio.create_task(client.get("phnum_1")) for _ in range(3)]
        await asyncio.sleep(1.0)
        for call in calls:
            assert server.transport.in_flight == 1
            call.cancel()
            await asyncio.sleep(0.01)
        assert server.transport.in_flight == 0
        assert client.stats.in_flight == 0
        server.outcome = None
        await client.get("phnum_1")  # it does not join the cancelled lookup

    with_cache(use, SHARING)


def test_a_get_does_not_join_a_lookup_cancelled_in_the_same_turn_of_the_loop() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        first = asyncio.create_task(client.get("phnum_1"))
        await asyncio.sleep(LATENCY / 2)
        first.cancel()
        second = asyncio.create_task(client.get("phnum_1"))
        assert (await second).label == "0"
        assert server.asked() == 2

    with_cache(use, SHARING)


def test_each_caller_has_its_deadline_and_the_lookup_runs_until_the_last_one() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.outcome = HANG

        async def end_of(deadline: float, starts: float) -> float:
            await asyncio.sleep(starts)
            with pytest.raises(DeadlineExceededError):
                await client.get("phnum_1", deadline=deadline)
            return virtual_time.elapsed()

        ends = await asyncio.gather(end_of(2.0, 0.0), end_of(1.0, 0.0), end_of(4.0, 0.5), end_of(1.0, 1.0))
        assert ends == pytest.approx([2.0, 1.0, 4.5, 2.0])
        await asyncio.sleep(0)
        assert (server.transport.in_flight, server.asked()) == (0, 1)
        assert (client.stats.failed, client.stats.joined) == (1, 3)

    with_cache(use, SHARING)


def test_a_later_callers_deadline_gives_the_lookup_more_attempts() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.outcome = HANG
        early = asyncio.create_task(client.get("phnum_1", deadline=1.5))
        await asyncio.sleep(1.2)
        late = asyncio.create_task(client.get("phnum_1", deadline=30.0))
        with pytest.raises(DeadlineExceededError) as caught:
            await early
        assert isinstance(caught.value.last_error, RequestTimeoutError)
        with pytest.raises(RequestTimeoutError) as ended:
            await late
        assert len(ended.value.history) == 3
        assert server.asked() == 3

    with_cache(use, SHARING, timeout=1.0)


def test_a_wait_beyond_the_last_deadline_is_not_started() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.outcome = refused(503, retry_after="20")
        calls = [client.get("phnum_1", deadline=deadline) for deadline in (5.0, 15.0)]
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(error, StatusError)
            assert error.retry_after == 20.0
        assert virtual_time.elapsed() == pytest.approx(LATENCY)

    with_cache(use, SHARING)


def test_the_wait_for_a_slot_is_not_part_of_a_deadline() -> None:
    async def main(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.latency = 3.0
        others = [asyncio.create_task(client.get(f"phnum_{n}", deadline=None)) for n in range(2, 10)]
        await asyncio.sleep(0.1)
        assert client.stats.in_flight == client.stats.concurrency_limit == len(others)
        first = asyncio.create_task(client.get("phnum_1", deadline=4.0))
        second = asyncio.create_task(client.get("phnum_1", deadline=2.0))
        assert (await first).label == "0"
        assert virtual_time.elapsed() == pytest.approx(6.0)
        with pytest.raises(DeadlineExceededError):
            await second
        await asyncio.gather(*others)

    with_cache(main, SHARING)


def test_a_404_ends_the_shared_lookup_without_a_retry() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.outcome = refused(404)
        errors = await asyncio.gather(*(client.get("phnum_1") for _ in range(2)), return_exceptions=True)
        assert [type(error) for error in errors] == [NotFoundError, NotFoundError]
        assert server.asked() == 1

    with_cache(use, SHARING)


def test_a_caller_that_arrives_while_the_lookup_waits_to_retry_joins_it() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.outcome = refused(503, retry_after="1")
        first = asyncio.create_task(client.get("phnum_1"))
        await asyncio.sleep(0.5)
        server.outcome = None
        second = asyncio.create_task(client.get("phnum_1"))
        assert (await first) is (await second)
        assert server.asked() == 2

    with_cache(use, SHARING)


def test_cancelling_the_shared_task_cancels_its_callers() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.outcome = HANG
        before = asyncio.all_tasks()
        call = asyncio.create_task(client.get("phnum_1"))
        await asyncio.sleep(1.0)
        [shared] = asyncio.all_tasks() - before - {call}
        shared.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    with_cache(use, SHARING)


def test_without_retries_the_shared_lookup_is_one_request() -> None:
    async def use(client: PhoneNumberClient, server: ScriptedServer) -> None:
        server.outcome = DOWN
        errors = await asyncio.gather(*(client.get("phnum_1") for _ in range(2)), return_exceptions=True)
        assert all(isinstance(error, ElevenPhoneError) for error in errors)
        assert server.asked() == 1

    with_cache(use, SHARING, retry=NO_RETRY)
