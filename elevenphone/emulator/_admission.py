"""What is refused before a request is served."""

from __future__ import annotations

import time

from elevenphone.emulator import _envelopes as envelopes
from elevenphone.emulator._envelopes import Answer
from elevenphone.emulator._exchange import Exchange
from elevenphone.emulator._limits import Places, TokenBucket
from elevenphone.emulator._outages import Outages
from elevenphone.emulator._settings import Settings
from elevenphone.emulator._stats import Counters


class Admission:
    """Checks every request against the outages, the routes, the key and the limits.

    Args:
        settings: The settings, read at each request.
        counters: How many requests have been answered.
        places: Whether there is a place for one more.

    Attributes:
        outages: Set while the emulator listens.
    """

    def __init__(self, settings: Settings, counters: Counters, places: Places) -> None:
        self.outages: Outages | None = None
        self._settings = settings
        self._counters = counters
        self._places = places
        self._bucket = TokenBucket()

    def refuse(self, exchange: Exchange) -> Answer | None:
        """Return the answer that refuses a request, or `None` to serve it."""
        settings = self._settings
        if self.outages is not None and self.outages.unavailable:
            return envelopes.server_error(503)
        if exchange.target is None:
            return envelopes.not_found()
        if exchange.request.method != "GET":
            return envelopes.method_not_allowed()
        refusal = self._refuse_key(exchange.request.headers.get("xi-api-key"))
        if refusal is not None:
            return refusal
        if self._places.full:
            return envelopes.too_many_concurrent_requests(settings.concurrency_limit or 0)
        if settings.rate_limit is not None and not self._take_token(settings.rate_limit):
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

    def _take_token(self, rate: float) -> bool:
        burst = self._settings.rate_burst
        return self._bucket.take(time.monotonic(), rate, max(1.0, rate / 10) if burst is None else burst)
