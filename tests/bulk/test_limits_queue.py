"""The queue at the server is kept short, and nothing else is mistaken for it."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable
from itertools import count, pairwise
from statistics import median
from typing import NamedTuple

import pytest
import virtual_time
from hypothesis import given, settings
from hypothesis import strategies as st
from limits_driver import LATENCY, Driver, throttled, unavailable
from simulated_server import SimulatedServer, simulate

from elevenphone import ElevenPhoneError, PhoneNumberClient
from elevenphone._limits.concurrency import ConcurrencyLimit
from elevenphone._limits.permit import Permit


def jittered(chance: random.Random) -> float:
    return LATENCY * chance.lognormvariate(0.0, 0.1)


def heavy_tailed(chance: random.Random) -> float:
    return chance.lognormvariate(math.log(LATENCY), 0.8)


class Beside(NamedTuple):
    """A bulk run with a single lookup every quarter of a second beside it.

    Attributes:
        ratio: Duration of the run, divided by the ideal.
        gets: Seconds that each single lookup took, sorted.
        most_later: Most requests in flight at the server after the first six seconds.
    """

    ratio: float
    gets: list[float]
    most_later: int


def beside(server: SimulatedServer, limit: int, ids: int, *, concurrency: int | None = None) -> Beside:
    gets: list[float] = []
    in_flight: list[int] = []

    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with PhoneNumberClient(transport=server.connect(), concurrency=concurrency) as client:

            async def get(number: int) -> None:
                began = loop.time()
                await client.get(f"phnum_single_{number}")
                gets.append(loop.time() - began)

            async def get_all() -> None:
                async with asyncio.TaskGroup() as single:
                    for number in count():
                        await asyncio.sleep(0.25)
                        single.create_task(get(number))
                        if virtual_time.elapsed() > 6:
                            in_flight.append(server.in_flight)

            singles = asyncio.create_task(get_all())
            lookups = await client.gather(f"phnum_{number}" for number in range(ids))
            ended = virtual_time.elapsed()
            singles.cancel()
            await asyncio.wait([singles])
            assert len([lookup.result() for lookup in lookups]) == ids
            return ended

    random.seed(1)
    ended = virtual_time.run(main())
    return Beside(ended * limit / server.worked, sorted(gets), max(in_flight, default=0))


@pytest.mark.parametrize("queue", [10, None])
@pytest.mark.parametrize(("limit", "ids"), [(3, 1_500), (10, 3_000), (30, 6_000)])
def test_a_run_keeps_the_queue_short_and_the_server_busy(limit: int, ids: int, queue: int | None) -> None:
    run = beside(SimulatedServer(limit=limit, queue=queue, latency=jittered), limit, ids)
    assert run.ratio <= 1.1
    assert median(run.gets) <= 1.5 * LATENCY
    assert run.most_later <= 1.5 * limit + 3


def test_a_fixed_concurrency_ignores_the_queue() -> None:
    server = SimulatedServer(limit=10, queue=None, latency=jittered)
    run = beside(server, 10, 3_000, concurrency=50)
    assert median(run.gets) >= 4 * LATENCY
    assert server.peak_in_flight == 50


def test_a_server_that_answers_one_request_at_a_time_gets_one_at_a_time() -> None:
    run = beside(SimulatedServer(limit=1, queue=None, latency=jittered), 1, 600)
    assert run.ratio <= 1.1
    assert median(run.gets) <= 2.5 * LATENCY
    assert run.most_later <= 4


def test_a_higher_limit_is_found_despite_the_queue() -> None:
    server = SimulatedServer(limit=lambda at: 4 if at < 5 else 20, queue=None, latency=jittered)
    simulation = simulate(server, 3_000)
    done_by_then = 4 * 5 / LATENCY
    assert simulation.lasted <= 1.25 * (5 + (3_000 - done_by_then) * LATENCY / 20)


def test_clients_that_share_a_queue_get_similar_shares() -> None:
    ratios: list[float] = []
    uneven: list[float] = []
    for seed in range(5):
        server = SimulatedServer(limit=20, queue=None, latency=jittered, seed=seed)
        simulation = simulate(server, 3_000, clients=4, seed=seed)
        assert not simulation.lost
        ratios.append(simulation.lasted * 20 / server.worked)
        uneven.append(max(simulation.ended) / min(simulation.ended))
    assert median(ratios) <= 1.25
    assert median(uneven) <= 1.5


def test_the_limit_drops_now_and_then_to_measure_the_latency_without_a_queue() -> None:
    server = SimulatedServer(limit=10, queue=None, latency=jittered)
    looks: list[float] = []

    async def main() -> None:
        ids = (f"phnum_{number}" for number in range(4_000))
        async with PhoneNumberClient(transport=server.connect()) as client, client.stream(ids) as run:
            async for _ in run:
                now = virtual_time.elapsed()
                if server.in_flight <= 6 and (not looks or now > looks[-1] + 1):
                    looks.append(now)

    virtual_time.run(main())
    apart = [later - earlier for earlier, later in pairwise(looks)]
    assert len(apart) >= 5
    assert max(apart) <= 4.0


# Slower answers that are not a queue


def slower_later(chance: random.Random) -> float:
    return jittered(chance) * (3 if virtual_time.elapsed() > 5 else 1)


def faster_later(chance: random.Random) -> float:
    return jittered(chance) / (3 if virtual_time.elapsed() > 5 else 1)


def of_two_kinds(chance: random.Random) -> float:
    return 0.01 if chance.random() < 0.5 else 5.0


def rarely_slow(chance: random.Random) -> float:
    return 0.01 if chance.random() < 0.95 else 5.0


@pytest.mark.parametrize(
    ("latency", "ids"),
    [
        (heavy_tailed, 4_000),
        (of_two_kinds, 1_000),
        (rarely_slow, 2_000),
        (slower_later, 2_000),
        (faster_later, 4_000),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_uneven_latencies_are_not_mistaken_for_a_queue(
    latency: Callable[[random.Random], float], ids: int, seed: int
) -> None:
    def lasted(concurrency: int | None) -> float:
        simulation = simulate(
            SimulatedServer(limit=10, latency=latency, seed=seed),
            ids,
            make=lambda transport: PhoneNumberClient(transport=transport, concurrency=concurrency),
            seed=seed,
        )
        assert not simulation.lost
        return simulation.lasted

    assert lasted(None) <= 1.2 * lasted(10)


def test_random_failures_are_not_mistaken_for_a_queue() -> None:
    server = SimulatedServer(limit=10, latency=jittered, failing=0.2)
    simulation = simulate(server, 3_000)
    assert not simulation.lost
    assert simulation.lasted <= 1.2 * server.worked / 10


Takes = Callable[[int], float]


def queued(in_flight: int) -> float:
    """Return the latency of a server that works on ten requests at once and queues the others."""
    return LATENCY * max(1.0, in_flight / 10)


def alike(_in_flight: int) -> float:
    return LATENCY


class Loaded:
    """Drives a limit by hand: keeps it full of requests whose latencies are given.

    Attributes:
        limit: The limit.
        now: The time, in seconds.
    """

    def __init__(self, *, random: float = 0.5, resolution: float = 0.0) -> None:
        self.limit = ConcurrencyLimit(None, lambda: random)
        self.now = 1_000.0
        self._resolution = resolution
        self._number = 0
        self._in_flight: deque[tuple[Permit, float]] = deque()

    def clock(self) -> float:
        """Return the time, as precise as the loop's clock."""
        return self.now // self._resolution * self._resolution if self._resolution else self.now

    def answer(self, takes: Takes, *, most: int = 100) -> int:
        """Start all requests that may start, answer the oldest, and return how many were in flight."""
        while len(self._in_flight) + 1 <= min(self.limit.value, most):
            self._number += 1
            permit = Permit(self.clock(), len(self._in_flight) + 1, self._number)
            self._in_flight.append((permit, self.now))
            self.limit.started(permit)
        in_flight = len(self._in_flight)
        permit, started = self._in_flight.popleft()
        self.now = max(self.now, started + takes(in_flight))
        self.limit.answered(permit, self.clock())
        return in_flight

    def answers(self, takes: Takes, count: int, *, most: int = 100) -> list[int]:
        return [self.answer(takes, most=most) for _ in range(count)]


def test_a_queue_bounds_the_limit_and_stats_report_it() -> None:
    loaded = Loaded()
    loaded.answers(queued, 1_000)
    in_flight = loaded.answers(queued, 3_000)
    assert 9 <= sum(in_flight) / len(in_flight) <= 13
    assert loaded.limit.held_by_queue


def test_the_estimate_is_the_number_of_queued_requests() -> None:
    loaded = Loaded()
    in_flight = 0
    while not loaded.limit.waiting_estimate:
        in_flight = loaded.answer(queued)
    assert loaded.limit.waiting_estimate == pytest.approx(in_flight - 10, rel=0.3)


def test_without_a_queue_the_estimate_is_zero() -> None:
    loaded = Loaded()
    loaded.answers(alike, 5_000)
    assert loaded.limit.waiting_estimate == 0.0
    assert not loaded.limit.held_by_queue
    assert loaded.limit.value == 100


def test_time_spent_in_this_process_is_not_mistaken_for_a_queue() -> None:
    """The event loop is the bottleneck: answers wait for it longer, the more requests are in flight."""
    loaded = Loaded()
    loaded.answers(alike, 200)
    for _ in range(100):
        loaded.answers(queued, 20)
        loaded.limit.loop_late(0.02, loaded.clock())
    assert not loaded.limit.held_by_queue


def test_the_bound_is_lifted_if_this_process_is_the_bottleneck_for_seconds() -> None:
    loaded = Loaded()
    while not loaded.limit.held_by_queue:
        loaded.answer(queued)
    for _ in range(300):
        loaded.answers(alike, 5)
        loaded.limit.loop_late(0.05, loaded.clock())
    assert not loaded.limit.held_by_queue


def test_a_slightly_late_event_loop_hides_no_queue() -> None:
    loaded = Loaded()
    for _ in range(100):
        loaded.answers(queued, 10)
        loaded.limit.loop_late(0.001, loaded.clock())
    assert loaded.limit.held_by_queue


def test_a_clock_of_milliseconds_is_not_mistaken_for_a_queue() -> None:
    chance = random.Random(1)
    loaded = Loaded(resolution=0.001)
    loaded.answers(lambda _in_flight: chance.uniform(0.0005, 0.0025), 20_000)
    assert loaded.limit.value == 100


def test_slow_answers_to_few_requests_do_not_lower_the_limit() -> None:
    """A service makes single lookups now and then, and never reaches the limit."""
    loaded = Loaded()
    loaded.answers(alike, 500, most=5)
    loaded.answers(lambda _in_flight: 10 * LATENCY, 500, most=5)
    assert loaded.limit.value >= 8


@given(
    spells=st.lists(
        st.tuples(st.sampled_from([0.0, 0.001, 0.06, 0.5, 5.0]), st.floats(0.0, 5.0), st.booleans()),
        max_size=30,
    ),
    random=st.floats(0, 0.999),
)
@settings(max_examples=50, deadline=None)
def test_the_limit_is_never_below_one_whatever_the_latencies(
    spells: list[tuple[float, float, bool]], random: float
) -> None:
    loaded = Loaded(random=random)
    for takes, for_each, late in spells:

        def spell(in_flight: int, takes: float = takes, for_each: float = for_each) -> float:
            return takes + for_each * in_flight / 10

        for _ in range(40):
            assert loaded.answer(spell) >= 1
            assert 1.0 <= loaded.limit.value <= 100.0
            assert loaded.limit.waiting_estimate >= 0.0
        if late:
            loaded.limit.loop_late(0.1, loaded.clock())


@pytest.mark.parametrize("error", [throttled("concurrency"), unavailable()], ids=["429", "503"])
def test_refusals_and_failures_are_not_used_as_latencies(error: ElevenPhoneError) -> None:
    driver = Driver()
    for _ in range(20):
        for permit in driver.fill():
            driver.now += 0.5
            driver.end(permit, error)
        driver.now += driver.wait()
    assert not driver.limits.concurrency.held_by_queue
