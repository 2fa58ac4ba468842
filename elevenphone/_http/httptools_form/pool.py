"""The connections to one server, in use or idle."""

from __future__ import annotations

import asyncio

from elevenphone._http.httptools_form.connection import Connection

_SWEEP_SECONDS = 5.0
_IDLE_SWEEPS = 3
_LAST_TURNS = 20
# Where fewer connections are in use, each request is written at once.
_MANY = 8


class Pool:
    """Keeps connections alive; the one that was used last is taken first.

    It has no limit of its own: how many requests are in flight is decided before
    they come here. A connection that has waited for 15 s is closed, within 5 s.

    Of many requests, those that are made in one turn of the event loop are written one
    after another at its end: a system call costs less when the one before was the same,
    and so does the Python in between that is not interrupted by them.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._distrusted: set[Connection] = set()
        self._to_write: list[Connection] = []
        self._sweeps = 0
        self._next_sweep: asyncio.TimerHandle | None = None
        self._closed_by: Exception | None = None

    def __len__(self) -> int:
        return len(self._all)

    def take(self) -> Connection | None:
        """Take an idle connection, or `None` if there is none."""
        return self._idle.pop() if self._idle else None

    def opened(self, connection: Connection) -> None:
        """Take note of a new connection; one that comes after the pool was closed is closed at once."""
        self._all.add(connection)
        if self._closed_by is not None:
            connection.close(self._closed_by)

    def renew(self) -> None:
        """Use none of the present connections for another request."""
        self._distrusted |= self._all
        while self._idle:
            self._idle[-1].close()

    def put(self, connection: Connection) -> None:
        """Take back a connection that may serve another request."""
        if self._distrusted and connection in self._distrusted:
            connection.close()
            return
        connection.idle_since = self._sweeps
        self._idle.append(connection)
        if self._next_sweep is None:
            self._next_sweep = self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    def writes_soon(self, connection: Connection) -> bool:
        """Let a connection write its request at the end of this turn, if many are in use."""
        if len(self._all) - len(self._idle) < _MANY:
            return False
        if not self._to_write:
            self._loop.call_soon(self._write)
        self._to_write.append(connection)
        return True

    def _write(self) -> None:
        to_write, self._to_write = self._to_write, []
        for connection in to_write:
            connection.write_request()

    def lost(self, connection: Connection) -> None:
        """Take note of the end of a connection."""
        self.retire(connection)
        self._all.discard(connection)
        self._distrusted.discard(connection)

    def close(self, reason: Exception) -> None:
        """Close all connections; requests in flight end with the reason."""
        self._closed_by = reason
        if self._next_sweep is not None:
            self._next_sweep.cancel()
            self._next_sweep = None
        self._idle.clear()
        for connection in list(self._all):
            try:
                connection.close(reason)
            except RuntimeError:  # its event loop was closed first: the socket closes with its last reference
                self._all.discard(connection)

    def retire(self, connection: Connection) -> None:
        """Give a connection to no other request: it is about to end."""
        if connection in self._idle:
            self._idle.remove(connection)

    async def all_lost(self) -> None:
        """Let all connections end, which takes a turn or two of the event loop, and never wait for long."""
        for _ in range(_LAST_TURNS):
            if not self._all:
                return
            await asyncio.sleep(0)

    def _sweep(self) -> None:
        """Close connections that were idle for too long. They are first, since the last is taken first."""
        self._sweeps += 1
        while self._idle and self._sweeps - self._idle[0].idle_since > _IDLE_SWEEPS:
            self._idle.pop(0).close()
        self._next_sweep = self._loop.call_later(_SWEEP_SECONDS, self._sweep) if self._idle else None
