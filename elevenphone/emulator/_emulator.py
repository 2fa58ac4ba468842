"""`Emulator`: its settings, its start and its end."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from elevenphone import models
from elevenphone.emulator._dataset import Dataset
from elevenphone.emulator._listener import Listener
from elevenphone.emulator._outages import Outages
from elevenphone.emulator._responder import Responder
from elevenphone.emulator._settings import Settings
from elevenphone.emulator._stats import Counters, EmulatorStats, RecordedRequest


@dataclass(eq=False, repr=False)
class Emulator(Settings):
    """The API on your machine.

    Example:
        ```python
        async with Emulator(numbers=1_000, latency=0.06, concurrency_limit=10) as emulator:
            client = PhoneNumberClient(emulator.api_key, base_url=emulator.base_url)
        ```

    Every argument is also an attribute. You may change those from `latency` on while the
    emulator runs; a change applies from the next request on. A probability is a number
    from 0 to 1, and their sum is at most 1, because a request has at most one fault.
    Faults happen to requests with the right key that are within the limits. `seed` fixes
    their order, so a run of one request after another can be repeated.

    Args:
        numbers: The number of phone numbers.
        seed: The seed of the numbers, cursors, faults and latencies.
        api_key: The key that the emulator accepts.
        host: The address to listen on.
        port: The port to listen on; 0 lets the system choose.
        ssl_context: A server-side context, for HTTPS.
        record: Whether to keep every request in `requests`.
        latency: The time of an answer: seconds, or a `Latency`. A request that is refused
            (wrong key, limit, outage, `busy`) is answered at once.
        concurrency_limit: The most requests that are served at the same time. Further
            requests wait in the queue. If the queue is full, they get a 429
            `too_many_concurrent_requests`. `None` for no limit.
        queue: Places in the queue, where requests over `concurrency_limit` wait. They are
            served in the order of arrival. 0 for no queue, `math.inf` for one that is
            never full. A request leaves the queue when its client closes the connection.
        concurrency_hint: Whether answers carry the headers
            `current-concurrent-requests` and, if there is a limit,
            `maximum-concurrent-requests`.
        rate_limit: The most requests per second. Further requests get a 429
            `rate_limit_exceeded`. `None` for no limit.
        rate_burst: The most requests at once under `rate_limit`; `None` for the requests
            of a tenth of a second, at least 1.
        quota: The number of answers with 200. After them, every request gets a 401
            `quota_exceeded`. `None` for no quota.
        missing_permission: Whether the key lacks the permission for the routes. Then
            every request gets a 401 `missing_permissions`.
        retry_after: The header `retry-after` of every 429 and 503: seconds, or a text
            that is sent unchanged. `None` for no header.
        retry_after_ms: The header `retry-after-ms` of every 429 and 503.
        busy: Probability of 429 `system_busy`.
        server_errors: Probability of `server_error_status`.
        server_error_status: A status from 500 to 599.
        outage: Whether there is an outage now, of the kind `outage_kind`.
        outages: Future outages, as (start, duration) in seconds. The start counts from
            the start of the emulator.
        outage_kind: With `unavailable`, requests get a 503. With `refused`, the emulator
            drops all connections and refuses new ones. The port stays the same.
        drops: Probability that the connection is closed without an answer.
        resets: Probability that the connection is reset (RST).
        truncated: Probability that the connection is closed before the end of the body.
        slow_bodies: Probability that the body arrives byte by byte.
        slow_body_seconds: The time of such a body, in seconds.
        malformed: Probability that the body is the first half of the JSON.
        html_errors: Probability of a 502 with an HTML page.
        redirects: Probability of a 302 to `redirect_location`.
        redirect_location: Target of the redirects; `None` for the request's own path.
        expired_cursors: Probability that a request with a cursor gets a 400
            `invalid_cursor`. This and the next four faults happen only to listings.
        repeated_cursors: Probability that `next_cursor` of a page leads back to the second
            page.
        missing_cursors: Probability that a page has `"has_more": true` and
            `"next_cursor": null`.
        empty_pages: Probability that a page has no elements, but `"has_more": true` and a
            cursor for the next page.
        faulty_elements: Probability that the element in the middle of a page (or of the
            array of the older route) has `"label": null`.
        requests_per_connection: The number of requests after which the emulator closes a
            connection without notice. `None` for no limit.

    Raises:
        ValueError: An argument is out of its range, or an attribute that you set later.
    """

    def __post_init__(self) -> None:
        self._counters = Counters()
        self._dataset = Dataset(self.numbers, self.seed)
        self._responder = Responder(self, self._dataset, self._counters)
        self._listener: Listener | None = None
        self._outages: Outages | None = None
        self._port: int | None = None

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        outages: Outages | None = vars(self).get("_outages")
        if outages is not None and name in {"outage", "outage_kind"}:
            outages.follow()
        if outages is not None and name == "outages":
            outages.reschedule()
        if outages is not None and name == "concurrency_limit":
            self._responder.places.fill()

    async def start(self) -> None:
        """Start to listen.

        Raises:
            RuntimeError: The emulator was started before.
            OSError: The address is in use, or does not belong to this machine.
        """
        if self._listener is not None:
            raise RuntimeError("the emulator has been started already")
        listener = Listener(self._responder.respond, self._counters, self.ssl_context)
        await listener.bind(self.host, self.port)
        self._listener = listener
        self._port = listener.port
        self._responder.start_clock()
        self._outages = self._responder.admission.outages = Outages(self, listener)
        await listener.ready()

    async def aclose(self) -> None:
        """Stop at once: abandon the requests in flight and close all connections."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        if self._outages is not None:
            self._outages.cancel()
        self._outages = self._responder.admission.outages = None
        await self._responder.aclose()
        await listener.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def base_url(self) -> str:
        """Scheme, host and port, without a slash at the end.

        Raises:
            RuntimeError: The emulator has not been started.
        """
        if self._port is None:
            raise RuntimeError("the emulator has no port before it is started")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self.ssl_context is None else 'https'}://{host}:{self._port}"

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all its numbers."""
        return self._dataset.ids

    @property
    def unknown_ids(self) -> tuple[str, ...]:
        """Ids that no number has, so that they get a 404: one for every fifty numbers, at least one."""
        return self._dataset.unknown_ids

    @property
    def stats(self) -> EmulatorStats:
        """A snapshot of the emulator's counters."""
        return self._counters.snapshot()

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests so far in order of arrival, if `record` is set. You may clear the list."""
        return self._responder.recorded

    def number(self, phone_number_id: str) -> models.PhoneNumber:
        """Return the number that a lookup of this id finds.

        Args:
            phone_number_id: One of `ids`.

        Raises:
            KeyError: The id is not one of `ids`.
        """
        return self._dataset.number(phone_number_id)
