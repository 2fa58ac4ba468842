"""The counters of the emulator, and the requests that it records."""

from __future__ import annotations

from http import HTTPStatus

import msgspec


class _Counts(msgspec.Struct, kw_only=True):
    requests: int = 0
    answered: int = 0
    not_found: int = 0
    unauthorized: int = 0
    throttled: int = 0
    server_errors: int = 0
    faults: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    waiting: int = 0
    peak_waiting: int = 0
    seconds_waited: float = 0.0
    connections: int = 0


class EmulatorStats(_Counts, frozen=True, gc=False):  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues] - msgspec allows what dataclasses do not
    """The counters of the emulator at one moment.

    Each request counts once, by its end: as `answered`, `not_found`, `unauthorized`,
    `throttled`, `server_errors` or `faults`. Three kinds count only in `requests`: requests
    that got a 400, 405 or 422, those whose client left the queue, and those without an
    answer yet.

    Attributes:
        requests: Requests received.
        answered: Requests that got a 200, with a number or a listing.
        not_found: Requests that got a 404.
        unauthorized: Requests that got a 401.
        throttled: Requests that got a 429.
        server_errors: Requests that got a 5xx, except for HTML pages.
        faults: Requests with a fault: dropped, reset, truncated, slow, malformed,
            redirected, answered with an HTML page, or with a fault in a page of a listing.
        in_flight: Requests that are being served now, without those in the queue.
        peak_in_flight: The most requests that were served at the same time.
        waiting: Requests in the queue now.
        peak_waiting: The most requests that were in the queue at the same time.
        seconds_waited: Seconds that requests have spent in the queue, all together.
        connections: Connections accepted.

    Example:
        ```python
        assert emulator.stats.requests == 3  # the client tried three times
        ```
    """


class RecordedRequest(msgspec.Struct, kw_only=True):
    """One request, as it arrived.

    Attributes:
        time: The time of its arrival, in seconds since the emulator was started.
        method: The HTTP method.
        path: The path and the query, percent-encoded as they were sent.
        phone_number_id: The requested id, decoded; `None` on the other routes.
        headers: The headers by lower-case name; the last value of a repeated header.
        status: The HTTP status of the answer, or `None` if there is no answer yet or the
            connection was closed without one.

    Example:
        ```python
        async with Emulator(record=True) as emulator:
            ...
            assert emulator.requests[0].headers["xi-api-key"] == emulator.api_key
        ```
    """

    time: float
    method: str
    path: str
    phone_number_id: str | None
    headers: dict[str, str]
    status: int | None = None


class Counters(_Counts):
    """The counts behind `EmulatorStats`, as they change."""

    def enter(self) -> None:
        """Count a request that is now being served."""
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)

    def wait(self) -> None:
        """Count a request that now waits in the queue."""
        self.waiting += 1
        self.peak_waiting = max(self.peak_waiting, self.waiting)

    def leave(self) -> None:
        """Count a request that is no longer being served."""
        self.in_flight -= 1

    def count(self, status: int) -> None:
        """Count an answer by its status."""
        if status == HTTPStatus.OK:
            self.answered += 1
        elif status == HTTPStatus.NOT_FOUND:
            self.not_found += 1
        elif status == HTTPStatus.UNAUTHORIZED:
            self.unauthorized += 1
        elif status == HTTPStatus.TOO_MANY_REQUESTS:
            self.throttled += 1
        elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.server_errors += 1

    def snapshot(self) -> EmulatorStats:
        """Return the counts of this moment."""
        return EmulatorStats(**msgspec.structs.asdict(self))
