"""What the emulator counts and keeps."""

from __future__ import annotations

from http import HTTPStatus

import msgspec


class EmulatorStats(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the emulator has done since it was made, at one moment.

    A request counts once, by what it ended in: `answered`, `not_found`,
    `unauthorized`, `throttled`, `server_errors` or `faults`. Those refused with
    405 or 422, and those still in flight, are in `requests` alone.

    Attributes:
        requests: Requests received.
        answered: Answered 200 with a number.
        not_found: Answered 404.
        unauthorized: Answered 401.
        throttled: Answered 429.
        server_errors: Answered 5xx, HTML pages excluded.
        faults: Dropped, reset, truncated, slow, malformed, HTML or redirected.
        in_flight: Requests being served now; those refused at once never are.
        peak_in_flight: The most there have been.
        connections: Connections accepted.
    """

    requests: int = 0
    answered: int = 0
    not_found: int = 0
    unauthorized: int = 0
    throttled: int = 0
    server_errors: int = 0
    faults: int = 0
    in_flight: int = 0
    peak_in_flight: int = 0
    connections: int = 0


class RecordedRequest(msgspec.Struct, kw_only=True):
    """One request, as it arrived.

    Attributes:
        time: When it arrived, in seconds since the emulator was started.
        method: Its HTTP method.
        path: Its target as sent, percent-encoding and query included.
        phone_number_id: The id asked for, decoded; `None` on any other path.
        headers: Its headers by lower-cased name; of a repeated one, the last.
        status: The status it was answered with, set when it is; `None` before,
            and for good where the connection was closed instead.
    """

    time: float
    method: str
    path: str
    phone_number_id: str | None
    headers: dict[str, str]
    status: int | None = None


class Counters:
    """The counts behind `EmulatorStats`, as they change."""

    def __init__(self) -> None:
        self.requests = 0
        self.answered = 0
        self.not_found = 0
        self.unauthorized = 0
        self.throttled = 0
        self.server_errors = 0
        self.faults = 0
        self.in_flight = 0
        self.peak_in_flight = 0
        self.connections = 0

    def enter(self) -> None:
        """Count a request that is now being served."""
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)

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
        """Freeze the counts."""
        return EmulatorStats(**vars(self))
