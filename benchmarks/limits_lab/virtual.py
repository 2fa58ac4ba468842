"""Runs on a virtual clock: `elevenphone`, a gather that retries, and botocore's adaptive mode."""

from __future__ import annotations

import asyncio
import importlib.util
import random
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from elevenphone import ElevenPhoneError, Failed, PhoneNumberClient
from limits_lab.measure import Run, measure
from limits_lab.peers import ATTEMPTS, PASSING, LookUp, RefusedError, full_jitter, gather_bounded, getting
from limits_lab.plans import ClientReport, ServerReport, Task
from limits_lab.scenarios import Scenario
from limits_lab.simulation import SimulatedServer, SimulatedTransport, run_virtually

_MakeLookUp: TypeAlias = Callable[[SimulatedTransport], LookUp]


_START_WITHIN = 0.02
"""Seconds within which the clients that share a server start; no two processes start at once."""


async def _elevenphone(
    transport: SimulatedTransport,
    ids: tuple[str, ...],
    in_flight: int | None,
    start_in: float,
    get_every: float,
) -> ClientReport:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(start_in)
    report = ClientReport(started=loop.time(), finished=[], lost=0)
    client = PhoneNumberClient(transport=transport, base_url="http://127.0.0.1", concurrency=in_flight)
    async with client, getting(client, ids, get_every, report), client.stream(ids) as lookups:
        async for lookup in lookups:
            report.finished.append(loop.time())
            report.lost += isinstance(lookup, Failed)
    report.requests = transport.requests
    return report


def run_elevenphone(scenario: Scenario, seed: int, in_flight: int | None = None) -> Run:
    """Run a scenario once.

    Args:
        scenario: What to run.
        seed: What all draws are made from.
        in_flight: A fixed bound, for comparison.
    """
    ideal = None
    if scenario.against_fixed is not None and in_flight is None:
        ideal = run_elevenphone(scenario, seed, scenario.against_fixed).makespan

    async def main() -> tuple[list[ClientReport], ServerReport]:
        server = SimulatedServer(msgspec.structs.replace(scenario.server, seed=seed))
        ids = tuple(f"phnum_{index}" for index in range(scenario.ids))
        starts = [0.0, *(random.uniform(0.0, _START_WITHIN) for _ in range(scenario.clients - 1))]
        reports = await asyncio.gather(
            *(
                _elevenphone(
                    SimulatedTransport(server),
                    ids[index :: scenario.clients],
                    in_flight,
                    start,
                    scenario.get_every,
                )
                for index, start in enumerate(starts)
            )
        )
        return list(reports), server.report()

    reports, seen = run_virtually(main(), seed)
    return measure(scenario, reports, seen, in_flight=in_flight, clock="virtual", ideal=ideal)


def _gather(transport: SimulatedTransport) -> LookUp:
    async def ask() -> object:
        response = await transport.send("")
        if response.status in PASSING:
            raise RefusedError(response.status)
        return response

    async def look_up(_: str) -> object:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await ask()
            except (RefusedError, ElevenPhoneError):
                if attempt == ATTEMPTS:
                    raise
            await asyncio.sleep(full_jitter(attempt))

    return look_up


def _botocore(attempts: int) -> _MakeLookUp:
    from limits_lab.botocore_adaptive import AdaptiveRetries  # noqa: PLC0415 - may not be installed

    return lambda transport: AdaptiveRetries(transport, attempts).look_up


def virtual_peers() -> dict[str, _MakeLookUp]:
    """Make what is run beside `elevenphone` on the virtual clock, by name."""
    peers: dict[str, _MakeLookUp] = {"gather, full jitter": _gather}
    if importlib.util.find_spec("botocore") is not None:
        peers["botocore adaptive, 3 attempts"] = _botocore(3)
        peers["botocore adaptive, 10 attempts"] = _botocore(10)
    return peers


def run_peer(scenario: Scenario, name: str, in_flight: int, seed: int) -> Run:
    """Run another client against a scenario once.

    Args:
        scenario: What to run.
        name: A key of `virtual_peers()`.
        in_flight: Its bound.
        seed: What all draws are made from.
    """

    async def main() -> tuple[ClientReport, ServerReport]:
        server = SimulatedServer(msgspec.structs.replace(scenario.server, seed=seed))
        transport = SimulatedTransport(server)
        ids = tuple(f"phnum_{index}" for index in range(scenario.ids))
        task = Task(client=name, base_url="", api_key="", ids=ids, in_flight=in_flight)
        report = await gather_bounded(task, virtual_peers()[name](transport))
        report.requests = transport.requests
        return report, server.report()

    report, seen = run_virtually(main(), seed)
    return measure(scenario, [report], seen, client=name, in_flight=in_flight, clock="virtual")
