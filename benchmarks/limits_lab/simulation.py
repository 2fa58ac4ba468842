"""A clock that jumps, and a server on it: minutes of a run in a fraction of a second."""

from __future__ import annotations

import asyncio
import random
import selectors
import zlib
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec

from elevenphone import ConnectionFailedError, Response
from limits_lab.plans import Change, ServerPlan, ServerReport

_T = TypeVar("_T")

_BODY = '{"provider":"twilio","label":"x","phone_number":"1","phone_number_id":"%s"}'
_HEADERS = {"transfer-encoding": "chunked"}
_REFUSAL_SECONDS = 0.001


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("every task waits, and no timer is set")
        if not ready and timeout:
            self._jump(timeout)
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._now = 1_000.0
        super().__init__(_JumpingSelector(self._jump))

    def _jump(self, seconds: float) -> None:
        # A little further than asked, so that rounding cannot leave the timer a breath away.
        self._now += seconds + 1e-9

    def time(self) -> float:
        return self._now


def run_virtually(main: Coroutine[Any, Any, _T], seed: int) -> _T:
    """Run on a virtual clock, all draws made from `seed`."""
    random.seed(seed)
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(main)


class SimulatedServer:
    """Does what a plan says, on the running loop's clock, from its making on."""

    def __init__(self, plan: ServerPlan) -> None:
        self._plan = plan
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._random = random.Random(f"{plan.seed}/server")
        self._limit = plan.concurrency_limit
        self._outage = False
        self._burst = max(1.0, (plan.rate_limit or 0.0) / 10)
        self._tokens, self._filled = self._burst, self._started
        self._in_flight = self._peak = self._drawn = 0
        self._latencies = 0.0
        self._slowness = 1.0
        self._working = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._requests: list[tuple[float, int]] = []
        for change in plan.changes:
            self._loop.call_at(self._started + change.at, self._change, change)

    def _change(self, change: Change) -> None:
        if change.concurrency_limit is not msgspec.UNSET:
            self._limit = change.concurrency_limit
        if change.outage is not msgspec.UNSET:
            self._outage = change.outage
        if change.slowness is not msgspec.UNSET:
            self._slowness = change.slowness

    async def answer(self, url: str = "") -> Response:
        """Answer one request.

        Raises:
            ConnectionFailedError: Nobody listens.
        """
        await asyncio.sleep(self._plan.network)
        arrived = self._loop.time() - self._started
        refusal = self._refuse()
        if refusal is not None:
            status, code = refusal
            self._requests.append((arrived, status))
            await asyncio.sleep(_REFUSAL_SECONDS + self._plan.network)
            if not status:
                raise ConnectionFailedError("connection refused")
            return self._error(status, code)
        return await self._serve(arrived, url)

    def _refuse(self) -> tuple[int, str] | None:
        if self._outage:
            return (0, "") if self._plan.outage_kind == "refused" else (503, "unavailable")
        if self._is_full():
            return 429, "too_many_concurrent_requests"
        if self._plan.rate_limit is not None and not self._take_token(self._plan.rate_limit):
            return 429, "rate_limit_exceeded"
        return None

    def _is_full(self) -> bool:
        queue = self._plan.queue
        return self._limit is not None and queue is not None and self._in_flight >= self._limit + queue

    def _take_token(self, rate: float) -> bool:
        now = self._loop.time()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    async def _serve(self, arrived: float, url: str) -> Response:
        self._in_flight += 1
        self._peak = max(self._peak, self._in_flight)
        try:
            await self._turn()
            await asyncio.sleep(self._draw(url))
        finally:
            self._working -= 1
            self._next_turn()
            if self._plan.freed_late:
                self._loop.call_later(self._plan.freed_late, self._free)
            else:
                self._free()
        await asyncio.sleep(self._plan.network)
        if self._random.random() < self._plan.server_errors:
            self._requests.append((arrived, 503))
            return self._error(503, "unavailable")
        self._requests.append((arrived, 200))
        return Response(200, _HEADERS, (_BODY % url.rpartition("/")[2]).encode())

    def _draw(self, url: str) -> float:
        latency = self._plan.latency
        if self._plan.slow_ids and zlib.crc32(url.encode()) % 1000 < 1000 * self._plan.slow_ids:
            latency = self._plan.slow_latency
        if self._plan.spread:
            latency *= self._random.lognormvariate(0.0, self._plan.spread)
        latency *= self._slowness
        self._drawn += 1
        self._latencies += latency
        return latency

    async def _turn(self) -> None:
        """Wait until one more can be worked on."""
        if self._limit is not None and self._working >= self._limit:
            turn = self._loop.create_future()
            self._waiting.append(turn)
            await turn
        else:
            self._working += 1

    def _next_turn(self) -> None:
        while self._waiting and (self._limit is None or self._working < self._limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self._working += 1
                turn.set_result(None)

    def _free(self) -> None:
        self._in_flight -= 1

    def _error(self, status: int, code: str) -> Response:
        headers = dict(_HEADERS)
        if self._plan.retry_after is not None:
            headers["retry-after"] = f"{self._plan.retry_after:g}"
        return Response(status, headers, b'{"detail":{"status":"%s","message":"no"}}' % code.encode())

    def report(self) -> ServerReport:
        """Say what it has seen."""
        drawn = self._latencies / self._drawn if self._drawn else 0.0
        return ServerReport(requests=sorted(self._requests), drawn_latency=drawn, peak=self._peak)


class SimulatedTransport:
    """`elevenphone`'s `Transport` to a simulated server."""

    def __init__(self, server: SimulatedServer) -> None:
        self.requests = 0
        self.connections_opened = 0
        self._server = server

    async def send(self, url: str) -> Response:
        """Send one request."""
        self.requests += 1
        return await self._server.answer(url)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""
