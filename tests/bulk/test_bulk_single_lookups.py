"""Single lookups beside a bulk run: neither its pauses nor its outages hold them up for long."""

from __future__ import annotations

import asyncio

import pytest
import virtual_time
from bulk_client_helpers import id_of, use
from simulated_server import LATENCY, Outage, SimulatedServer, ids, number_of
from stub_transport import After, Step, StubTransport, refused

from elevenphone import DeadlineExceededError, PhoneNumberClient, RateLimitError, ServerError


def test_a_single_lookup_beside_a_run_waits_no_longer_than_one_answer_takes() -> None:
    server = SimulatedServer(limit=10)
    waits: list[float] = []

    async def use_it(client: PhoneNumberClient) -> None:
        run = asyncio.create_task(client.gather(ids(3_000)))
        for n in range(100):
            await asyncio.sleep(0.137)
            began = virtual_time.elapsed()
            await client.get(f"single_{n}")
            waits.append(virtual_time.elapsed() - began - LATENCY)
        await run

    use(server.connect(), use_it)
    assert sum(wait <= LATENCY for wait in waits) >= 95
    # At worst it is refused, and waits before its retry.
    assert max(waits) <= 4 * LATENCY


def test_a_pause_that_the_server_asks_for_holds_single_lookups_too() -> None:
    requested: list[str] = []

    def script(url: str) -> Step:
        requested.append(id_of(url))
        if len(requested) == 1:
            return After(0.01, refused(429, "rate_limit_exceeded", retry_after="5"))
        return After(0.01, number_of(id_of(url)))

    async def use_it(client: PhoneNumberClient) -> float:
        run = asyncio.create_task(client.gather(["bulk"]))
        await asyncio.sleep(1.0)
        await client.get("single")
        await run
        return virtual_time.elapsed()

    transport = StubTransport(script)
    assert use(transport, use_it) == pytest.approx(5.02, abs=0.2)
    assert transport.times[1] >= virtual_time.START + 5.01


def answers_first_with(step: Step) -> StubTransport:
    """Give the first request this answer, and all later ones a number."""
    steps = iter([After(0.01, step)])
    return StubTransport(lambda url: next(steps, After(0.01, number_of(id_of(url)))))


@pytest.mark.parametrize("retry_after", ["30", "3600"])
def test_a_single_lookup_fails_at_once_if_a_pause_outlasts_its_deadline(retry_after: str) -> None:
    transport = answers_first_with(refused(429, "rate_limit_exceeded", "Slow down", retry_after=retry_after))

    async def use_it(client: PhoneNumberClient) -> tuple[DeadlineExceededError, float]:
        run = asyncio.create_task(client.gather(["bulk"]))
        await asyncio.sleep(1.0)
        with pytest.raises(DeadlineExceededError, match="pause") as caught:
            await client.get("single", deadline=10.0)
        ended = virtual_time.elapsed()
        await run
        return caught.value, ended

    error, ended = use(transport, use_it)
    assert ended == 1.0
    assert isinstance(error.last_error, RateLimitError)
    assert error.last_error.message == "Slow down"


def test_a_single_lookup_in_the_queue_fails_at_once_if_a_pause_outlasts_its_deadline() -> None:
    transport = answers_first_with(refused(429, "rate_limit_exceeded", "Slow down", retry_after="30"))

    async def use_it(client: PhoneNumberClient) -> float:
        first = asyncio.create_task(client.get("first"))
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceededError):
            await client.get("second", deadline=10.0)
        ended = virtual_time.elapsed()
        await first
        return ended

    assert use(transport, use_it, concurrency=1) <= 10.1


def test_a_retry_of_a_single_lookup_does_not_exceed_its_deadline_in_the_queue() -> None:
    def script(url: str) -> Step:
        return refused(503) if id_of(url) == "single" else After(30.0, number_of("slow"))

    async def use_it(client: PhoneNumberClient) -> float:
        single = asyncio.create_task(client.get("single", deadline=3.0))
        await asyncio.sleep(0)
        slow = asyncio.create_task(client.get("slow"))
        with pytest.raises((DeadlineExceededError, ServerError)):
            await single
        ended = virtual_time.elapsed()
        await slow
        return ended

    assert use(StubTransport(script), use_it, concurrency=1, timeout=40.0) <= 3.0


def test_a_single_lookup_does_not_wait_for_an_outage_to_end() -> None:
    server = SimulatedServer(limit=10, outages=[Outage(5.0, 30.0)])

    async def use_it(client: PhoneNumberClient) -> float:
        run = asyncio.create_task(client.gather(ids(2_000)))
        await asyncio.sleep(10.0)
        with pytest.raises(ServerError):
            await client.get("single")
        ended = virtual_time.elapsed()
        await run
        return ended - 10.0

    assert use(server.connect(), use_it) <= 1.0
