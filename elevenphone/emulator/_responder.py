"""From a request to its answer, faults included."""

from __future__ import annotations

import asyncio
import contextlib
import time
from http import HTTPStatus
from random import Random
from typing import cast

from aiohttp import web

from elevenphone.emulator import _envelopes as envelopes
from elevenphone.emulator._admission import Admission
from elevenphone.emulator._dataset import Dataset
from elevenphone.emulator._envelopes import Answer
from elevenphone.emulator._exchange import Exchange, ListTarget, LookupTarget, PageTarget, target_of
from elevenphone.emulator._faults import FaultPlan
from elevenphone.emulator._latency import Latency
from elevenphone.emulator._limits import Places
from elevenphone.emulator._listener import Connection, drop
from elevenphone.emulator._listing import Listing
from elevenphone.emulator._settings import Fault, Settings
from elevenphone.emulator._stats import Counters, RecordedRequest

_REGION = "us-central1"
_LONGEST_ID = 512
_MISSING_BYTES = 64
_WITH_RETRY_AFTER = {429, 503}


class Responder:
    """Answers requests as the settings say.

    Args:
        settings: The settings, read at each request.
        dataset: The numbers.
        counters: Where requests are counted.

    Attributes:
        places: Where requests are served.
        admission: What is refused at once.
        recorded: The requests so far, if they are recorded.
    """

    def __init__(self, settings: Settings, dataset: Dataset, counters: Counters) -> None:
        self.places = Places(settings, counters)
        self.admission = Admission(settings, counters, self.places)
        self.recorded: list[RecordedRequest] = []
        self._settings = settings
        self._dataset = dataset
        self._listing = Listing(dataset, settings.seed)
        self._counters = counters
        self._faults = FaultPlan(settings)
        self._latencies = Random(f"{settings.seed}/latencies")
        self._trace_ids = Random(f"{settings.seed}/trace-ids")
        self._serving: set[asyncio.Task[object]] = set()
        self._started_at = time.monotonic()

    def start_clock(self) -> None:
        """Count the times of recorded requests from now on."""
        self._started_at = time.monotonic()

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        self._counters.requests += 1
        exchange = self._begin(request)
        exchange.connection.count_request(self._settings.requests_per_connection)
        refusal = self.admission.refuse(exchange)
        if refusal is not None:
            return self._finish(exchange, refusal)
        fault = self._faults.draw()
        if fault is Fault.BUSY:
            return self._finish(exchange, envelopes.system_busy())
        return await self._serve(exchange, fault)

    async def aclose(self) -> None:
        """Abandon the requests that are being served or wait."""
        serving = tuple(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    def _begin(self, request: web.BaseRequest) -> Exchange:
        target = target_of(request.raw_path)
        connection = cast("Connection", request.protocol)  # the listener makes no others
        exchange = Exchange(request, connection, target, f"{self._trace_ids.getrandbits(128):032x}")
        if self._settings.record:
            exchange.record = RecordedRequest(
                time=time.monotonic() - self._started_at,
                method=request.method,
                path=request.raw_path,
                phone_number_id=target.phone_number_id if isinstance(target, LookupTarget) else None,
                headers={name.lower(): value for name, value in request.headers.items()},
            )
            self.recorded.append(exchange.record)
        return exchange

    async def _serve(self, exchange: Exchange, fault: Fault | None) -> web.StreamResponse:
        # When a client goes, aiohttp forgets the task that serves it; `aclose` has to end that one too.
        if (task := asyncio.current_task()) is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        if not await self.places.enter(exchange.connection.closed):
            return web.Response()  # never sent: the client has gone
        try:
            latency = self._settings.latency
            await asyncio.sleep(latency.sample(self._latencies) if isinstance(latency, Latency) else latency)
            return await self._answer(exchange, fault)
        finally:
            self.places.leave()

    async def _answer(self, exchange: Exchange, fault: Fault | None) -> web.StreamResponse:
        match fault:
            case Fault.SERVER_ERROR:
                return self._finish(exchange, envelopes.server_error(self._settings.server_error_status))
            case Fault.HTML:
                return self._finish(exchange, envelopes.bad_gateway_page())
            case Fault.REDIRECT:
                return self._finish(exchange, Answer(302, b"", faulty=True))
            case Fault.DROP | Fault.RESET:
                self._counters.faults += 1
                drop(exchange.connection, reset=fault is Fault.RESET)
                return web.Response()  # never sent
            case _:
                return await self._send(exchange, self._look_up(exchange, fault), fault)

    def _look_up(self, exchange: Exchange, fault: Fault | None) -> Answer:
        match exchange.target:
            case LookupTarget(phone_number_id):
                return self._number(phone_number_id)
            case PageTarget(parameters):
                return self._listing.page(parameters, fault, exchange.request_id)
            case ListTarget(parameters):
                return self._listing.everything(parameters, fault)
            case None:
                return envelopes.not_found()

    def _number(self, phone_number_id: str) -> Answer:
        if phone_number_id in self._dataset:
            return Answer(200, self._dataset.body(phone_number_id))
        if len(phone_number_id) > _LONGEST_ID:
            return envelopes.unprocessable(envelopes.id_too_long(phone_number_id, _LONGEST_ID))
        return envelopes.phone_number_not_found(phone_number_id)

    async def _send(self, exchange: Exchange, answer: Answer, fault: Fault | None) -> web.StreamResponse:
        match fault:
            case Fault.MALFORM:
                half = answer.body[: len(answer.body) // 2]
                return self._finish(exchange, answer._replace(body=half, faulty=True))
            case Fault.TRUNCATE:
                response = await self._open(exchange, answer, len(answer.body) + _MISSING_BYTES)
                with contextlib.suppress(ConnectionError):
                    await response.write(answer.body)
                exchange.connection.force_close()
                return response
            case Fault.SLOW_BODY:
                response = await self._open(exchange, answer, len(answer.body))
                with contextlib.suppress(ConnectionError):
                    await _drip(response, answer.body, self._settings.slow_body_seconds)
                return response
            case _:
                return self._finish(exchange, answer)

    async def _open(self, exchange: Exchange, answer: Answer, length: int) -> web.StreamResponse:
        """Send the headers of an answer whose body is faulty; the caller sends the body."""
        self._note(exchange, answer._replace(faulty=True))
        response = web.StreamResponse(status=answer.status, headers=self._headers(exchange, answer))
        response.content_length = length
        with contextlib.suppress(ConnectionError):
            await response.prepare(exchange.request)
        return response

    def _finish(self, exchange: Exchange, answer: Answer) -> web.Response:
        self._note(exchange, answer)
        return web.Response(status=answer.status, body=answer.body, headers=self._headers(exchange, answer))

    def _note(self, exchange: Exchange, answer: Answer) -> None:
        if answer.faulty:
            self._counters.faults += 1
        else:
            self._counters.count(answer.status)
        if exchange.record is not None:
            exchange.record.status = answer.status

    def _headers(self, exchange: Exchange, answer: Answer) -> dict[str, str]:
        settings = self._settings
        headers = {
            "content-type": answer.content_type,
            "request-id": exchange.request_id,
            "x-trace-id": exchange.request_id[::-1],
            "x-region": _REGION,
        }
        if settings.concurrency_hint:
            headers["current-concurrent-requests"] = str(self._counters.in_flight)
            if settings.concurrency_limit is not None:
                headers["maximum-concurrent-requests"] = str(settings.concurrency_limit)
        if answer.status in _WITH_RETRY_AFTER:
            if settings.retry_after is not None:
                headers["retry-after"] = str(settings.retry_after)
            if settings.retry_after_ms is not None:
                headers["retry-after-ms"] = str(settings.retry_after_ms)
        if answer.status == HTTPStatus.FOUND:
            headers["location"] = settings.redirect_location or exchange.request.raw_path
        return headers


async def _drip(response: web.StreamResponse, body: bytes, seconds: float) -> None:
    """Send a body one byte at a time, or several if the clock is too coarse for that."""
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    step = seconds / len(body)
    sent = 0
    while sent < len(body):
        await asyncio.sleep(step)
        elapsed = loop.time() - started_at
        due = len(body) if elapsed >= seconds else max(sent + 1, int(elapsed / step))
        await response.write(body[sent:due])
        sent = due
