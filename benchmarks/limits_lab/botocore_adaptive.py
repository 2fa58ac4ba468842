"""botocore's adaptive retry mode on a virtual clock.

The classes are botocore's own: the client rate limiter with its CUBIC rate, its rate
clock and token bucket, the exponential backoff and the retry quota. One thing is
ours: where botocore blocks its thread until the bucket has a token, the same wait is
awaited. What it would read from AWS's error codes is read from the status.
"""

from __future__ import annotations

import asyncio

import msgspec
from botocore.exceptions import CapacityNotAvailableError
from botocore.retries.adaptive import ClientRateLimiter, RateClocker
from botocore.retries.bucket import TokenBucket
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import ExponentialBackoff, RetryQuotaChecker
from botocore.retries.throttling import CubicCalculator

from elevenphone import ConnectionFailedError, Response
from limits_lab.peers import PASSING, RefusedError
from limits_lab.simulation import SimulatedTransport

_THROTTLED = 429


class _LoopClock:
    def current_time(self) -> float:
        return asyncio.get_running_loop().time()


class _Context(msgspec.Struct):
    """What botocore's backoff looks at after an attempt."""

    status: int
    attempt_number: int
    http_response: None = None


class _StatusDetector:
    """Takes 429 for throttling, as botocore does where the service's model says nothing."""

    def is_throttling_error(self, *, status: int) -> bool:
        return status == _THROTTLED

    def is_throttling_error_from_context(self, context: _Context) -> bool:
        return context.status == _THROTTLED


class AdaptiveRetries:
    """Sends as a client with `retries={"mode": "adaptive", "max_attempts": attempts}` does."""

    def __init__(self, transport: SimulatedTransport, attempts: int) -> None:
        clock = _LoopClock()
        self._transport = transport
        self._attempts = attempts
        self._bucket = TokenBucket(max_rate=1, clock=clock)
        self._throttled = False
        self._limiter = ClientRateLimiter(
            rate_adjustor=CubicCalculator(starting_max_rate=0, start_time=clock.current_time()),
            rate_clocker=RateClocker(clock),
            token_bucket=self._bucket,
            throttling_detector=_StatusDetector(),
            clock=clock,
        )
        self._backoff = ExponentialBackoff(throttling_detector=_StatusDetector())
        self._quota = RetryQuota()

    async def look_up(self, phone_number_id: str) -> Response:
        """Look one id up.

        Raises:
            RefusedError: The attempts are used up, or the retry quota is.
        """
        held = 0
        for attempt in range(1, self._attempts + 1):
            await self._wait_for_token()
            status, response = await self._send(phone_number_id)
            self._throttled = self._throttled or status == _THROTTLED
            self._limiter.on_receiving_response(status=status)
            if response is not None and status not in PASSING:
                self._quota.release(held or RetryQuotaChecker._NO_RETRY_INCREMENT)  # noqa: SLF001
                return response
            context = _Context(status, attempt)
            held = self._cost(status)
            if attempt == self._attempts or not self._quota.acquire(held):
                break
            await asyncio.sleep(self._backoff.delay_amount(context))
        raise RefusedError

    async def _send(self, phone_number_id: str) -> tuple[int, Response | None]:
        try:
            response = await self._transport.send(phone_number_id)
        except ConnectionFailedError:
            return 0, None
        return response.status, response

    def _cost(self, status: int) -> int:
        checker = RetryQuotaChecker
        throttled = status == _THROTTLED
        return int(checker._THROTTLING_RETRY_COST if throttled else checker._RETRY_COST)  # noqa: SLF001

    async def _wait_for_token(self) -> None:
        while self._throttled:  # the limiter takes tokens from the first throttled answer on
            try:
                self._bucket.acquire(block=False)
            except CapacityNotAvailableError:
                await asyncio.sleep(max(self._bucket._sleep_amount(1), 1e-6))  # noqa: SLF001
            else:
                return
