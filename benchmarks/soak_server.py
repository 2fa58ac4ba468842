"""The server of `soak.py`: the emulator, and a relay before it, in a process of their own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import NamedTuple

from soak_relay import Relay

from elevenphone.emulator import Emulator, EmulatorStats, Latency

NUMBERS = 20_000
# Ids in a row that always fail, and how often there are so many.
BLOCK, BLOCKS = 20, 40
# Ids that cannot be, which are refused before anything is sent.
IMPOSSIBLE = ("..", "phnum_\n", "", "x" * 300)


class Address(NamedTuple):
    """Where the server is, straight and through the relay, and what is asked of it.

    Attributes:
        base_urls: Straight, and through the relay.
        api_key: The key.
        ids: All of them.
        absent: Those that are unknown, or cannot be.
        poisoned: Those that always fail at the relay.
    """

    base_urls: tuple[str, str]
    api_key: str
    ids: tuple[str, ...]
    absent: frozenset[str]
    poisoned: frozenset[str]


class Seen(NamedTuple):
    """What the server has seen, and what the relay has done."""

    stats: EmulatorStats
    spoilt: dict[str, int]


def change_weather(emulator: Emulator, relay: Relay, dice: random.Random) -> None:
    """Set what goes wrong from now on: nothing, or some of all that can."""
    emulator.outage = False
    for name in _FAULTS:
        setattr(emulator, name, 0.0)
    if dice.random() < 0.8:
        for name, most in _FAULTS.items():
            setattr(emulator, name, dice.random() * most * (dice.random() < 0.5))
    emulator.latency = Latency.lognormal(dice.choice([0.002, 0.02, 0.06]), 0.5)
    emulator.slow_body_seconds = dice.choice([0.05, 0.5])
    emulator.server_error_status = dice.choice([500, 502, 503, 529])
    emulator.concurrency_limit = dice.choice([None, None, 2, 5, 20])
    emulator.concurrency_hint = dice.random() < 0.3
    emulator.rate_limit = dice.choice([None, None, None, 100.0, 400.0])
    emulator.retry_after = dice.choice([None, None, 0.2, "soon", "-1"])
    emulator.requests_per_connection = dice.choice([None, 1, 3, 10])
    emulator.outage_kind = dice.choice(["unavailable", "refused"])
    emulator.outage = dice.random() < 0.15
    relay.spite = dice.choice([0.0, 0.02, 0.1])


# What goes wrong, and with which probability at most; they add up to less than one.
_FAULTS = {
    "busy": 0.02,
    "server_errors": 0.3,
    "drops": 0.1,
    "resets": 0.1,
    "truncated": 0.1,
    "slow_bodies": 0.05,
    "malformed": 0.03,
    "html_errors": 0.1,
    "redirects": 0.03,
}


def poison(ids: list[str], dice: random.Random) -> Iterator[str]:
    """Choose ids that always fail: one in a hundred, and some blocks of twenty."""
    yield from dice.sample(ids, len(ids) // 100)
    for _ in range(BLOCKS):
        begins = dice.randrange(len(ids))
        yield from ids[begins : begins + BLOCK]


def serve(pipe: Connection, seed: int) -> None:
    """Be the server until a message comes through the pipe, then report what it has seen."""

    async def main() -> None:
        dice = random.Random(seed)
        async with Emulator(numbers=NUMBERS, seed=seed) as emulator:
            absent = (*emulator.unknown_ids, *IMPOSSIBLE)
            ids = [*emulator.ids, *absent]
            dice.shuffle(ids)
            poisoned = frozenset(poison(ids, dice)) - set(absent)
            relay = Relay(int(emulator.base_url.rpartition(":")[2]), dice, poisoned)
            urls = (emulator.base_url, await relay.start())
            pipe.send(Address(urls, emulator.api_key, tuple(ids), frozenset(absent), poisoned))
            message = asyncio.create_task(asyncio.to_thread(pipe.poll, None))
            while not message.done():
                change_weather(emulator, relay, dice)
                await asyncio.wait([message], timeout=dice.uniform(1.0, 4.0))
            relay.stop()
            pipe.send(Seen(emulator.stats, dict(relay.spoilt)))

    asyncio.run(main())
