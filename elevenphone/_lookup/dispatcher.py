"""`Dispatcher`: looks jobs up over one transport, within one set of limits, in one event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NoReturn, Protocol, TypeAlias, TypeVar, runtime_checkable

from elevenphone._limits.limits import Limits
from elevenphone._limits.slots import Slot, Slots
from elevenphone._lookup.job import Job
from elevenphone._lookup.store import Store
from elevenphone._lookup.watchdog import Watchdog
from elevenphone._protocol.answers import concurrency_hint, concurrency_stated, parse
from elevenphone._values import shown
from elevenphone.errors import (
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    ElevenPhoneError,
    RateLimitError,
    RequestTimeoutError,
    TransportError,
)
from elevenphone.retry import RetryQuota
from elevenphone.stats import ClientStats
from elevenphone.transport import Transport

_log = logging.getLogger("elevenphone")
_log.addHandler(logging.NullHandler())
_T = TypeVar("_T")

OnRetry: TypeAlias = Callable[[str | None, int, ElevenPhoneError, float], object]
"""Called before the wait for each retry, with the id (`None` for a page of a listing), the number of the
failed attempt, its error, and the seconds until the next attempt."""


class BulkRun(Protocol):
    """A bulk run, which closing the client stops."""

    def close(self, error: ElevenPhoneError) -> None:
        """Send no more requests, and wait for no more ids; remaining ids fail with this error."""
        ...


@runtime_checkable
class Renewable(Protocol):
    """A transport whose connections can be replaced."""

    def renew(self) -> None:
        """Use none of the present connections for another request."""
        ...


class Dispatcher:
    """Looks jobs up, and counts their results.

    Attributes:
        limits: The limits that delay requests.
        quota: The retries that single lookups have left.
        runs: The bulk runs under way.
        store: The memory of the client, or `None`; every lookup updates it.
        failed: Lookups that did not find their number.
        loop: The event loop in which the client was used first; set by `bind`, like the next two.
        slots: The slots of the requests in flight.
        watchdog: Ends lookups that take too long.
    """

    loop: asyncio.AbstractEventLoop
    slots: Slots
    watchdog: Watchdog
    _is_bound = _is_closed = False

    def __init__(self, transport: Transport, limits: Limits, on_retry: OnRetry | None = None) -> None:
        self.limits = limits
        self.quota: RetryQuota = RetryQuota()
        self.runs: set[BulkRun] = set()
        self.store: Store | None = None
        self.failed: int = 0
        self._transport = transport
        self._on_retry = on_retry
        self._retries = self._found = self._throttled = self._probes = 0

    def bind(self) -> None:
        """Bind to the running event loop at the first use.

        Raises:
            ConfigurationError: The client is closed, or belongs to another event loop.
        """
        if self._is_closed:
            raise _closed()
        loop = asyncio.get_running_loop()
        if not self._is_bound:
            self._is_bound = True
            self.loop = loop
            self.slots = Slots(self.limits, loop)
            self.watchdog = Watchdog(loop)
        if self.loop is not loop:
            raise ConfigurationError(
                "this client belongs to another event loop, where its connections are: "
                "make one client in each event loop"
            )

    async def look_up(self, job: Job[_T], slot: Slot | None = None) -> None:
        """Attempt a lookup until there is an answer, a final error, or no time.

        Args:
            job: The lookup. It holds the result or the error afterwards.
            slot: The slot for its first attempt; by default it waits for one.
        """
        caller, watchdog, limits = job.caller, self.watchdog, self.limits
        watchdog.watch(job)
        try:
            while True:
                place = slot or await caller.may_begin(job)
                try:
                    slot = None
                    if (probe_url := place.probe_url) is not None:
                        await self._probe(probe_url, job, place)
                        continue
                    if job.attempts:
                        self._retries += 1
                    job.begin(place)
                    if job.moment < watchdog.alarm_at:
                        watchdog.set_alarm(job.moment)
                    try:
                        job.response = response = await self._transport.send(job.url)
                        if limits.adapts and (maximum := concurrency_hint(response.headers)) is not None:
                            limits.hint(maximum, place.started)
                        job.result = result = parse(job.decode, response)
                        if getattr(result, "phone_number_id", job.phone_number_id) != job.phone_number_id:
                            self._refuse_answer(result)
                    except BaseException as caught:
                        error = self._own_error(caught, job, place.started)
                        self._attempt_failed(job, place, error)
                    else:
                        now = self.loop.time()
                        job.error = None
                        job.elapsed = now - job.started
                        place.found(now, job)
                        if _log.isEnabledFor(logging.DEBUG):
                            self._log_attempt(job, place, now)
                        break
                finally:
                    if not place.ended:
                        place.give_back()
                if (wait := caller.next_wait(job, error)) is None:
                    break
                self._announce_retry(job, error, wait)
                watchdog.until(job, job.expires)
                await asyncio.sleep(wait)
        except ElevenPhoneError as error:
            job.error = error
        except asyncio.CancelledError:
            if not job.is_ended():
                raise
            passed = "the lookup's deadline passed between attempts"
            job.error = job.reason or DeadlineExceededError(passed, job.error)
        finally:
            watchdog.forget(job)
        if job.error is None:
            self._found += 1
            if self.quota.spent:
                self.quota.refund()
        else:
            self.failed += 1
            job.finish(job.error, self.loop.time())
        if self.store is not None:
            self.store.learn(job)

    def _attempt_failed(self, job: Job[_T], slot: Slot, error: ElevenPhoneError) -> None:
        """Note in the job and in the limits how a request failed."""
        now = self.loop.time()
        started = slot.started
        job.failed(error, started, now)
        slot.failed(now, error, job)
        self._note_refusal(error, started)
        if _log.isEnabledFor(logging.DEBUG):
            self._log_attempt(job, slot, now)

    def _log_attempt(self, job: Job[_T], slot: Slot, now: float) -> None:
        milliseconds = (now - slot.started) * 1000
        outcome = job.error or "found"
        _log.debug("GET %s, attempt %d, %.0f ms: %s", job.url, job.attempts, milliseconds, outcome)

    async def _probe(self, url: str, job: Job[_T], slot: Slot) -> None:
        """Request an id that was found before, to find out whether the server is up."""
        started = slot.started
        self._probes += 1
        self.watchdog.until(job, job.begin_probe(started))
        try:
            parse(job.decode, await self._transport.send(url))
        except BaseException as caught:
            error = self._own_error(caught, job, started)
            if isinstance(error, DeadlineExceededError) and job.leaves_too_little_time(started):
                slot.give_back()
            else:
                slot.failed(self.loop.time(), error, None)
                self._note_refusal(error, started)
        else:
            slot.found(self.loop.time(), None)
        self.watchdog.until(job, job.expires)

    def _own_error(self, error: BaseException, job: Job[_T], started: float) -> ElevenPhoneError:
        """Make an error of this package from the exception that ended a request.

        Raises:
            BaseException: It ends more than the request.
        """
        match error:
            case ElevenPhoneError():
                return error
            case asyncio.CancelledError():
                if job.time_is_over():
                    return _timed_out(job, started)
                if job.is_cancelled():
                    raise error
                return ConnectionFailedError("the transport cancelled the request")
            case Exception():
                failure = TransportError(f"the transport failed: {type(error).__name__}: {error}")
                failure.__cause__ = error
                return failure
            case _:
                raise error

    def _refuse_answer(self, number: object) -> NoReturn:
        """Refuse the number of another id; the next answers on its connection may be of others too."""
        if isinstance(self._transport, Renewable):
            self._transport.renew()
        other = getattr(number, "phone_number_id", None)
        raise ConnectionFailedError(f"the answer is of another id, {shown(other)}")

    def _note_refusal(self, error: ElevenPhoneError, started: float) -> None:
        if isinstance(error, RateLimitError):
            self._throttled += 1
            if (maximum := concurrency_stated(error.message)) is not None:
                self.limits.hint(maximum, started, by_refusal=True)

    def _announce_retry(self, job: Job[_T], error: ElevenPhoneError, wait: float) -> None:
        if self._on_retry is None:
            return
        try:
            self._on_retry(job.phone_number_id, job.attempts, error, wait)
        except Exception:
            _log.exception("on_retry raised an exception; the lookup goes on")

    def stats(self) -> ClientStats:
        """Take a snapshot of the counters."""
        return ClientStats(
            requests=self._transport.requests,
            retries=self._retries,
            found=self._found,
            failed=self.failed,
            throttled=self._throttled,
            probes=self._probes,
            in_flight=self.limits.in_flight,
            concurrency_limit=self.limits.concurrency_limit,
            waiting_at_server=self.limits.concurrency.waiting_estimate,
            held_by_queue=self.limits.concurrency.held_by_queue,
            connections_opened=self._transport.connections_opened,
        )

    async def aclose(self) -> None:
        """End all lookups and runs, refuse new ones, and close the transport.

        Raises:
            ConfigurationError: The client belongs to another event loop, which still runs.
        """
        if self._is_bound and self.loop is not asyncio.get_running_loop() and not self.loop.is_closed():
            raise ConfigurationError(
                "this client belongs to another event loop, where its connections are: close it there"
            )
        self._is_closed = True
        if self._is_bound and not self.loop.is_closed():
            for run in list(self.runs):
                run.close(_closed())
            self.watchdog.end(_closed())
            self.watchdog.close()
            self.slots.close()
        await self._transport.aclose()

    def __repr__(self) -> str:
        if not hasattr(self, "_transport"):
            return "<Dispatcher not made>"  # in the traceback of a copy that was refused
        state = "closed" if self._is_closed else repr(self.slots) if self._is_bound else "not used yet"
        form = getattr(self._transport, "form", type(self._transport).__name__)
        return f"<Dispatcher over {form}, {state}>"


def _closed() -> ConfigurationError:
    return ConfigurationError("this client is closed: make a new one")


def _timed_out(job: Job[_T], started: float) -> ElevenPhoneError:
    if job.expires <= started + job.timeout:
        return DeadlineExceededError("the lookup's deadline passed", job.error)
    return RequestTimeoutError(f"no complete answer within {job.timeout:g} s")
