"""One client in a process of its own, told what to do by lines on stdin.

    python -m speed_lab.client_process asyncio|uvloop

First comes a `Task`; then any number of `Lap` and `Series`, each answered by a line on stdout. The end of
stdin ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import msgspec

from speed_lab.bodies import PATH, id_at, ids
from speed_lab.clients import Client, Settings
from speed_lab.peak import peak_bytes
from speed_lab.peers import MEMORY, PEERS
from speed_lab.plans import Lap, LapReport, Problem, Series, SeriesReport, Task

FLOOR = "blocking socket"
"""The name of what no client can go below: a request written to a socket, and the answer read."""

_TICK = 0.001
_ENDLESS = 10**9
_orders: msgspec.json.Decoder[Lap | Series] = msgspec.json.Decoder(Lap | Series)


@asynccontextmanager
async def _floor(settings: Settings) -> AsyncIterator[Client]:
    """Block on a socket: what the server and the kernel take, and no client."""
    address = urlsplit(settings.base_url)
    with socket.create_connection((address.hostname or "", address.port or 80)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        async def look_up(phone_number_id: str) -> object:
            request = f"GET {PATH}{phone_number_id} HTTP/1.1\r\nhost: {address.netloc}\r\n\r\n"
            connection.sendall(request.encode())
            answer = connection.recv(65_536)
            head, _, body = answer.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            while len(body) < length:
                body += connection.recv(65_536)
            return body

        async def run(wanted: Iterator[str]) -> int:
            return len([await look_up(phone_number_id) for phone_number_id in wanted])

        yield Client(look_up, run)  # type: ignore[arg-type]


class _Stalls:
    """Watches how late the event loop comes to a timer that is always due a millisecond on."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._loop = asyncio.get_running_loop()
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._due = self._loop.time() + _TICK
        self._timer = self._loop.call_later(_TICK, self._tick)

    def _tick(self) -> None:
        self.longest = max(self.longest, self._loop.time() - self._due)
        self.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class _Process:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._next = 1  # the first id has been asked for already
        self._pulled = 0

    def _ids(self, count: int) -> Iterator[str]:
        start, self._next = self._next, self._next + count
        return ids(start, count)

    def _counted(self, wanted: Iterator[str]) -> Iterator[str]:
        for phone_number_id in wanted:
            self._pulled += 1
            yield phone_number_id

    async def lap(self, lap: Lap) -> LapReport:
        wanted = self._ids(lap.lookups)
        gc.collect()
        cpu, started = time.process_time(), time.perf_counter()
        found = await self._client.run(wanted)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
        return LapReport(
            lookups=lap.lookups,
            found=found,
            seconds=seconds,
            cpu_seconds=cpu_seconds,
            peak_bytes=peak_bytes(),
        )

    async def series(self, series: Series) -> SeriesReport:
        async def bulk() -> None:
            await self._client.run(self._counted(self._ids(_ENDLESS)))

        beside = asyncio.create_task(bulk()) if series.beside_bulk else None
        if beside is not None:
            await asyncio.sleep(0.1)
        gc.collect()
        stalls = _Stalls()
        stalls.start()
        pulled, started = self._pulled, time.perf_counter()
        try:
            latencies = await self._time_each(series)
        finally:
            stalls.stop()
            bulk_rate = (self._pulled - pulled) / (time.perf_counter() - started)
            if beside is not None:
                beside.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await beside
        return SeriesReport(latencies=latencies, longest_stall=stalls.longest, bulk_rate=bulk_rate)

    async def _time_each(self, series: Series) -> list[float]:
        latencies: list[float] = []
        ends = time.perf_counter() + series.seconds
        for _ in range(series.lookups):
            phone_number_id = next(self._ids(1))
            started = time.perf_counter()
            await self._client.look_up(phone_number_id)
            now = time.perf_counter()
            latencies.append(now - started)
            if now >= ends:
                break
            if series.pause:
                await asyncio.sleep(series.pause)
        return latencies


def _say(message: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


async def _serve(task: Task) -> None:
    peer = _floor if task.peer == FLOOR else {**PEERS, **MEMORY}[task.peer]
    async with peer(Settings(task.base_url, task.in_flight, task.authority)) as client:
        process = _Process(client)
        await client.look_up(id_at(0))
        _say("ready")
        while line := await asyncio.to_thread(sys.stdin.readline):
            match _orders.decode(line):
                case Lap() as lap:
                    _say(await process.lap(lap))
                case Series() as series:
                    _say(await process.series(series))


def main() -> int:
    """Do as told.

    Returns:
        The exit status.
    """
    factory = None
    if sys.argv[1] == "uvloop":
        import uvloop  # noqa: PLC0415 - optional

        factory = uvloop.new_event_loop
    task = msgspec.json.decode(sys.stdin.readline(), type=Task)
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(_serve(task))
    except Exception as error:
        _say(Problem(f"{type(error).__name__}: {error}"[:300]))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
