"""The client against servers whose limits it does not know: its speed, its refusals, and lost lookups.

`ideal` is the time that a client would take that knew all of the server's limits
and made no request in vain.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from statistics import median

import pytest
import virtual_time
from simulated_server import LATENCY, Outage, SimulatedServer, simulate

from elevenphone import PhoneNumberClient

IDS = 3_000


def even(_chance: random.Random) -> float:
    return LATENCY


def heavy_tailed(chance: random.Random) -> float:
    return chance.lognormvariate(math.log(LATENCY), 0.8)


def varied(chance: random.Random) -> float:
    return chance.uniform(0.05, 0.07)


# A concurrency limit


@pytest.mark.parametrize("retry_after", [None, 1.0])
@pytest.mark.parametrize("limit", [2, 5, 10, 30])
def test_a_concurrency_limit_is_found_and_used(limit: int, retry_after: float | None) -> None:
    simulation = simulate(SimulatedServer(limit=limit, retry_after=retry_after), IDS)
    assert not simulation.lost
    # A lookup that is refused near the end waits up to a second.
    assert simulation.lasted <= 1.15 * IDS * LATENCY / limit + (retry_after or 0.0) * (limit == 30)
    assert simulation.server.refused_share() <= 0.01
    assert simulation.server.peak_in_flight == limit


@pytest.mark.parametrize("retry_after", [None, 1.0])
@pytest.mark.parametrize("limit", [2, 10, 30])
def test_a_concurrency_limit_is_found_with_very_uneven_latencies(
    limit: int, retry_after: float | None
) -> None:
    server = SimulatedServer(limit=limit, latency=heavy_tailed, retry_after=retry_after)
    simulation = simulate(server, IDS)
    # Even a client that knows the limit waits for the slowest of the last answers.
    informed = simulate(
        SimulatedServer(limit=limit, latency=heavy_tailed),
        IDS,
        make=lambda transport: PhoneNumberClient(concurrency=limit, transport=transport),
    )
    assert not simulation.lost
    assert simulation.lasted <= 1.15 * informed.lasted
    assert simulation.server.refused_share() <= 0.01


def test_a_run_works_with_a_limit_of_one() -> None:
    simulation = simulate(SimulatedServer(limit=1), 500)
    assert not simulation.lost
    assert simulation.lasted <= 1.3 * 500 * LATENCY


def test_the_client_follows_a_limit_that_falls_and_rises() -> None:
    simulation = simulate(SimulatedServer(limit=lambda at: 4 if 4 <= at < 8 else 20), IDS)
    done_by_then = 4 * (20 + 4) / LATENCY
    assert not simulation.lost
    assert simulation.lasted <= 1.3 * (8 + (IDS - done_by_then) * LATENCY / 20)
    assert simulation.server.refused_share() <= 0.02


def test_without_a_limit_a_run_is_as_fast_as_with_a_fixed_concurrency_of_100() -> None:
    adaptive = simulate(SimulatedServer(), IDS)
    fixed = simulate(
        SimulatedServer(),
        IDS,
        make=lambda transport: PhoneNumberClient(concurrency=100, transport=transport),
    )
    assert adaptive.lasted <= 1.15 * fixed.lasted
    assert fixed.lasted == pytest.approx(IDS * LATENCY / 100)
    assert adaptive.stats[0].requests == IDS


# A rate limit


@pytest.mark.parametrize("latency", [even, heavy_tailed], ids=["even", "heavy-tailed"])
@pytest.mark.parametrize("rate", [50.0, 200.0])
def test_a_rate_limit_is_found_and_used(rate: float, latency: Callable[[random.Random], float]) -> None:
    simulation = simulate(SimulatedServer(rate=rate, latency=latency), IDS)
    assert not simulation.lost
    assert simulation.lasted <= 1.15 * IDS / rate
    assert simulation.server.refused_share() <= 0.02


@pytest.mark.parametrize("rate", [50.0, 200.0])
def test_a_rate_limit_with_retry_after_is_found_with_few_refusals(rate: float) -> None:
    simulation = simulate(SimulatedServer(rate=rate, retry_after=1.0), IDS)
    assert not simulation.lost
    assert simulation.lasted <= 1.2 * IDS / rate
    assert simulation.server.refused_share() <= 0.01


def test_a_concurrency_limit_and_a_rate_limit_are_found_together() -> None:
    simulation = simulate(SimulatedServer(limit=5, rate=50.0), IDS)
    assert not simulation.lost
    assert simulation.lasted <= 1.2 * IDS / 50
    assert simulation.server.refused_share() <= 0.02


def test_a_fixed_rate_is_kept() -> None:
    simulation = simulate(
        SimulatedServer(),
        500,
        make=lambda transport: PhoneNumberClient(rate=25.0, transport=transport),
    )
    assert simulation.lasted == pytest.approx(499 / 25 + LATENCY)
    for second in range(19):
        assert 24 <= simulation.server.count("answered", since=second, until=second + 1) <= 26


@pytest.mark.parametrize("retry_after", [None, 1.0])
@pytest.mark.parametrize("lasts", [2.0, 30.0])
def test_a_run_recovers_from_a_spell_of_rate_refusals(lasts: float, retry_after: float | None) -> None:
    server = SimulatedServer(limit=10, outages=[Outage(5.0, lasts, "429")], retry_after=retry_after)
    simulation = simulate(server, IDS)
    assert not simulation.lost
    assert simulation.lasted <= 1.5 * (IDS * LATENCY / 10 + lasts) + 5.0


# A server that fails


@pytest.mark.parametrize("shows", ["503", "refused connections"])
@pytest.mark.parametrize("lasts", [10.0, 60.0])
def test_an_outage_loses_no_lookup_and_costs_little_more_than_its_duration(lasts: float, shows: str) -> None:
    outage = Outage(5.0, lasts, "503" if shows == "503" else "refused connections")
    simulation = simulate(SimulatedServer(limit=10, outages=[outage]), IDS)
    assert not simulation.lost
    assert simulation.lasted <= IDS * LATENCY / 10 + 1.15 * lasts
    server = simulation.server
    for second in range(6, int(5 + lasts)):
        assert server.count("away", since=second, until=second + 1) <= 4
    # The requests in flight when it began, and then one probe a second.
    assert server.count("away") <= 20 + 1.2 * lasts


def test_a_run_waits_for_a_server_that_is_down_at_first() -> None:
    simulation = simulate(SimulatedServer(limit=10, outages=[Outage(0.0, 30.0, "refused connections")]), 500)
    assert not simulation.lost
    assert simulation.lasted <= 30 + 1.0 + 1.3 * 500 * LATENCY / 10


def test_random_failures_delay_no_other_lookup() -> None:
    simulation = simulate(SimulatedServer(limit=10, failing=0.2), IDS)
    assert not simulation.lost
    assert simulation.lasted <= 1.6 * IDS / 0.8 * LATENCY / 10


@pytest.mark.parametrize("seed", range(3))
def test_no_lookup_is_lost_if_half_of_the_requests_fail(seed: int) -> None:
    simulation = simulate(SimulatedServer(limit=10, failing=0.5, seed=seed), IDS, seed=seed)
    assert not simulation.lost
    assert simulation.lasted <= 2 * IDS / 0.5 * LATENCY / 10


# Several clients of one account


@pytest.mark.parametrize("latency", [even, heavy_tailed], ids=["even", "heavy-tailed"])
def test_four_clients_share_one_limit(latency: Callable[[random.Random], float]) -> None:
    ratios: list[float] = []
    for seed in range(5):
        simulation = simulate(
            SimulatedServer(limit=20, latency=latency, seed=seed), IDS, clients=4, seed=seed
        )
        assert not simulation.lost
        assert simulation.server.refused_share() <= 0.03
        assert max(simulation.ended) <= 2 * min(simulation.ended)
        ratios.append(simulation.lasted / (simulation.server.worked / 20))
    assert median(ratios) <= 1.25


class Share:
    """The lookups that each of several clients, which come and go, completes in each five seconds."""

    PERIOD = 5

    def __init__(self, stays: Sequence[tuple[float, float]], *, limit: int = 20, seed: int = 0) -> None:
        self.server = SimulatedServer(limit=limit, latency=varied, seed=seed)
        self._limit = limit
        self._stays = stays
        self._done: list[Counter[int]] = [Counter() for _ in stays]
        random.seed(seed)
        virtual_time.run(self._main())

    async def _main(self) -> None:
        await asyncio.gather(*(self._use(number, *stay) for number, stay in enumerate(self._stays)))

    async def _use(self, number: int, comes: float, goes: float) -> None:
        await asyncio.sleep(comes)
        async with (
            PhoneNumberClient(transport=self.server.connect()) as client,
            client.stream(f"phnum_{number}_{n}" for n in count()) as lookups,
        ):
            async for _ in lookups:
                now = virtual_time.elapsed()
                self._done[number][int(now / self.PERIOD)] += 1
                if now >= goes:
                    break

    def done(self, since: float, until: float) -> list[int]:
        """Count the lookups that each client completed."""
        periods = range(int(since / self.PERIOD), int(until / self.PERIOD))
        return [sum(done[period] for period in periods) for done in self._done]

    def used(self, since: float, until: float) -> float:
        """Return the used share of the server's capacity."""
        return sum(self.done(since, until)) / ((until - since) * self._limit / LATENCY)


def test_clients_that_start_later_get_their_share() -> None:
    ratios: list[float] = []
    for seed in range(3):
        share = Share([(0.0, 50.0), (5.0, 50.0), (10.0, 50.0), (15.0, 50.0)], seed=seed)
        done = share.done(30.0, 50.0)
        ratios.append(max(done) / min(done))
        assert min(done) >= 0.9 * 20.0 / LATENCY  # what one place in flight does
        assert share.used(20.0, 50.0) >= 0.8
        assert share.server.refused_share(since=20.0) <= 0.03
    assert median(ratios) <= 2


def test_clients_that_stay_use_the_share_of_clients_that_leave() -> None:
    share = Share([(0.0, 40.0), (0.0, 40.0), (0.0, 10.0), (0.0, 15.0)])
    done = share.done(25.0, 40.0)
    assert done[2] == done[3] == 0
    assert max(done[:2]) <= 2.5 * min(done[:2])
    assert share.used(25.0, 40.0) >= 0.8
    assert share.server.refused_share(since=25.0) <= 0.03


def test_the_last_client_uses_the_whole_limit() -> None:
    share = Share([(0.0, 40.0), (0.0, 10.0), (0.0, 10.0)])
    assert share.used(25.0, 40.0) >= 0.8
    assert share.server.refused_share(since=25.0) <= 0.02
