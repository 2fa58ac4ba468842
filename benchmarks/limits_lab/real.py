"""Runs over sockets: an emulator and each client in processes of their own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from elevenphone.emulator import Emulator
from limits_lab.measure import Run, measure
from limits_lab.plans import ClientReport, ServerPlan, ServerReport, Task
from limits_lab.scenarios import Scenario
from limits_lab.server_process import Address

_T = TypeVar("_T")

_HERE = Path(__file__).resolve().parents[1]
_LONGEST_LINE = 64 * 1024 * 1024
_LONGEST_RUN = 600.0


class Process:
    """A module run by this interpreter, talked to in lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, module: str, *arguments: str) -> Self:
        """Start `python -m module arguments...`."""
        paths = (str(_HERE), os.environ.get("PYTHONPATH"))
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LONGEST_LINE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
            )
        )

    async def say(self, line: bytes) -> None:
        """Write one line."""
        if self._process.stdin is not None:
            self._process.stdin.write(line + b"\n")
            await self._process.stdin.drain()

    async def hear(self, kind: type[_T]) -> _T:
        """Read one line, and decode it.

        Raises:
            RuntimeError: The process has ended.
        """
        line = await self._process.stdout.readline() if self._process.stdout is not None else b""
        if not line:
            raise RuntimeError("a process of the benchmark has ended before its time")
        return msgspec.json.decode(line, type=kind)

    async def end(self) -> None:
        """Let it end, and end it where it does not."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 5.0)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def _processes(
    plan: ServerPlan, ids: int, clients: int
) -> AsyncIterator[tuple[Process, list[Process]]]:
    started: list[Process] = []
    try:
        server = await Process.start("limits_lab.server_process", str(ids))
        started.append(server)
        await server.say(msgspec.json.encode(plan))
        for _ in range(clients):  # one by one, so that those started are ended whatever happens
            started.append(await Process.start("limits_lab.client_process"))  # noqa: PERF401
        yield server, started[1:]
    finally:
        # Clients first: one that is cut off from its server would only retry.
        for process in reversed(started):
            await process.end()


async def run_processes(
    scenario: Scenario,
    *,
    client: str = "elevenphone",
    in_flight: int | None = None,
    ids: int | None = None,
    sample_every: float = 0.0,
    seconds: float = 0.0,
) -> tuple[list[ClientReport], ServerReport]:
    """Run a scenario over sockets, and return what its processes report.

    Args:
        scenario: What to run.
        client: Which client.
        in_flight: A bound on its requests in flight.
        ids: Lookups in all, where they are not the scenario's.
        sample_every: Seconds between samples of the client's limit; 0 for none.
        seconds: Seconds after which clients stop; 0 for when all is done.
    """
    ids = ids or scenario.ids
    known = Emulator(numbers=ids, seed=scenario.server.seed).ids
    async with (
        asyncio.timeout(_LONGEST_RUN),
        _processes(scenario.server, ids, scenario.clients) as (server, clients),
    ):
        address = await server.hear(Address)
        for index, process in enumerate(clients):
            task = Task(
                client=client,
                base_url=address.base_url,
                api_key=address.api_key,
                ids=known[index :: scenario.clients],
                in_flight=in_flight,
                get_every=scenario.get_every,
                sample_every=sample_every,
                seconds=seconds,
            )
            await process.say(msgspec.json.encode(task))
        await asyncio.gather(*(process.hear(str) for process in clients))
        await server.say(b"go")
        await server.hear(str)
        await asyncio.gather(*(process.say(b"go") for process in clients))
        reports: list[ClientReport] = list(
            await asyncio.gather(*(process.hear(ClientReport) for process in clients))
        )
        await server.say(b"report")
        return reports, await server.hear(ServerReport)


async def run_really(
    scenario: Scenario, *, client: str = "elevenphone", in_flight: int | None = None, ids: int | None = None
) -> Run:
    """Run a scenario over sockets; the arguments are those of `run_processes`."""
    ideal = None
    if scenario.against_fixed is not None and in_flight is None:
        ideal = (await run_really(scenario, in_flight=scenario.against_fixed, ids=ids)).makespan
    reports, server = await run_processes(scenario, client=client, in_flight=in_flight, ids=ids)
    return measure(scenario, reports, server, client=client, in_flight=in_flight, ids=ids, ideal=ideal)
