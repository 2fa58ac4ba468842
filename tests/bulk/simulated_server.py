"""The API on virtual time: its limits, its latency and its faults, and what it saw."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import Literal, NamedTuple, TypeAlias

import virtual_time
from stub_transport import answer, refused

from elevenphone import ClientStats, ConnectionFailedError, Failed, Lookup, PhoneNumberClient, Response

Kind: TypeAlias = Literal["answered", "too many", "too often", "failed", "away"]

LATENCY = 0.06
_REFUSAL_TAKES = 0.001


class Seen(NamedTuple):
    """One request.

    Attributes:
        at: When it came, in seconds since the start.
        kind: How the server answered it.
        client: Which of several clients sent it.
    """

    at: float
    kind: Kind
    client: int


class Outage(NamedTuple):
    """A time in which the server is down, or refuses every request for its rate."""

    begins: float
    lasts: float
    shows: Literal["503", "refused connections", "429"] = "503"

    def covers(self, at: float) -> bool:
        return self.begins <= at < self.begins + self.lasts


class SimulatedServer:
    """A server with one set of limits for all its clients.

    Args:
        limit: Most requests worked on at once, or a function from the seconds since the start
            to it; `None` for any number.
        queue: How many requests over `limit` may wait for their turn; `None` for any number.
        rate: Most requests a second, on average.
        burst: Most requests accepted at once; by default those of a tenth of a second.
        latency: Draws the seconds that an answer takes.
        failing: The share of requests answered 503.
        outages: When it is down.
        retry_after: Seconds named in its refusals, or `None`.
        seed: The seed of its randomness.

    Attributes:
        seen: Every request.
        in_flight: Requests in flight, queued ones included.
        peak_in_flight: Most requests in flight so far.
        worked: The sum of the latencies of all requests that it worked on.
    """

    def __init__(
        self,
        *,
        limit: int | Callable[[float], int] | None = None,
        queue: int | None = 0,
        rate: float | None = None,
        burst: float | None = None,
        latency: Callable[[random.Random], float] = lambda _random: LATENCY,
        failing: float = 0.0,
        outages: Sequence[Outage] = (),
        retry_after: float | None = None,
        seed: int = 1,
    ) -> None:
        self.seen: list[Seen] = []
        self.in_flight = self.peak_in_flight = 0
        self.worked = 0.0
        self._limit = limit
        self._queue = queue
        self._working = 0
        self._turns: deque[asyncio.Future[None]] = deque()
        self._bucket = (
            None if rate is None else _TokenBucket(rate, max(1.0, rate / 10) if burst is None else burst)
        )
        self._latency = latency
        self._failing = failing
        self._outages = outages
        self._refusal_headers = {} if retry_after is None else {"retry_after": f"{retry_after:g}"}
        self._random = random.Random(seed)
        self._clients = 0

    def connect(self) -> Connection:
        """Make a transport for another client."""
        self._clients += 1
        return Connection(self, self._clients - 1)

    async def handle(self, phone_number_id: str, client: int) -> Response:
        """Answer one request."""
        now = virtual_time.elapsed()
        outage = next((outage for outage in self._outages if outage.covers(now)), None)
        if outage is not None:
            return await self._be_away(outage, now, client)
        if self._bucket is not None and not self._bucket.take(now):
            return await self._refuse(now, "too often", "rate_limit_exceeded", client)
        if self._is_full():
            return await self._refuse(now, "too many", "too_many_concurrent_requests", client)
        return await self._work(now, phone_number_id, client)

    def _limit_now(self) -> float:
        if self._limit is None:
            return math.inf
        if callable(self._limit):
            return self._limit(virtual_time.elapsed())
        return self._limit

    def _is_full(self) -> bool:
        return self._queue is not None and self.in_flight >= self._limit_now() + self._queue

    async def _be_away(self, outage: Outage, now: float, client: int) -> Response:
        if outage.shows == "429":
            return await self._refuse(now, "too often", "rate_limit_exceeded", client)
        self.seen.append(Seen(now, "away", client))
        await asyncio.sleep(_REFUSAL_TAKES)
        if outage.shows == "503":
            return refused(503, "unavailable", "Down")
        raise ConnectionFailedError("connection refused")

    async def _refuse(self, now: float, kind: Kind, code: str, client: int) -> Response:
        self.seen.append(Seen(now, kind, client))
        await asyncio.sleep(_REFUSAL_TAKES)
        return refused(429, code, "Slow down", **self._refusal_headers)

    async def _work(self, now: float, phone_number_id: str, client: int) -> Response:
        fails = self._random.random() < self._failing
        self.seen.append(Seen(now, "failed" if fails else "answered", client))
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        try:
            await self._turn()
            try:
                latency = self._latency(self._random)
                self.worked += latency
                await asyncio.sleep(latency)
            finally:
                self._working -= 1
                self._give_turns()
        finally:
            self.in_flight -= 1
        return refused(503, "internal", "Oops") if fails else number_of(phone_number_id)

    async def _turn(self) -> None:
        """Wait, first come, first served, until the server can work on another request."""
        if self._working < self._limit_now():
            self._working += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._working -= 1
                self._give_turns()
            raise

    def _give_turns(self) -> None:
        while self._turns and self._working < self._limit_now():
            turn = self._turns.popleft()
            if not turn.done():
                self._working += 1
                turn.set_result(None)

    def count(self, *kinds: Kind, since: float = 0.0, until: float = float("inf")) -> int:
        """Count the requests of these kinds between two times."""
        return sum(seen.kind in kinds and since <= seen.at < until for seen in self.seen)

    def refused_share(self, since: float = 1.0, until: float = float("inf")) -> float:
        """Return the share of the requests that was answered 429, without the first second."""
        late = [seen.kind in ("too many", "too often") for seen in self.seen if since <= seen.at < until]
        return fmean(late) if late else 0.0


class Connection:
    """The transport of one client."""

    def __init__(self, server: SimulatedServer, client: int) -> None:
        self.requests = 0
        self.connections_opened = 0
        self._server = server
        self._client = client

    async def send(self, url: str) -> Response:
        self.requests += 1
        return await self._server.handle(url.rpartition("/")[2], self._client)

    async def aclose(self) -> None:
        pass


class _TokenBucket:
    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = self._tokens = burst
        self._filled_at = 0.0

    def take(self, now: float) -> bool:
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Simulation(NamedTuple):
    """The results of one bulk run, or of several at once.

    Attributes:
        server: The server.
        lookups: The result of each id.
        ended: When each client finished, in seconds since the start.
        stats: Each client's counters.
    """

    server: SimulatedServer
    lookups: list[Lookup]
    ended: list[float]
    stats: list[ClientStats]

    @property
    def lasted(self) -> float:
        return max(self.ended)

    @property
    def lost(self) -> list[Failed]:
        return [lookup for lookup in self.lookups if isinstance(lookup, Failed)]


def ids(count: int, client: int = 0) -> list[str]:
    """Make ids; each client has its own."""
    return [f"phnum_{client}_{n}" for n in range(count)]


def simulate(
    server: SimulatedServer,
    count: int = 3_000,
    *,
    clients: int = 1,
    make: Callable[[Connection], PhoneNumberClient] = lambda transport: PhoneNumberClient(
        transport=transport
    ),
    deadline: float | None = 300.0,
    seed: int = 0,
) -> Simulation:
    """Gather this many ids, divided among the clients, in virtual time.

    The same seed gives the same simulation, because the clients' jitter is drawn from it.
    """

    async def gather(number: int) -> tuple[list[Lookup], float, ClientStats]:
        async with make(server.connect()) as client:
            lookups = await client.gather(ids(count // clients, number), deadline=deadline)
            return lookups, virtual_time.elapsed(), client.stats

    async def main() -> Simulation:
        results = await asyncio.gather(*(gather(number) for number in range(clients)))
        return Simulation(
            server,
            [lookup for lookups, _, _ in results for lookup in lookups],
            [ended for _, ended, _ in results],
            [stats for _, _, stats in results],
        )

    random.seed(seed)
    return virtual_time.run(main())


def number_of(phone_number_id: str) -> Response:
    """Answer with the number that has this id."""
    return answer(
        200, {"provider": "twilio", "phone_number": "+1", "label": "", "phone_number_id": phone_number_id}
    )


def names(lookups: Iterable[Lookup]) -> list[str]:
    """List the ids that were found, each from the number itself."""
    return [lookup.result().phone_number_id for lookup in lookups]
