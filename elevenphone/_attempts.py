"""The one loop that attempts a lookup: admission, send, parse, wait, again."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from elevenphone._admission import Admission
from elevenphone._limits import Limits, Permit
from elevenphone._protocol.answers import concurrency_hint
from elevenphone._watchdog import Watchdog
from elevenphone.errors import (
    ConfigurationError,
    DeadlineExceededError,
    ElevenPhoneError,
    RateLimitError,
    RequestTimeoutError,
)
from elevenphone.retry import RetryPolicy, RetryQuota, is_passing
from elevenphone.stats import ClientStats
from elevenphone.transport import Response, Transport

_log = logging.getLogger("elevenphone")
_log.addHandler(logging.NullHandler())
_T = TypeVar("_T")

_NEVER_BY_CHANCE = 1e-9


class Supervision(Protocol):
    """What a bulk run has to say in each of its lookups; see `_bulk.Supervision`."""

    def before_attempt(self, first: bool) -> None:
        """Note that a request is about to be sent, or raise what has stopped the run."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep between attempts."""
        ...


class Job(msgspec.Struct, eq=False):
    """One lookup under way.

    Attributes:
        url: What to GET.
        timeout: Seconds for one attempt.
        deadline: Seconds for all of them; `None` for no bound.
        retry: What to try again, and when.
        supervision: That of a bulk run's lookup; `None` for a single one.
        attempts: Attempts begun.
        throttled: Those of them that were answered 429.
        started: The moment of the first.
        expires: The moment at which the deadline passes.
        elapsed: Seconds from the first attempt to the end.
        last_error: What the attempt before ended with.
    """

    url: str
    timeout: float
    deadline: float | None
    retry: RetryPolicy
    supervision: Supervision | None = None
    attempts: int = 0
    throttled: int = 0
    started: float = 0.0
    expires: float = math.inf
    elapsed: float = 0.0
    last_error: ElevenPhoneError | None = None

    def begin_attempt(self, now: float) -> None:
        """Count an attempt; the first starts the deadline.

        Raises:
            ElevenPhoneError: The bulk run that this belongs to has been stopped, or the
                deadline passed in the queue.
        """
        if now >= self.expires:
            raise DeadlineExceededError("the lookup's deadline passed", self.last_error)
        if self.supervision is not None:
            self.supervision.before_attempt(not self.attempts)
        if not self.attempts:
            self.started = now
            if self.deadline is not None:
                self.expires = now + self.deadline
        self.attempts += 1

    def ends(self, now: float) -> float:
        """Say when the deadline passes, or would if the first attempt were now."""
        if self.attempts:
            return self.expires
        return math.inf if self.deadline is None else now + self.deadline


class _Bound(NamedTuple):
    """What belongs to one event loop."""

    loop: asyncio.AbstractEventLoop
    admission: Admission
    watchdog: Watchdog


class Attempts:
    """Attempts lookups over one transport, within one set of limits, in one event loop."""

    def __init__(self, transport: Transport, limits: Limits) -> None:
        self._transport = transport
        self._limits = limits
        self._quota = RetryQuota()
        self._bound: _Bound | None = None
        self._closed = False
        self._retries = self._found = self._failed = self._throttled = 0

    async def complete(self, job: Job, parse: Callable[[Response], _T]) -> _T:
        """Attempt a lookup until there is an answer, a lasting error, or no time.

        Args:
            job: The lookup.
            parse: Makes a result of an answer, or raises what is wrong with it.

        Returns:
            What `parse` made.

        Raises:
            ElevenPhoneError: What the last attempt ended with.
        """
        bound = self._bind()
        loop, admission, watchdog = bound
        bulk = job.supervision is not None
        while True:
            permit = admission.enter_now(loop.time(), bulk) or await self._enter(job, bound)
            self._begin(job, permit, bound)
            ends = permit.started + job.timeout
            try:
                with watchdog.until(ends if ends < job.expires else job.expires):  # noqa: FURB136 - a call is dear
                    response = await self._transport.send(job.url)
                if (maximum := concurrency_hint(response.headers)) is not None:
                    self._limits.hint(maximum, permit.started)
                result = parse(response)
            except ElevenPhoneError as caught:
                error = caught
            except TimeoutError:
                error = _timed_out(job, permit.started)
            except BaseException:
                admission.withdraw(permit)
                raise
            else:
                self._end(job, permit, bound, None)
                self._found += 1
                self._quota.refund()
                return result
            self._end(job, permit, bound, error)
            wait = self._wait_before_next(job, error)
            if wait is None:
                # Raised out here, so that what hangs on it does not reach into the transport.
                self._failed += 1
                raise error
            job.last_error = error.with_traceback(None)
            self._retries += 1
            await (asyncio.sleep(wait) if job.supervision is None else job.supervision.sleep(wait))

    def _begin(self, job: Job, permit: Permit, bound: _Bound) -> None:
        try:
            job.begin_attempt(permit.started)
        except BaseException:
            self._failed += 1
            if job.attempts:
                job.elapsed = permit.started - job.started
            bound.admission.withdraw(permit)
            raise

    def _end(self, job: Job, permit: Permit, bound: _Bound, error: ElevenPhoneError | None) -> None:
        now = bound.loop.time()
        job.elapsed = now - job.started
        bound.admission.leave(permit, now, error)
        if _log.isEnabledFor(logging.DEBUG):
            milliseconds = (now - permit.started) * 1000
            outcome = "found" if error is None else error
            _log.debug("GET %s, attempt %d, %.0f ms: %s", job.url, job.attempts, milliseconds, outcome)

    async def _enter(self, job: Job, bound: _Bound) -> Permit:
        """Wait for a place in flight; a single lookup waits for no pause that ends after its deadline."""
        if job.supervision is not None:
            return await bound.admission.enter(bulk=True)
        ends = job.ends(bound.loop.time())
        try:
            async with asyncio.timeout_at(job.expires if job.attempts else None):
                return await bound.admission.enter(bulk=False, until=ends)
        except TimeoutError:
            if self._limits.asked_until > ends:
                why = "the server has asked for a pause beyond the lookup's deadline"
                failure = DeadlineExceededError(why, self._limits.paused_by)
            else:
                failure = DeadlineExceededError("the lookup's deadline passed in the queue", job.last_error)
        self._failed += 1
        raise failure

    def _wait_before_next(self, job: Job, error: ElevenPhoneError) -> float | None:
        """Say how many seconds to wait before the next attempt; `None`: there is none."""
        throttled = isinstance(error, RateLimitError)
        self._throttled += throttled
        job.throttled += throttled
        bulk = job.supervision is not None
        wait = self._bulk_wait(job, error) if bulk else job.retry.wait(error, job.attempts)
        if wait is None or asyncio.get_running_loop().time() + wait >= job.expires:
            return None
        return wait if bulk or self._quota.take() else None

    def _bulk_wait(self, job: Job, error: ElevenPhoneError) -> float | None:
        """Say how long a bulk lookup waits; it may go on past its policy's attempts.

        A 429 says nothing of the id. Of other passing errors, so many are the id's
        own only if mere chance would rarely make them in a row, given the share of
        all answers that fail: of a server that fails for everybody no id is lost,
        of a healthy one an id that always fails is given up soon.
        """
        if not is_passing(error):
            return None
        backoff = job.retry.backoff(error, job.attempts)
        if isinstance(error, RateLimitError):
            return backoff
        failures = job.attempts - job.throttled
        wait = job.retry.wait(error, failures)
        by_chance = self._limits.failing_share**failures > _NEVER_BY_CHANCE
        return backoff if wait is None and job.retry.attempts > 1 and by_chance else wait

    def _bind(self) -> _Bound:
        """Tie this to the running event loop at the first use, and refuse any other."""
        if self._closed:
            raise ConfigurationError("this client is closed: make a new one")
        loop = asyncio.get_running_loop()
        if self._bound is None:
            self._bound = _Bound(loop, Admission(self._limits, loop), Watchdog(loop))
        if self._bound.loop is not loop:
            raise ConfigurationError(
                "this client belongs to another event loop, where its connections are: "
                "make one client in each event loop"
            )
        return self._bound

    def stats(self) -> ClientStats:
        """Take a snapshot of the counters."""
        return ClientStats(
            requests=self._transport.requests,
            retries=self._retries,
            found=self._found,
            failed=self._failed,
            throttled=self._throttled,
            in_flight=self._limits.in_flight,
            concurrency_limit=self._limits.concurrency_limit,
            connections_opened=self._transport.connections_opened,
        )

    async def vacancy(self) -> None:
        """Wait until a bulk lookup could start that nobody waits for yet."""
        await self._bind().admission.vacancy()

    def outage_seconds(self) -> float:
        """Say for how long the server has been taken to be away; 0 where it is not."""
        away_since = self._limits.away_since
        return 0.0 if away_since is None or self._bound is None else self._bound.loop.time() - away_since

    async def aclose(self) -> None:
        """Refuse what comes, and close the transport.

        Raises:
            ConfigurationError: The connections belong to another event loop, which runs.
        """
        loop = None if self._bound is None else self._bound.loop
        if loop is not None and loop is not asyncio.get_running_loop() and not loop.is_closed():
            raise ConfigurationError(
                "this client belongs to another event loop, where its connections are: close it there"
            )
        self._closed = True
        if self._bound is not None:
            self._bound.watchdog.close()
        await self._transport.aclose()


def _timed_out(job: Job, started: float) -> ElevenPhoneError:
    if job.expires <= started + job.timeout:
        return DeadlineExceededError("the lookup's deadline passed", job.last_error)
    return RequestTimeoutError(f"no complete answer within {job.timeout:g} s")
