"""Requests over the concurrency limit wait in the queue, until a test raises the limit."""

from __future__ import annotations

import asyncio
import logging
import math
from functools import partial

import aiohttp
import pytest
from emulator_helpers import Reply, ask, until_in_flight, until_waiting

from elevenphone.emulator import Emulator


async def wait_in_line(emulator: Emulator, count: int) -> list[asyncio.Task[Reply]]:
    """Start requests one after another, so that they arrive in the order of the ids."""
    tasks: list[asyncio.Task[Reply]] = []
    waiting = emulator.stats.waiting
    for number in range(count):
        tasks.append(asyncio.create_task(ask(emulator, emulator.ids[number])))
        await until_waiting(emulator, waiting + number + 1)
    return tasks


async def test_requests_over_the_limit_wait_and_only_a_full_queue_refuses() -> None:
    async with Emulator(20, latency=0.01, concurrency_limit=2, queue=3) as emulator:
        emulator.concurrency_limit = 0
        waiting = await wait_in_line(emulator, 3)
        refused = await ask(emulator, emulator.ids[5])
        assert (refused.status, refused.code) == (429, "too_many_concurrent_requests")
        assert not any(task.done() for task in waiting)
        emulator.concurrency_limit = 2
        assert [(await task).status for task in waiting] == [200] * 3
        stats = emulator.stats
        assert (stats.answered, stats.throttled, stats.waiting, stats.peak_waiting) == (3, 1, 0, 3)
        assert (stats.in_flight, stats.peak_in_flight) == (0, 2)
        assert stats.seconds_waited > 0


async def test_requests_are_served_in_order_of_arrival() -> None:
    async with Emulator(20, concurrency_limit=0, queue=20) as emulator:
        waiting = await wait_in_line(emulator, 10)
        answered: list[int] = []

        def note(number: int, _: object) -> None:
            answered.append(number)

        for number, task in enumerate(waiting):
            task.add_done_callback(partial(note, number))
        emulator.concurrency_limit = 1
        await asyncio.gather(*waiting)
        await asyncio.sleep(0)
        assert answered == list(range(10))


async def test_a_higher_limit_serves_the_requests_that_wait() -> None:
    async with Emulator(20, concurrency_limit=1, latency=3_600.0, queue=5) as emulator:
        first = asyncio.create_task(ask(emulator, emulator.ids[0]))
        await until_in_flight(emulator, 1)
        await wait_in_line(emulator, 3)
        assert (emulator.stats.in_flight, emulator.stats.waiting) == (1, 3)
        emulator.concurrency_limit = 2
        assert (emulator.stats.in_flight, emulator.stats.waiting) == (2, 2)
        first.cancel()


async def test_a_queue_can_be_unbounded() -> None:
    async with Emulator(100, concurrency_limit=0, queue=math.inf) as emulator:
        asked = [asyncio.create_task(ask(emulator, phone_number_id)) for phone_number_id in emulator.ids]
        await until_waiting(emulator, 100)
        emulator.concurrency_limit = 3
        assert {reply.status for reply in await asyncio.gather(*asked)} == {200}
        assert emulator.stats.peak_in_flight == 3


async def test_the_limit_can_be_taken_away() -> None:
    async with Emulator(5, concurrency_limit=0, queue=5) as emulator:
        asked = await wait_in_line(emulator, 5)
        emulator.concurrency_limit = None
        assert [(await task).status for task in asked] == [200] * 5
        assert emulator.stats.waiting == 0


async def test_a_place_can_be_opened_from_another_thread(elevenphone_emulator: Emulator) -> None:
    emulator = elevenphone_emulator
    emulator.queue = 2
    emulator.concurrency_limit = 0
    asked = await wait_in_line(emulator, 2)
    emulator.concurrency_limit = 1
    assert [(await task).status for task in asked] == [200, 200]


async def test_no_queue_is_the_default() -> None:
    async with Emulator(5, concurrency_limit=0) as emulator:
        assert (await ask(emulator, emulator.ids[0])).status == 429
        emulator.queue = 1
        (waiting,) = await wait_in_line(emulator, 1)
        emulator.queue = 0
        assert (await ask(emulator, emulator.ids[0])).status == 429
        emulator.concurrency_limit = 1
        assert (await waiting).status == 200


async def test_a_client_that_leaves_gives_up_its_place_in_the_queue(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with Emulator(5, concurrency_limit=0, queue=3, record=True) as emulator:
        first, second, third = await wait_in_line(emulator, 3)
        second.cancel()
        await until_waiting(emulator, 2)
        fourth = asyncio.create_task(ask(emulator, emulator.ids[3]))
        await until_waiting(emulator, 3)
        emulator.concurrency_limit = 1
        assert [(await task).status for task in (first, third, fourth)] == [200] * 3
        assert [request.status for request in emulator.requests] == [200, None, 200, 200]
        assert (emulator.stats.requests, emulator.stats.answered, emulator.stats.in_flight) == (4, 3, 0)
    assert caplog.records == []


async def test_an_outage_that_refuses_empties_the_queue() -> None:
    async with Emulator(5, concurrency_limit=0, queue=3, outage_kind="refused") as emulator:
        asked = await wait_in_line(emulator, 3)
        emulator.outage = True
        await until_waiting(emulator, 0)
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(outcome, aiohttp.ClientConnectionError) for outcome in outcomes)
        emulator.outage = False
        emulator.concurrency_limit = 1
        assert (await ask(emulator, emulator.ids[0])).status == 200


async def test_it_stops_with_requests_in_the_queue(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with Emulator(5, concurrency_limit=1, latency=3_600.0, queue=3) as emulator:
        served = asyncio.create_task(ask(emulator, emulator.ids[0]))
        await until_in_flight(emulator, 1)
        waiting = await wait_in_line(emulator, 3)
        await emulator.aclose()
        outcomes = await asyncio.gather(served, *waiting, return_exceptions=True)
        assert all(isinstance(outcome, aiohttp.ClientConnectionError) for outcome in outcomes)
        assert (emulator.stats.in_flight, emulator.stats.waiting) == (0, 0)
        emulator.latency = 0.0
        await emulator.start()
        assert (await ask(emulator, emulator.ids[0])).status == 200
    assert caplog.records == []


async def test_faults_are_drawn_in_order_of_arrival() -> None:
    async def statuses(queue: int, limit: int | None) -> list[int]:
        async with Emulator(20, seed=3, server_errors=0.5, queue=queue, concurrency_limit=limit) as emulator:
            if limit is None:
                return [(await ask(emulator, phone_number_id)).status for phone_number_id in emulator.ids]
            waiting = await wait_in_line(emulator, 20)
            emulator.concurrency_limit = 5
            return [(await task).status for task in waiting]

    assert await statuses(20, 0) == await statuses(0, None)


@pytest.mark.parametrize("queue", [-1, 0.5, math.nan, -math.inf, None, "3"])
def test_a_queue_out_of_range(queue: object) -> None:
    emulator = Emulator(1)
    with pytest.raises(ValueError, match=r"queue must be a whole number that is not negative, or math\.inf"):
        setattr(emulator, "queue", queue)  # noqa: B010
