"""The server of a world: it answers as planned, and writes down what it is asked."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from contextvars import ContextVar
from typing import Literal, TypeAlias

import msgspec
import virtual_time
from stub_transport import answer, refused
from world_ids import fault_of
from world_plan import Latency, ServerPlan

from elevenphone import ConnectionFailedError, PhoneNumberClient, Response

Outcome: TypeAlias = Literal[
    "under way", "found", "refused", "by chance", "cut", "away", "account", "bad", "abandoned"
]
"""What became of a request; "abandoned" by the client, and "bad" because its id is."""

CALLER: ContextVar[str] = ContextVar("CALLER", default="")
"""For whom a task sends requests: the name of a run or of a single lookup."""

MOST_REQUESTS = 100_000
_AT_ONCE = 0.001
_HEALTHY = Latency("constant", 0.05)
HEALTHY_LIMIT = 10
HEALTHY_LATENCY = _HEALTHY.mean


class Request(msgspec.Struct, gc=False):
    """One request.

    Attributes:
        at: When it came, in seconds since the start.
        phone_number_id: What it asked for.
        client: Which client sent it.
        caller: For whom.
        probe: Whether it asked whether the server is up, and was no attempt of a lookup.
        outcome: What became of it.
        ended: When.
        retry_after: Seconds that its answer asked to wait.
        ahead: Requests in the queue when it came.
    """

    at: float
    phone_number_id: str
    client: int
    caller: str = ""
    probe: bool = False
    outcome: Outcome = "under way"
    ended: float = -1.0
    retry_after: float | None = None
    ahead: int = 0


class TooManyRequestsError(Exception):
    """More requests than any world needs: the client would go on for ever."""


class WorldServer:
    """The server.

    Attributes:
        plan: What it does.
        log: Every request, in order of arrival.
        open: Requests under way.
    """

    def __init__(self, plan: ServerPlan, seed: int) -> None:
        self.plan = plan
        self.log: list[Request] = []
        self.open = 0
        self._chance = random.Random(seed)
        self._tokens = self._burst = 0.0 if plan.rate is None else max(1.0, plan.rate / 10)
        self._filled_at = 0.0
        self._working = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._asked_once = False

    def connect(self, client: int) -> Connection:
        return Connection(self, client)

    def heal(self) -> None:
        """From now on nothing fails, and the limit is an ordinary one."""
        self.plan = ServerPlan(_HEALTHY, limits=((0.0, HEALTHY_LIMIT),))

    def now(self) -> float:
        return asyncio.get_running_loop().time() - virtual_time.START

    async def handle(self, phone_number_id: str, client: int, *, probe: bool = False) -> Response:
        request = Request(self.now(), phone_number_id, client, CALLER.get(), probe)
        self.log.append(request)
        if len(self.log) > MOST_REQUESTS:
            raise TooManyRequestsError(f"more than {MOST_REQUESTS:,} requests")
        self.open += 1
        try:
            return await self._answer(request)
        except asyncio.CancelledError:
            request.outcome = "abandoned"
            raise
        finally:
            self.open -= 1
            request.ended = self.now()

    async def _answer(self, request: Request) -> Response:
        plan = self.plan
        for outage in plan.outages:
            if outage.begins <= request.at < outage.ends:
                return await self._be_away(outage.shows, request)
        if plan.account is not None and request.at >= plan.account.at:
            request.outcome = "account"
            await asyncio.sleep(_AT_ONCE)
            return account_error(plan.account.kind)
        if plan.throttles_from is not None and request.at >= plan.throttles_from:
            return await self._refuse(request, plan.throttles_with)
        if plan.rate is not None and not self._take_token(plan.rate, request.at):
            return await self._refuse(request, "rate_limit_exceeded")
        if self._working >= plan.limit_at(request.at) and len(self._queue) >= plan.queue:
            return await self._refuse(request, plan.refusal)
        request.ahead = len(self._queue)
        await self._take_place(request.at)
        try:
            await asyncio.sleep(plan.latency.draw(self._chance))
        finally:
            self._free_place()
        if any(
            outage.shows == "half-open" and request.at < outage.begins <= self.now()
            for outage in plan.outages
        ):
            await self._never()
        return await self._worked(request)

    async def _be_away(self, shows: str, request: Request) -> Response:
        if shows == "silent":
            await self._never()
        request.outcome = "away"
        await asyncio.sleep(_AT_ONCE)
        if shows == "503":
            return refused(503, "unavailable", "Down", **self._retry_after(request))
        raise ConnectionFailedError("connection refused", stage="connect")

    async def _refuse(self, request: Request, code: str) -> Response:
        request.outcome = "refused"
        headers = self._retry_after(request)
        await asyncio.sleep(_AT_ONCE)
        return refused(429, code, "Slow down", **headers)

    def _retry_after(self, request: Request) -> dict[str, str]:
        asked = self.plan.retry_after
        if asked is None or (asked.often == "once" and self._asked_once):
            return {}
        self._asked_once = True
        request.retry_after = asked.seconds
        return {"retry_after": f"{asked.seconds:g}"}

    async def _worked(self, request: Request) -> Response:
        plan, chance = self.plan, self._chance.random()
        if chance < plan.failing:
            request.outcome = "by chance"
            if plan.failing_as == "dropped":
                raise ConnectionFailedError("the connection was closed before the answer was whole")
            headers = self._retry_after(request) if plan.failing_as == "503" else {}
            return refused(int(plan.failing_as), "internal", "Oops", **headers)
        fault = fault_of(request.phone_number_id)
        if fault:
            return await self._be_bad(fault, request)
        if chance < plan.failing + plan.cut:
            request.outcome = "cut"
            return cut_short(number_of(request))
        request.outcome = "found"
        return number_of(request)

    async def _be_bad(self, fault: str, request: Request) -> Response:
        if fault == "silent":
            await self._never()
        request.outcome = "bad"
        match fault:
            case "dropped":
                raise ConnectionFailedError("the connection was closed before the answer was whole")
            case "404":
                return refused(404, "phone_number_not_found", "No such number")
            case "html":
                return Response(200, {"content-length": "14"}, b"<html></html>\n")
            case "wrong type":
                return answer(
                    200, {"provider": "twilio", "phone_number": 1, "label": "", "phone_number_id": "x"}
                )
            case _:
                return refused(500, "internal", "Oops")

    async def _take_place(self, at: float) -> None:
        """Wait for a place among those that are worked on, in order of arrival."""
        if self._working >= self.plan.limit_at(at):
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append(waiter)
            try:
                await waiter  # whoever frees a place gives it on, still counted
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._free_place()
                elif waiter in self._queue:
                    self._queue.remove(waiter)
                raise
        else:
            self._working += 1

    def _free_place(self) -> None:
        self._working -= 1
        while self._queue and self._working < self.plan.limit_at(self.now()):
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._working += 1

    async def _never(self) -> None:
        await asyncio.get_running_loop().create_future()

    def _take_token(self, rate: float, now: float) -> bool:
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Connection:
    """What a client takes for its transport.

    Attributes:
        client: The client: it counts a probe just before it sends it.
    """

    client: PhoneNumberClient

    def __init__(self, server: WorldServer, client: int) -> None:
        self.requests = 0
        self.connections_opened = 0
        self._server = server
        self._client = client
        self._probes = 0

    async def send(self, url: str) -> Response:
        self.requests += 1
        before, self._probes = self._probes, self.client.stats.probes
        phone_number_id = url.rpartition("/")[2].replace("%20", " ")
        return await self._server.handle(phone_number_id, self._client, probe=self._probes > before)

    async def aclose(self) -> None:
        pass


def number_of(request: Request) -> Response:
    """Answer with the number, whose label is the moment at which the request came."""
    fields = f'"provider":"twilio","phone_number":"+1","label":"{request.at!r}"'
    fields += f',"phone_number_id":"{request.phone_number_id}"'
    body = f"{{{fields}}}".encode()
    return Response(200, {"content-length": str(len(body))}, body)


def cut_short(response: Response) -> Response:
    """Leave out the end, where only the end of the connection tells how long the answer is."""
    return Response(response.status, {}, response.body[:-9])


def account_error(kind: str) -> Response:
    match kind:
        case "401":
            return refused(401, "invalid_api_key", "No such key")
        case "402":
            return refused(402, "payment_required", "Pay first")
        case "403":
            return refused(403, "insufficient_permissions", "Not for you")
        case _:
            return refused(429, "quota_exceeded", "Used up")
