"""The emulator itself: its settings, and its life."""

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
    """The API on loopback.

    Example:
        ```python
        async with Emulator(numbers=1_000, latency=0.06, concurrency_limit=10) as emulator:
            client = PhoneNumberClient(emulator.api_key, base_url=emulator.base_url)
        ```

    Every argument is an attribute too. Those from `latency` on may be set while
    it runs and hold from the next request on. All probabilities are from 0 to 1
    and together at most 1: a request has one fault at most. Faults strike
    requests that pass the key and the limits, in an order fixed by `seed`, so
    that a run of one request after another can be repeated.

    Args:
        numbers: How many phone numbers there are.
        seed: What numbers, faults and latencies are made from.
        api_key: The key that is accepted.
        host: Address to listen on.
        port: Port to listen on; 0 lets the system choose.
        ssl_context: A server-side context, to speak HTTPS.
        record: Whether to keep every request in `requests`.
        latency: Time that an answer takes: seconds, or a `Latency`. What is
            refused at once (a bad key, a limit, an outage, `busy`) takes none.
        concurrency_limit: Most requests in flight; one more is answered 429
            `too_many_concurrent_requests`. `None` for no limit.
        concurrency_hint: Whether answers carry `current-concurrent-requests`
            and, if there is a limit, `maximum-concurrent-requests`.
        rate_limit: Most requests a second; one more is answered 429
            `rate_limit_exceeded`. `None` for no limit.
        rate_burst: How many requests may come at once under `rate_limit`;
            `None` for a tenth of a second's worth, at least 1.
        quota: How many lookups are answered 200 before the rest is answered 401
            `quota_exceeded`. `None` for no end.
        missing_permission: Whether the key lacks the right to this route, which
            is answered 401 `missing_permissions`.
        retry_after: Header `retry-after` of every 429 and 503: seconds, or text
            sent as it is. `None` for no header.
        retry_after_ms: Header `retry-after-ms` of every 429 and 503.
        busy: Probability of 429 `system_busy`.
        server_errors: Probability of `server_error_status`.
        server_error_status: A status from 500 to 599.
        outage: Whether there is an outage now, of the kind `outage_kind`.
        outages: Outages to come, as (start, duration) in seconds, counted from
            the start of the emulator.
        outage_kind: `unavailable` answers 503; `refused` drops all connections
            and refuses new ones, on the same port as before and after.
        drops: Probability that the connection is closed without an answer.
        resets: Probability that the connection is reset (RST).
        truncated: Probability that the connection is closed before the body
            is as long as Content-Length says.
        slow_bodies: Probability that the body comes byte by byte.
        slow_body_seconds: How long such a body takes.
        malformed: Probability that the body is broken JSON.
        html_errors: Probability of a 502 with an HTML page.
        redirects: Probability of a 302 to `redirect_location`.
        redirect_location: Where to; `None` for the request's own path.
        requests_per_connection: Requests after which a connection is closed,
            without a word in the last answer. `None` for no end.

    Raises:
        ValueError: An argument, or an attribute set later, is out of its range.
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

    async def start(self) -> None:
        """Start to listen.

        Raises:
            RuntimeError: It has been started already.
            OSError: The address cannot be had.
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
        """Stop at once: requests in flight are abandoned, connections closed."""
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
            RuntimeError: It has not been started.
        """
        if self._port is None:
            raise RuntimeError("the emulator has no port before it is started")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self.ssl_context is None else 'https'}://{host}:{self._port}"

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of its numbers, as many as `numbers`."""
        return self._dataset.ids

    @property
    def unknown_ids(self) -> tuple[str, ...]:
        """Ids that look alike and are answered 404: one to every fifty numbers, at least one."""
        return self._dataset.unknown_ids

    @property
    def stats(self) -> EmulatorStats:
        """What it has done so far."""
        return self._counters.snapshot()

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests so far in order of arrival, if `record` is set; may be cleared."""
        return self._responder.recorded

    def number(self, phone_number_id: str) -> models.PhoneNumber:
        """Tell what is answered for an id.

        Args:
            phone_number_id: One of `ids`.

        Raises:
            KeyError: It is not.
        """
        return self._dataset.number(phone_number_id)
