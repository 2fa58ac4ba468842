"""The listening socket, which can refuse connections for a while, and the connections."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable

from aiohttp import web

from elevenphone.emulator._stats import Counters

_BACKLOG = 4_096
# A request whose id is far too long must still be read, to be answered 422.
_LONGEST_LINE = 128 * 1_024
_SECONDS_TO_CLOSE = 0.1
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

_NO_ACCESS_LOG = logging.getLogger(f"{__name__}.access")
_NO_ACCESS_LOG.setLevel(logging.CRITICAL)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(web.RequestHandler):
    """One connection from a client.

    Attributes:
        closed: Done once the connection is closed.
    """

    __slots__ = ("_counters", "_open", "_requests", "closed")

    def __init__(self, server: web.Server, counters: Counters, open_connections: set[Connection]) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            server, loop=loop, access_log=_NO_ACCESS_LOG, max_line_size=_LONGEST_LINE, lingering_time=0
        )
        self.closed: asyncio.Future[None] = loop.create_future()
        self._requests = 0
        self._counters = counters
        self._open = open_connections

    def count_request(self, most: int | None) -> None:
        """Count a request; after `most` of them, close the connection once it is answered."""
        self._requests += 1
        if most is not None and self._requests >= most:
            self.close()  # without a `connection: close` in the answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        self._counters.connections += 1
        self._open.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._open.discard(self)
        if not self.closed.done():
            self.closed.set_result(None)
        super().connection_lost(exc)


def drop(connection: web.RequestHandler, *, reset: bool = False) -> None:
    """Close a connection at once and discard what is not sent yet.

    Args:
        connection: The connection.
        reset: Whether to send RST instead of FIN.
    """
    transport = connection.transport
    if transport is None:
        return
    if reset:
        raw: socket.socket = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # the client may have closed it first
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()


class Listener:
    """Listens on one address, and keeps it while connections are refused.

    Attributes:
        port: The port, known once `bind` is done.
    """

    def __init__(self, handler: Handler, counters: Counters, ssl_context: ssl.SSLContext | None) -> None:
        self._manager = web.Server(handler)
        self._counters = counters
        self._ssl_context = ssl_context
        self._open: set[Connection] = set()
        self._server: asyncio.AbstractServer | None = None
        self._attaching: asyncio.Task[None] | None = None
        self._reserved: socket.socket | None = None
        self._refusing = False
        self._family = socket.AF_INET
        self._address = ""
        self.port = 0

    async def bind(self, host: str, port: int) -> None:
        """Take an address, without listening on it yet.

        Raises:
            OSError: The address is in use, or not one of this machine.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        self._family, _, _, _, address = found[0]
        self._address, self.port = str(address[0]), port
        self._reserve()

    def _reserve(self) -> None:
        """Hold the address: connections to a socket that is bound and does not listen are refused."""
        bound = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setblocking(False)
            bound.bind((self._address, self.port))
        except OSError:
            bound.close()
            raise
        self.port = bound.getsockname()[1]
        self._reserved = bound

    async def ready(self) -> None:
        """Wait until the event loop takes connections, if `resume` was called."""
        if self._attaching is not None:
            await self._attaching

    def resume(self) -> None:
        """Take connections again; until the event loop accepts them they wait in the backlog."""
        self._refusing = False
        if self._reserved is not None:
            reserved, self._reserved = self._reserved, None
            reserved.listen(_BACKLOG)
            self._attaching = asyncio.get_running_loop().create_task(self._attach(reserved))

    def refuse(self) -> None:
        """Drop all connections and refuse new ones; keep the address."""
        self._refusing = True
        # If `_attach` is under way, it does this itself when it is done.
        if self._server is not None:
            self._stop(self._server)

    async def _attach(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._manager, self._counters, self._open),
            sock=listening,
            backlog=_BACKLOG,
            ssl=self._ssl_context,
        )
        if self._refusing:
            self._stop(self._server)

    def _stop(self, server: asyncio.AbstractServer) -> None:
        self._server = None
        server.close()
        self._drop_all()
        self._reserve()

    def _drop_all(self) -> None:
        for connection in tuple(self._open):
            drop(connection)

    async def aclose(self) -> None:
        """Stop listening and close all connections."""
        await self.ready()
        if self._server is not None:
            self._server.close()
        if self._reserved is not None:
            self._reserved.close()
        self._server = self._reserved = None
        gone = [connection.closed for connection in self._open]
        self._manager.pre_shutdown()
        await self._manager.shutdown(_SECONDS_TO_CLOSE)
        self._drop_all()
        if gone:
            await asyncio.wait(gone, timeout=_SECONDS_TO_CLOSE)
