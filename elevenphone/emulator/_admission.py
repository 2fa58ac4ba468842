"""What is refused before a number is looked for."""

from __future__ import annotations

import time
from urllib.parse import unquote

from aiohttp import web

from elevenphone.emulator import _envelopes as envelopes
from elevenphone.emulator._envelopes import Answer
from elevenphone.emulator._faults import TokenBucket
from elevenphone.emulator._outages import Outages
from elevenphone.emulator._settings import Settings
from elevenphone.emulator._stats import Counters, RecordedRequest

ROUTE = "/v1/convai/phone-numbers/"
LONGEST_ID = 512


class Exchange:
    """One request on its way through."""

    __slots__ = ("phone_number_id", "record", "request", "request_id")

    def __init__(self, request: web.BaseRequest, phone_number_id: str | None, request_id: str) -> None:
        self.request = request
        self.phone_number_id = phone_number_id
        self.request_id = request_id
        self.record: RecordedRequest | None = None


def phone_number_id_of(target: str) -> str | None:
    """Take the one segment from a request's target as it was sent, and decode it once."""
    path = target.partition("?")[0]
    segment = path.removeprefix(ROUTE)
    return None if segment == path or not segment or "/" in segment else unquote(segment)


class Admission:
    """Holds every request against the route, the key and the limits.

    Args:
        settings: Read anew at each request.
        counters: What has been done so far.

    Attributes:
        outages: Set while the emulator listens.
    """

    def __init__(self, settings: Settings, counters: Counters) -> None:
        self.outages: Outages | None = None
        self._settings = settings
        self._counters = counters
        self._bucket = TokenBucket()

    def refuse(self, exchange: Exchange) -> Answer | None:
        """Find what is wrong before the number is even looked for."""
        settings = self._settings
        if self.outages is not None and self.outages.unavailable:
            return envelopes.server_error(503)
        if exchange.phone_number_id is None:
            return envelopes.not_found()
        if exchange.request.method != "GET":
            return envelopes.method_not_allowed()
        refusal = self._refuse_key(exchange.request.headers.get("xi-api-key"))
        if refusal is not None:
            return refusal
        if len(exchange.phone_number_id) > LONGEST_ID:
            return envelopes.id_too_long(exchange.phone_number_id, LONGEST_ID)
        limit = settings.concurrency_limit
        if limit is not None and self._counters.in_flight >= limit:
            return envelopes.too_many_concurrent_requests(limit)
        if settings.rate_limit is not None and not self._admit(settings.rate_limit):
            return envelopes.rate_limit_exceeded(exchange.request_id)
        return None

    def _refuse_key(self, key: str | None) -> Answer | None:
        settings = self._settings
        if key is None:
            return envelopes.needs_authorization()
        if key != settings.api_key:
            return envelopes.invalid_api_key()
        if settings.missing_permission:
            return envelopes.missing_permissions()
        if settings.quota is not None and self._counters.answered >= settings.quota:
            return envelopes.quota_exceeded(settings.quota)
        return None

    def _admit(self, rate: float) -> bool:
        burst = self._settings.rate_burst
        return self._bucket.take(time.monotonic(), rate, max(1.0, rate / 10) if burst is None else burst)
