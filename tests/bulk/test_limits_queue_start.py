"""What is learned of the server's queue before many requests are in flight."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest
import virtual_time
from limits_driver import LATENCY, Driver, unavailable
from simulated_server import SimulatedServer

from elevenphone import PhoneNumberClient
from elevenphone._limits.concurrency import ConcurrencyLimit
from elevenphone._limits.permit import Permit


def test_single_lookups_before_a_run_show_what_an_answer_takes_without_a_queue() -> None:
    """If they did not, the first answers of the run would show it, which have waited for each other."""
    server = SimulatedServer(limit=4, queue=None, latency=lambda _: LATENCY)
    in_flight: list[int] = []

    async def watch() -> None:
        while True:
            await asyncio.sleep(0.1)
            in_flight.append(server.in_flight)

    async def main() -> None:
        async with PhoneNumberClient(transport=server.connect()) as client:
            for number in range(5):
                await client.get(f"phnum_single_{number}")
            watching = asyncio.create_task(watch())
            await client.gather(f"phnum_{number}" for number in range(1_000))
            watching.cancel()
            await asyncio.wait([watching])

    virtual_time.run(main())
    late = in_flight[len(in_flight) // 2 :]
    assert sum(late) / len(late) <= 8


def test_two_slow_answers_of_a_sample_are_no_queue() -> None:
    """The others of the sample do not count, because the limit was not reached until they were answered."""
    limit = ConcurrencyLimit(None, lambda: 0.5)
    started: list[Permit] = []

    def start(now: float, in_flight: int) -> Permit:
        started.append(Permit(now, in_flight, len(started) + 1))
        limit.started(started[-1])
        return started[-1]

    for now in (0.0, 1.0, 2.0):
        limit.answered(start(now, 1), now + LATENCY)  # shows the time without a queue
    slow = [start(10.0, 1), start(10.0, 2)]
    for permit in [start(10.0, 3) for _ in range(6)]:
        limit.answered(permit, 10.0 + LATENCY)
    in_flight = [start(10.2, in_flight) for in_flight in range(3, 9)]
    for permit in slow:
        limit.answered(permit, 10.0 + 6 * LATENCY)
    now = 10.4
    while len(started) < 2_000:
        for permit in in_flight:
            limit.answered(permit, now)
        in_flight = [start(now, number + 1) for number in range(int(limit.value))]
        now += LATENCY
        assert limit.value >= 8
    assert not limit.held_by_queue


def test_a_sample_of_which_every_request_was_cancelled_is_taken_again() -> None:
    limit = ConcurrencyLimit(None, lambda: 0.5)
    number = 0

    def start(now: float) -> Permit:
        nonlocal number
        number += 1
        permit = Permit(now, int(limit.value), number)  # the limit is reached
        limit.started(permit)
        return permit

    for _ in range(40):
        limit.taught_nothing(start(0.0))
        limit.answered(start(1.0), 1.0 + LATENCY)
    for _ in range(40):
        limit.taught_nothing(start(2.0))
    limit.answered(start(3.0), 3.0 + LATENCY)
    assert not limit.held_by_queue


@pytest.mark.parametrize("ending", ["cancelled", "failed"])
def test_a_queue_is_noticed_although_some_requests_get_no_answer(ending: str) -> None:
    """A sample of the times of answers does not wait for requests that were cancelled or failed."""
    driver = Driver()
    in_flight: deque[Permit] = deque()
    for _ in range(300):
        in_flight.extend(driver.fill())
        count = len(in_flight)
        permit = in_flight.popleft()
        driver.now = max(driver.now, permit.started + LATENCY * max(1.0, count / 10))
        if permit.number % 5:
            driver.end(permit)
        elif ending == "cancelled":
            driver.withdraw(permit)
        else:
            driver.end(permit, unavailable())
    assert driver.limits.concurrency.held_by_queue
