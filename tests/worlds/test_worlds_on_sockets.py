"""Small worlds over real sockets, on asyncio's event loop and on uvloop's: what a virtual clock cannot show.

Each is drawn from a seed, as the large ones are, and lasts some tenths of a second. The kernel and
two event loops share its time, so nothing here is claimed of how long anything takes, and no world
plays the same way twice; what a caller gets must be right however it goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple, cast

import pytest

from elevenphone import (
    ConfigurationError,
    ElevenPhoneError,
    Failed,
    Found,
    Lookup,
    NotFoundError,
    PhoneNumberClient,
    RetryPolicy,
)
from elevenphone.emulator import Emulator, Latency

SEEDS = range(1, 17)
_NUMBERS = 200
# So many, and so short waits, that no id is lost to faults of a fifth of all requests.
_RETRY = RetryPolicy(attempts=10, wait_initial=0.005, wait_max=0.03)
_ENDS_WITHIN = 30.0


class SmallWorld(NamedTuple):
    """What is drawn.

    Attributes:
        faults: Settings of the emulator.
        runs: How many ids each bulk run asks for, and how.
        gets: How many single lookups there are, two milliseconds apart.
        cancels: Whether one of the runs is cancelled.
        closes: Whether the client is closed in the middle.
    """

    faults: dict[str, Any]
    runs: tuple[tuple[int, str], ...]
    gets: int
    cancels: bool
    closes: bool


def draw(seed: int) -> SmallWorld:
    chance = random.Random(seed)
    faults: dict[str, Any] = {"latency": Latency.uniform(0.0, chance.choice((0.002, 0.01)))}
    if chance.random() < 0.7:
        faults["concurrency_limit"] = chance.randint(2, 12)
    for name in chance.sample(("server_errors", "drops", "resets", "truncated"), 2):
        faults[name] = chance.choice((0.0, 0.02, 0.1))
    if chance.random() < 0.3:
        faults["requests_per_connection"] = chance.randint(1, 20)
    if chance.random() < 0.25:
        faults["outages"] = [(chance.uniform(0.0, 0.1), chance.uniform(0.05, 0.3))]
        faults["outage_kind"] = chance.choice(("unavailable", "refused"))
    kinds = ("gather", "stream", "ordered stream", "left stream", "waiting gather")
    runs = tuple((chance.randint(0, _NUMBERS), chance.choice(kinds)) for _ in range(chance.randint(1, 3)))
    return SmallWorld(faults, runs, chance.choice((0, 10)), chance.random() < 0.2, chance.random() < 0.2)


@pytest.fixture(params=["asyncio", "uvloop"])
def new_loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    """Make an event loop of one kind, and of the other."""
    if request.param == "asyncio":
        return asyncio.new_event_loop
    return cast("Callable[[], asyncio.AbstractEventLoop]", pytest.importorskip("uvloop").new_event_loop)


@pytest.mark.parametrize("seed", SEEDS)
def test_callers_get_what_is_right_over_sockets(
    seed: int, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(play(draw(seed)))


async def play(world: SmallWorld) -> None:
    async with Emulator(numbers=_NUMBERS, **world.faults) as emulator:
        client = PhoneNumberClient(emulator.api_key, base_url=emulator.base_url, timeout=5.0, retry=_RETRY)
        async with asyncio.timeout(_ENDS_WITHIN):
            async with client, asyncio.TaskGroup() as group:
                runs = [group.create_task(_run(client, emulator, *run, world)) for run in world.runs]
                for n in range(world.gets):
                    group.create_task(_get(client, emulator.ids[n]))
                if world.cancels:
                    await asyncio.sleep(0.02)
                    runs[0].cancel()
                if world.closes:
                    await asyncio.sleep(0.02)
                    await client.aclose()
        for run in runs:
            if not run.cancelled():
                _check(*run.result(), world)
        assert client.stats.in_flight == 0
        assert client.stats.requests >= emulator.stats.requests
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def _run(
    client: PhoneNumberClient, emulator: Emulator, size: int, kind: str, world: SmallWorld
) -> tuple[list[str], list[Lookup], bool]:
    """Do a bulk run; return the ids, the lookups, and whether these should be all of them."""
    ids = [*emulator.ids[:size], *emulator.unknown_ids, *emulator.ids[: size // 10]]
    if kind == "gather":
        return ids, await client.gather(ids), True
    lookups: list[Lookup] = []
    if kind == "waiting gather":
        try:
            return ids, await client.gather(_slowly(ids)), True
        except ConfigurationError:  # it was closed while the source waited
            return ids, [], not world.closes
    async with client.stream(ids, ordered=kind == "ordered stream") as stream:
        async for lookup in stream:
            lookups.append(lookup)
            if kind == "left stream" and len(lookups) > size // 2:
                break
    return ids, lookups, kind != "left stream"


async def _slowly(ids: list[str]) -> AsyncIterator[str]:
    async with asyncio.timeout(_ENDS_WITHIN):
        for n, phone_number_id in enumerate(ids):
            if n % 20 == 0:
                await asyncio.sleep(0.001)
            yield phone_number_id


async def _get(client: PhoneNumberClient, phone_number_id: str) -> None:
    # A single lookup has its attempts and its share of the client's retries, and no more.
    with contextlib.suppress(ElevenPhoneError):
        number = await client.get(phone_number_id)
        assert number.phone_number_id == phone_number_id


def _check(ids: list[str], lookups: list[Lookup], whole: bool, world: SmallWorld) -> None:
    indexes = [lookup.index for lookup in lookups]
    assert len(set(indexes)) == len(indexes)
    assert not whole or sorted(indexes) == list(range(len(ids)))
    for lookup in lookups:
        assert lookup.phone_number_id == ids[lookup.index]
        match lookup:
            case Found():
                assert lookup.number.phone_number_id == lookup.phone_number_id
            case Failed(error=NotFoundError()):
                assert lookup.attempts >= 1
            case Failed(error=ConfigurationError()):
                assert world.closes
            case Failed():
                # In so short an outage all attempts of an id may be made.
                assert "outages" in world.faults, lookup
