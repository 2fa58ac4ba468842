"""What the emulator counts and keeps."""

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
    """What the emulator has done since it was made.

    A request counts once, by how it ended: as `answered`, `not_found`,
    `unauthorized`, `throttled`, `server_errors` or `faults`. Requests answered
    400, 405 or 422, requests whose client left the queue, and requests that
    are not answered yet count in `requests` alone.

    Attributes:
        requests: Requests received.
        answered: Answered 200, with a number or a listing.
        not_found: Answered 404.
        unauthorized: Answered 401.
        throttled: Answered 429.
        server_errors: Answered 5xx, without those that are HTML pages.
        faults: Dropped, reset, truncated, slow, malformed, answered with an HTML
            page or redirected; and listings with a fault in their pages.
        in_flight: Requests being served now, without those that wait.
        peak_in_flight: The most requests served at the same time.
        waiting: Requests that wait in the queue now.
        peak_waiting: The most requests that waited at the same time.
        seconds_waited: Seconds that requests have waited, added up when a wait
            ends.
        connections: Connections accepted.
    """


class RecordedRequest(msgspec.Struct, kw_only=True):
    """One request, as it arrived.

    Attributes:
        time: When it arrived, in seconds since the emulator was started.
        method: Its HTTP method.
        path: Its path and query as they were sent, with percent-encoding.
        phone_number_id: The id asked for, decoded; `None` on any other route.
        headers: Its headers by lower-case name; the last value of a repeated one.
        status: The status of the answer; `None` until it is answered, and also
            if the connection is closed without an answer.
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
