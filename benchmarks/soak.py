"""Soak the client: two bulk runs and single lookups at once, for minutes, while everything goes wrong.

    python benchmarks/soak.py             # ten minutes
    python benchmarks/soak.py --quick     # fifteen seconds

The emulator runs in a process of its own and changes its weather every few
seconds: faults of every kind, limits, outages. Half of the clients reach it
through a relay that spoils answers at the level of bytes, and at which some ids
always fail. The event loop is asyncio's and uvloop's in turn, and each client sends
with httptools or with aiohttp. Every few seconds the client is made anew: what it does is cancelled,
or the client is closed in the middle of it; ids that had no answer by then are
asked again by the next. Prints a table; ends with 1 where anything was lost,
duplicated, mixed up, left behind or not ended.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import os
import platform
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from itertools import count, cycle
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import uvloop
from soak_pulse import Pulse
from soak_server import Address, Seen, serve

from elevenphone import (
    ConfigurationError,
    ElevenPhoneError,
    Failed,
    Found,
    InvalidPhoneNumberIdError,
    NotFoundError,
    PhoneNumberClient,
    RetryPolicy,
)

RUNS = 2
SINGLES = 4
PATIENCE = 120.0
# How often the consumer of a stream is slow.
SLOW = 0.001
# Seconds in which everything must have ended after a client was closed: its consumers may be slow.
CLOSING = 2.0
# After so many numbers a client knows how many requests fail by chance.
LEARNED = 100
# Seconds on one event loop, and in how many of them at least.
TURN, TURNS = 60.0, 2
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Ledger:
    """Which positions of an endless input have been answered, over one run after the other.

    Args:
        address: The ids, and what is wrong with some.
        counts: How often each thing happened.

    Attributes:
        closing: Whether only what has no answer yet is still asked for.
    """

    def __init__(self, address: Address, counts: Counter[str]) -> None:
        self.counts = counts
        self.closing = False
        self._ids = address.ids
        self._absent = address.absent
        self._poisoned = address.poisoned
        self._next = 0
        self._again: deque[int] = deque()
        self._later: list[int] = []
        self._asked: dict[int, int] = {}

    def begin(self, most: int | None = None) -> Iterator[str]:
        """Give ids to a new run, those without an answer first; without end, or so many at most."""
        self._again.extend((*self._asked.values(), *self._later))
        self._asked, self._later = {}, []
        for index in count() if most is None else range(most):
            if self.closing and not self._again:
                return
            if self._again:
                position = self._again.popleft()
            else:
                position, self._next = self._next, self._next + 1
            self._asked[index] = position
            yield self._ids[position % len(self._ids)]

    def finish(self) -> None:
        """Note that a run has come to its own end, by when all that it was given must have an answer."""
        self.counts["runs"] += 1
        self.counts["lost"] += len(self._asked)

    @property
    def open(self) -> int:
        """Positions that have no answer."""
        return len(self._again) + len(self._asked) + len(self._later)

    def enter(self, lookup: Found | Failed, found: int) -> None:
        """Take an answer of the run down.

        Args:
            lookup: The answer.
            found: How many numbers the client has found. With few, it does not know yet how many
                requests fail by chance, so an unlucky id looks like one that always fails.
        """
        position = self._asked.pop(lookup.index, None)
        if position is None:
            self.counts["duplicated"] += 1
            return
        if self._ids[position % len(self._ids)] != lookup.phone_number_id:
            self.counts["mixed up"] += 1
        match lookup:
            case Found(number=number):
                self.counts["found in bulk"] += 1
                self.counts["mixed up"] += number.phone_number_id != lookup.phone_number_id
            case Failed(error=NotFoundError() | InvalidPhoneNumberIdError()):
                self.counts["refused in bulk"] += 1
                self.counts["mixed up"] += lookup.phone_number_id not in self._absent
            case Failed(phone_number_id=phone_number_id) if phone_number_id in self._poisoned:
                self.counts["poisoned in bulk"] += 1
            case Failed(error=ConfigurationError()):  # the client was closed
                self._later.append(position)
            case Failed(error=error) if error.retryable and found < LEARNED:
                self.counts["unsure"] += 1
                self._later.append(position)
            case Failed(error=error) if error.retryable or isinstance(error, TimeoutError):
                self.counts["lost"] += 1
                print(f"lost: {error!r}", file=sys.stderr)
            case Failed():  # no sense in asking again at once, so that a run remembers it; the next asks
                self.counts["asked again"] += 1
                self._later.append(position)


class Soak:
    """What is soaked: the inputs of all runs, and what has happened so far.

    Attributes:
        ledgers: One for each of the runs that a client makes at a time.
        counts: How often each thing happened.
        errors: Of the single lookups that failed, the classes.
    """

    def __init__(self, address: Address) -> None:
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.ledgers = [Ledger(address, self.counts) for _ in range(RUNS)]


def descriptors() -> int:
    """Count what this process has open."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


async def run_bulk(client: PhoneNumberClient, ledger: Ledger, ends_at: float) -> None:
    """Look the endless input up, in one run or in many, until cancelled, closed or in the middle of a run."""
    most = random.choice([None, 50, 500])
    while True:
        async with client.stream(ledger.begin(most), ordered=random.random() < 0.5) as lookups:
            async for lookup in lookups:
                ledger.enter(lookup, client.stats.found)
                if random.random() < SLOW:
                    await asyncio.sleep(0.2)
                if time.monotonic() > ends_at or is_closed(lookup):
                    return
        ledger.finish()


def is_closed(lookup: Found | Failed) -> bool:
    """Say whether a lookup tells that the client was closed."""
    return isinstance(lookup, Failed) and isinstance(lookup.error, ConfigurationError)


async def run_single(client: PhoneNumberClient, world: Soak, ids: tuple[str, ...]) -> None:
    """Look one number up after the other, as a service would, until the client is closed."""
    while True:
        phone_number_id = random.choice(ids)
        try:
            number = await client.get(phone_number_id, deadline=5.0)
        except ConfigurationError:
            return
        except ElevenPhoneError as error:
            world.errors[type(error).__name__] += 1
        else:
            world.counts["found alone"] += 1
            world.counts["mixed up"] += number.phone_number_id != phone_number_id
        await asyncio.sleep(0.02)


async def live(address: Address, world: Soak, pulse: Pulse, seconds: float) -> int:
    """Live one client's life, and return how many requests it sent."""
    retry = RetryPolicy(wait_initial=0.05, wait_max=1.0)
    http: Literal["httptools", "aiohttp"] = random.choice(["httptools", "aiohttp"])
    world.counts[http] += 1
    async with PhoneNumberClient(
        address.api_key, base_url=random.choice(address.base_urls), timeout=2.0, retry=retry, http=http
    ) as client:
        leaves_by_itself = random.random() < 0.5
        ends_at = time.monotonic() + (seconds if leaves_by_itself else 10 * seconds)
        tasks = [asyncio.create_task(run_bulk(client, ledger, ends_at)) for ledger in world.ledgers]
        tasks += [asyncio.create_task(run_single(client, world, address.ids)) for _ in range(SINGLES)]
        beat = asyncio.create_task(pulse.beat())
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if random.random() < 0.3:
            await client.aclose()
            _, left = await asyncio.wait(tasks, timeout=CLOSING)
            world.counts["closed"] += 1
            world.counts["not ended by closing"] += len(left)
        for task in (beat, *tasks):
            task.cancel()
        for end in await asyncio.gather(beat, *tasks, return_exceptions=True):
            if isinstance(end, Exception) and not isinstance(end, ConfigurationError):
                world.counts["foreign errors"] += 1
                print(f"foreign error: {end!r}", file=sys.stderr)
        world.counts["left"] += client.stats.in_flight
    world.counts["clients"] += 1
    world.counts["ended by themselves"] += bool(done)
    return client.stats.requests


async def drain(address: Address, ledger: Ledger) -> int:
    """Ask for all that has no answer yet."""
    ledger.closing = True
    async with PhoneNumberClient(address.api_key, base_url=address.base_urls[0], timeout=2.0) as client:
        while ledger.open:
            async with client.stream(ledger.begin()) as lookups:
                async for lookup in lookups:
                    ledger.enter(lookup, client.stats.found)
            ledger.finish()
    return client.stats.requests


async def live_in_turn(address: Address, world: Soak, pulse: Pulse, ends_at: float) -> int:
    """Live one life after the other, and return how many requests were sent."""
    requests = 0
    tasks, open_before = len(asyncio.all_tasks()), math.inf
    while (left := ends_at - time.monotonic()) > 0:
        requests += await live(address, world, pulse, min(left, random.uniform(1.0, 6.0)))
        await asyncio.sleep(0.05)
        pulse.rest()
        # The loop itself opens some when it is first used.
        open_before = min(open_before, descriptors())
        world.counts["tasks left"] += len(asyncio.all_tasks()) - tasks
        world.counts["descriptors left"] += descriptors() - int(open_before)
    return requests


async def settle(address: Address, world: Soak) -> int:
    """Ask for all that has no answer yet, and return how many requests were sent."""
    requests = 0
    for ledger in world.ledgers:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                requests += await drain(address, ledger)
        world.counts["lost"] += ledger.open
    return requests


def soak(address: Address, world: Soak, pulse: Pulse, seconds: float) -> int:
    """Soak on one event loop after the other, and return how many requests were sent."""
    ends_at = time.monotonic() + seconds
    requests = 0
    for loop in cycle(LOOPS):
        now = time.monotonic()
        if now >= ends_at:
            break
        turn_ends_at = min(ends_at, now + min(TURN, seconds / TURNS))
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            requests += runner.run(live_in_turn(address, world, pulse, turn_ends_at))
        world.counts[loop] += 1
    return requests + asyncio.run(settle(address, world))


def report(world: Soak, pulse: Pulse, requests: int, seen: Seen, seconds: float) -> bool:
    """Print the table, and say whether all that must be zero is."""
    counts = world.counts
    zeros = {
        "ids lost": counts["lost"],
        "ids answered twice": counts["duplicated"],
        "answers that belong to another id": counts["mixed up"],
        "exceptions that are not `ElevenPhoneError`s": counts["foreign errors"],
        "requests that the server read but the client did not count": max(0, seen.stats.requests - requests),
        "tasks left by a client": counts["tasks left"],
        "file descriptors left by a client": counts["descriptors left"],
        "requests in flight left by a client": counts["left"],
        "runs and single lookups that did not end when the client was closed": counts["not ended by closing"],
    }
    failures = ", ".join(f"{name} {count:,}" for name, count in world.errors.most_common()) or "none"
    spoilt = ", ".join(f"{name} {count:,}" for name, count in sorted(seen.spoilt.items())) or "none"
    megabytes = ", ".join(f"{held / 1e6:.0f}" for held in pulse.memory.each_minute())
    blocks = ", ".join(f"{alive:,.0f}" for alive in pulse.blocks.each_minute())
    rows = {name: f"**{count:,}**" for name, count in zeros.items()} | {
        "numbers found in bulk": f"{counts['found in bulk']:,}",
        "requested again in a later run, after a redirect or garbage": f"{counts['asked again']:,}",
        "requested again, because a new client cannot tell chance from a bad id": f"{counts['unsure']:,}",
        "ids in bulk that are unknown or invalid": f"{counts['refused in bulk']:,}",
        "ids in bulk that always fail": f"{counts['poisoned in bulk']:,}",
        "numbers found by single lookups": f"{counts['found alone']:,}",
        "single lookups that failed, by error": failures,
        "clients made, and closed in the middle": f"{counts['clients']:,}, {counts['closed']:,}",
        "clients on httptools, on aiohttp": f"{counts['httptools']:,}, {counts['aiohttp']:,}",
        "turns on asyncio, on uvloop": f"{counts['asyncio']:,}, {counts['uvloop']:,}",
        "runs that finished": f"{counts['runs']:,}",
        "requests counted, and read by the server": f"{requests:,}, {seen.stats.requests:,}",
        "of these: 429, 5xx, other faults": ", ".join(
            f"{count:,}" for count in (seen.stats.throttled, seen.stats.server_errors, seen.stats.faults)
        ),
        "answers damaged by the relay": spoilt,
        "worst stall of the event loop": f"{pulse.worst * 1e3:.0f} ms",
        "most CPU time between two beats of the loop": f"{pulse.worst_own * 1e3:.0f} ms",
        "memory blocks in use between two clients, each minute": blocks,
        "slope of the blocks": f"{pulse.blocks.slope():+,.0f} a minute",
        "resident memory, each minute": f"{megabytes} MB",
        "slope of the memory": f"{pulse.memory.slope() / 1e3:+,.0f} kB a minute",
    }
    print(
        f"{seconds:.0f} s, Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores\n"
    )
    print("| what | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items()), sep="\n")
    return not any(zeros.values())


def main() -> None:
    """Read the command line, start the server, soak, and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long; default 10")
    parser.add_argument("--quick", action="store_true", help="fifteen seconds")
    parser.add_argument("--seed", type=int, default=1, help="what the weather is made from; default 1")
    arguments = parser.parse_args()
    seconds = 15.0 if arguments.quick else arguments.minutes * 60
    random.seed(arguments.seed)
    context = get_context("spawn")
    pipe, servers_end = context.Pipe()
    server = context.Process(target=serve, args=(servers_end, arguments.seed), daemon=True)
    server.start()
    address: Address = pipe.recv()
    world, pulse = Soak(address), Pulse()
    requests = soak(address, world, pulse, seconds)
    pipe.send("end")
    seen: Seen = pipe.recv()
    server.join()
    sys.exit(0 if report(world, pulse, requests, seen, seconds) else 1)


if __name__ == "__main__":
    main()
