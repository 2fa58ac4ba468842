"""An emulator in a process of its own, controlled by lines on stdin.

First comes a `ServerPlan` as JSON; then `go`, from when on the plan's changes count,
and `report`. The end of stdin ends it. Answers are JSON lines on stdout.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from random import Random

import msgspec

from elevenphone.emulator import Emulator, Latency
from limits_lab.plans import Change, ServerPlan, ServerReport


class Address(msgspec.Struct):
    """Where the emulator is.

    Attributes:
        base_url: Its base URL.
        api_key: The key it accepts.
    """

    base_url: str
    api_key: str


class _Drawn(Latency):
    """Draws latencies, and keeps their mean."""

    def __init__(self, median: float, spread: float) -> None:
        self._median, self._spread = median, spread
        self._count, self._sum = 0, 0.0

    def sample(self, random: Random) -> float:
        drawn = self._median * (random.lognormvariate(0.0, self._spread) if self._spread else 1.0)
        self._count += 1
        self._sum += drawn
        return drawn

    def mean(self) -> float:
        return self._sum / self._count if self._count else 0.0


def _emulator(plan: ServerPlan, latency: Latency, numbers: int) -> Emulator:
    queue = math.inf if plan.queue is None else plan.queue
    return Emulator(
        **({"queue": queue} if queue else {}),
        numbers=numbers,
        seed=plan.seed,
        record=True,
        latency=latency,
        concurrency_limit=plan.concurrency_limit,
        rate_limit=plan.rate_limit,
        retry_after=plan.retry_after,
        server_errors=plan.server_errors,
        outage_kind=plan.outage_kind,
    )


def _change(emulator: Emulator, change: Change) -> None:
    if change.concurrency_limit is not msgspec.UNSET:
        emulator.concurrency_limit = change.concurrency_limit
    if change.outage is not msgspec.UNSET:
        emulator.outage = change.outage


def _say(message: Address | ServerReport | str) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


async def _serve(plan: ServerPlan, numbers: int) -> None:
    latency = _Drawn(plan.latency, plan.spread)
    gone_at = math.nan
    async with _emulator(plan, latency, numbers) as emulator:
        listens_at = time.monotonic()
        _say(Address(emulator.base_url, emulator.api_key))
        while command := (await asyncio.to_thread(sys.stdin.readline)).strip():
            if command == "go":
                gone_at = time.monotonic() - listens_at
                loop = asyncio.get_running_loop()
                for change in plan.changes:
                    loop.call_later(change.at, _change, emulator, change)
                _say("gone")
            elif command == "report":
                requests = [(seen.time - gone_at, seen.status or 0) for seen in emulator.requests]
                peak = emulator.stats.peak_in_flight
                _say(ServerReport(requests=requests, drawn_latency=latency.mean(), peak=peak))


if __name__ == "__main__":
    asyncio.run(_serve(msgspec.json.decode(sys.stdin.readline(), type=ServerPlan), int(sys.argv[1])))
