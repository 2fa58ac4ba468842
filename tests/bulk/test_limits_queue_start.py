"""What is learned of the server's queue before many requests are in flight."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest
import virtual_time
from limits_driver import LATENCY, Driver, unavailable
from simulated_server import SimulatedServer

from elevenphone import PhoneNumberClient
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
