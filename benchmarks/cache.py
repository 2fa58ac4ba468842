"""Answers from memory: what one costs, and how many requests they save.

    python benchmarks/cache.py [--quick]

The cost is the processor's time for `await client.get(id)` in a running event loop. The replay makes 100,000
calls, 50 a second at random moments, over 500 numbers drawn by Zipf's law (the number of rank r is called 1/r
times as often as the first). It runs on a virtual clock; the server takes 100 ms for an answer.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import sys
import time
from pathlib import Path

from speed_lab import command, cores
from speed_lab.report import Figure, Report, Verdict, compare

from elevenphone import Cache, ElevenPhoneError, PhoneNumberClient, Response

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import virtual_time

MOST_MICROSECONDS = 3.0
METRIC = "µs an answer"
CALLS, NUMBERS, CALLS_A_SECOND, LATENCY = 100_000, 500, 50.0, 0.1
OUTAGE = (0.3, 0.45)  # of the whole replay: five minutes of 33
CACHES: dict[str, Cache | None] = {
    "no cache": None,
    "max_age=0, shared lookups alone": Cache(max_age=0.0),
    "max_age=10": Cache(max_age=10.0),
    "max_age=60": Cache(max_age=60.0),
    "max_age=60, stale_if_error=3600": Cache(max_age=60.0, stale_if_error=3600.0),
    "max_age=60, stale_while_revalidate=60": Cache(max_age=60.0, stale_while_revalidate=60.0),
    "max_age=300": Cache(max_age=300.0),
}


def measure(options: argparse.Namespace) -> Report:
    """Measure the cost of an answer, and replay the calls."""
    report = Report(benchmark="cache")
    rounds = options.rounds or (5 if options.quick else 51)
    count = 200 if options.quick else 5_000
    with cores.on(cores.CLIENT_CORE):
        turns = asyncio.run(_time_answers(rounds, count))
    figures = compare("an answer from memory", METRIC, turns, None)
    report.figures += figures
    report.verdicts += [
        Verdict(budget=f"{each.subject}: {METRIC}", measured=each.value, at_most=MOST_MICROSECONDS)
        for each in figures
    ]
    calls = 2_000 if options.quick else CALLS
    for case, outage in (
        ("replay", None),
        ("replay, with an outage of five minutes", tuple(share * calls / CALLS_A_SECOND for share in OUTAGE)),
    ):
        for subject, cache in CACHES.items():
            replay = virtual_time.run(_replay(cache, calls, outage))
            report.figures += [
                Figure(case=case, subject=subject, metric=metric, value=value)
                for metric, value in replay.items()
            ]
    return report


class _Server:
    """A `Transport` that answers after a while, or never, or with a 503."""

    def __init__(self, latency: float | None, outage: tuple[float, float] | None = None) -> None:
        self.requests = self.connections_opened = 0
        self.latency = latency
        self._outage = outage

    async def send(self, url: str) -> Response:
        self.requests += 1
        await asyncio.sleep(self.latency if self.latency is not None else 3_600.0)
        now = asyncio.get_running_loop().time() - virtual_time.START
        if self._outage is not None and self._outage[0] <= now < self._outage[1]:
            return Response(503, {}, b"")
        phone_number_id = url.rpartition("/")[2].encode()
        body = (
            b'{"provider":"twilio","phone_number":"+1","label":"","phone_number_id":"%b"}' % phone_number_id
        )
        return Response(200, {}, body)

    async def aclose(self) -> None:
        pass


async def _time_answers(rounds: int, count: int) -> dict[str, list[float]]:
    caches = {
        "get, within max_age": Cache(max_age=3_600.0),
        "get, within stale_while_revalidate": Cache(max_age=0.0, stale_while_revalidate=3_600.0),
        "get, within max_age, of 10,000 remembered": Cache(max_age=3_600.0),
    }
    turns: dict[str, list[float]] = {subject: [] for subject in caches}
    for subject, cache in caches.items():
        server = _Server(0.0)
        async with PhoneNumberClient(transport=server, cache=cache, deadline=None) as client:
            ids = [f"phnum_{n}" for n in range(10_000 if "10,000" in subject else 1)]
            for each in ids:
                await client.get(each)
            server.latency = None  # a refresh stays under way
            asked = list(itertools.islice(itertools.cycle(ids), count))
            for _ in range(rounds):
                random.shuffle(asked)
                started = time.thread_time()
                for each in asked:
                    await client.get(each)
                turns[subject].append((time.thread_time() - started) / count * 1e6)
    return turns


async def _replay(cache: Cache | None, calls: int, outage: tuple[float, float] | None) -> dict[str, float]:
    """Play all calls, the same for every cache, and say what came of them."""
    draw = random.Random(1)
    weights = list(itertools.accumulate(1 / rank for rank in range(1, NUMBERS + 1)))
    server = _Server(LATENCY, outage)
    failed = waited = 0
    loop = asyncio.get_running_loop()

    async def call(client: PhoneNumberClient, phone_number_id: str) -> None:
        nonlocal failed, waited
        began = loop.time()
        try:
            await client.get(phone_number_id)
        except ElevenPhoneError:
            failed += 1
        waited += loop.time() > began

    async with PhoneNumberClient(transport=server, cache=cache, timeout=1.0, deadline=2.0) as client:
        async with asyncio.TaskGroup() as group:
            for rank in draw.choices(range(NUMBERS), cum_weights=weights, k=calls):
                await asyncio.sleep(draw.expovariate(CALLS_A_SECOND))
                group.create_task(call(client, f"phnum_{rank}"))
        requests = server.requests
    return {
        "requests": float(requests),
        "% of calls saved": 100.0 * (1 - requests / calls),
        "% of calls that waited": 100.0 * waited / calls,
        "failed calls": float(failed),
    }


if __name__ == "__main__":
    sys.exit(command.main(__doc__ or "", measure))
