"""Requests that are made in one turn of the event loop are written together, at its end."""

from __future__ import annotations

import asyncio

import pytest
import virtual_time

pytest.importorskip("httptools", reason="the extra is not installed: pip install 'elevenphone[speed]'")
from elevenphone._http.httptools_form.connection import ClosedUnansweredError, Connection
from elevenphone._http.httptools_form.pool import Pool

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class RecordingWire:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes, /) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def connections(pool: Pool, count: int) -> list[tuple[Connection, RecordingWire]]:
    pairs = [(Connection(asyncio.get_running_loop(), pool), RecordingWire()) for _ in range(count)]
    for connection, wire in pairs:
        connection.connection_made(wire)
    return pairs


def test_few_requests_are_written_at_once() -> None:
    async def main() -> None:
        ((connection, wire),) = connections(Pool(asyncio.get_running_loop()), 1)
        answer = connection.ask(b"GET /")
        assert wire.written == [b"GET /"]
        connection.received(ANSWER)
        assert (await answer)[0] == 200

    virtual_time.run(main())


def test_many_requests_are_written_at_the_end_of_the_turn() -> None:
    async def main() -> None:
        pairs = connections(Pool(asyncio.get_running_loop()), 20)
        answers = [connection.ask(b"GET /") for connection, _ in pairs]
        assert not any(wire.written for _, wire in pairs)
        await asyncio.sleep(0)
        assert all(wire.written == [b"GET /"] for _, wire in pairs)
        for connection, _ in pairs:
            connection.received(ANSWER)
        assert [(await answer)[2] for answer in answers] == [b"{}"] * 20

    virtual_time.run(main())


def test_a_request_that_was_cancelled_in_its_turn_is_not_written() -> None:
    async def main() -> None:
        (connection, wire), *_ = connections(Pool(asyncio.get_running_loop()), 20)
        connection.abandon(connection.ask(b"GET /"))
        await asyncio.sleep(0)
        assert (wire.written, wire.closed) == ([], True)

    virtual_time.run(main())


def test_what_comes_before_the_request_was_written_is_no_answer_to_it() -> None:
    async def main() -> None:
        (connection, wire), *_ = connections(Pool(asyncio.get_running_loop()), 20)
        answer = connection.ask(b"GET /")
        connection.received(ANSWER)
        with pytest.raises(ClosedUnansweredError):
            await answer
        assert (wire.written, wire.closed) == ([], True)

    virtual_time.run(main())


def test_a_connection_that_is_lost_before_the_request_was_written_is_one_that_was_stale() -> None:
    async def main() -> None:
        (connection, wire), *_ = connections(Pool(asyncio.get_running_loop()), 20)
        answer = connection.ask(b"GET /")
        connection.connection_lost(None)
        with pytest.raises(ClosedUnansweredError):
            await answer
        await asyncio.sleep(0)
        assert wire.written == []

    virtual_time.run(main())
