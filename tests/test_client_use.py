"""Bad ids, closed clients, event loops, counters and cancellation."""

from __future__ import annotations

import asyncio

import pytest
import virtual_time
from client_helpers import NUMBER, get, play
from stub_transport import After, Hang, Step, StubTransport, found, found_at, refused

from elevenphone import (
    ConfigurationError,
    ElevenPhoneError,
    InvalidPhoneNumberIdError,
    NotFoundError,
    PhoneNumberClient,
)


@pytest.mark.parametrize(
    "phone_number_id", ["", " ", ".", "..", "a\nb", "a" * 257, "\ud800", None, 5, b"phnum_1"]
)
def test_an_invalid_id_is_refused_before_anything_is_sent(phone_number_id: str) -> None:
    async def use(client: PhoneNumberClient) -> None:
        for look_up in (client.get, client.get_raw):
            with pytest.raises(InvalidPhoneNumberIdError):
                await look_up(phone_number_id)

    _, played = play([], use)
    assert played.stats.requests == 0


def test_a_closed_client_sends_nothing() -> None:
    async def main() -> StubTransport:
        transport = StubTransport([found()])
        client = PhoneNumberClient(transport=transport)
        await client.get("phnum_1")
        await client.aclose()
        await client.aclose()
        for look_up in (client.get, client.get_raw):
            with pytest.raises(ConfigurationError, match="closed"):
                await look_up("phnum_1")
        return transport

    transport = virtual_time.run(main())
    assert transport.requests == 1
    assert transport.closed >= 1


def test_an_exception_in_the_with_block_closes_the_client() -> None:
    async def main() -> StubTransport:
        transport = StubTransport([])
        with pytest.raises(LookupError):
            async with PhoneNumberClient(transport=transport):
                raise LookupError
        return transport

    assert virtual_time.run(main()).closed == 1


def test_a_client_refuses_to_work_in_another_event_loop() -> None:
    transport = StubTransport([found()])
    client = PhoneNumberClient(transport=transport)

    async def use() -> object:
        return await client.get("phnum_1")

    assert virtual_time.run(use()) == NUMBER
    with pytest.raises(ConfigurationError, match=r"another event loop.*one client in each"):
        virtual_time.run(use())
    assert transport.requests == 1
    virtual_time.run(client.aclose())


def test_a_client_can_be_created_before_the_event_loop_runs() -> None:
    client = PhoneNumberClient(transport=StubTransport([found()]))

    async def use() -> object:
        async with client:
            return await client.get("phnum_1")

    assert virtual_time.run(use()) == NUMBER


# Counters and the log


def test_stats_count_requests_retries_and_results() -> None:
    async def use(client: PhoneNumberClient) -> None:
        await client.get("phnum_1")
        with pytest.raises(NotFoundError):
            await client.get("phnum_2")
        await client.get("phnum_3")

    steps = [found(), refused(404), refused(429, "system_busy"), refused(503), found("phnum_3")]
    _, played = play(steps, use)
    stats = played.stats
    assert (stats.requests, stats.retries, stats.found, stats.failed, stats.throttled) == (5, 2, 2, 1, 1)
    assert stats.in_flight == 0
    assert stats.connections_opened == 0


def test_stats_are_a_snapshot() -> None:
    async def use(client: PhoneNumberClient) -> tuple[int, int, int]:
        before = client.stats
        task = asyncio.ensure_future(client.get("phnum_1"))
        await asyncio.sleep(1)
        during = client.stats
        await task
        return before.requests, before.in_flight, during.in_flight

    (requests, before, during), played = play([After(2.0, found())], use)
    assert (requests, before, during) == (0, 0, 1)
    assert played.stats.in_flight == 0


def test_stats_show_the_concurrency_limit() -> None:
    _, played = play([found()], get, lambda transport: PhoneNumberClient(concurrency=7, transport=transport))
    assert played.stats.concurrency_limit == 7


def test_failed_attempts_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "elevenphone")
    play([refused(503, "unavailable", "Back soon"), found()], get)
    assert any("attempt 1" in message and "Back soon" in message for message in caplog.messages)


# Cancellation


@pytest.mark.parametrize(
    "script",
    [[Hang()], [refused(503, retry_after="30")]],
    ids=["during the request", "while it waits to retry"],
)
def test_a_cancelled_lookup_leaves_no_task_or_request(script: list[Step]) -> None:
    async def use(client: PhoneNumberClient) -> int:
        task = asyncio.ensure_future(client.get("phnum_1"))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(asyncio.all_tasks())

    tasks, played = play(script, use)
    assert tasks == 1
    assert played.stats.in_flight == played.transport.in_flight == 0
    assert played.elapsed == 1.0


def test_a_lookup_cancelled_in_the_queue_passes_its_turn_to_the_next() -> None:
    async def use(client: PhoneNumberClient) -> object:
        first = asyncio.ensure_future(client.get("first"))
        second = asyncio.ensure_future(client.get("second"))
        third = asyncio.ensure_future(client.get("third"))
        await asyncio.sleep(1)
        second.cancel()
        await asyncio.gather(first, third)
        return second.cancelled()

    cancelled, played = play(
        lambda url: After(2.0, found_at(url)),
        use,
        lambda transport: PhoneNumberClient(concurrency=1, transport=transport),
    )
    assert cancelled is True
    assert [url.rpartition("/")[2] for url in played.transport.urls] == ["first", "third"]
    assert played.elapsed == 4.0


def test_a_timeout_of_the_caller_is_not_reported_as_one_of_the_client() -> None:
    async def use(client: PhoneNumberClient) -> None:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(2):
                await client.get("phnum_1")
        assert not isinstance(caught.value, ElevenPhoneError)

    _, played = play([Hang()], use)
    assert played.stats.requests == 1
    assert played.elapsed == 2.0
