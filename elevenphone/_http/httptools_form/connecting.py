"""Making a connection: the name's addresses, the first of them that answers, TLS."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
import ssl
import threading
from typing import TypeAlias

import aiohappyeyeballs

from elevenphone._http.httptools_form.connection import Connection, Owner
from elevenphone._http.httptools_form.tls import TLSLayer

AddressInfo: TypeAlias = tuple[
    int | socket.AddressFamily,
    int | socket.SocketKind,
    int,
    str,
    tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes],
]

_ADDRESSES_LAST = 10.0
# A second address is tried beside the first after so long (RFC 8305, 5).
_NEXT_ADDRESS_AFTER = 0.25


class Connector:
    """Connects to one server.

    Args:
        host: A name or an address.
        port: A number.
        secure: Whether to speak TLS.
    """

    def __init__(self, host: str, port: int, *, secure: bool) -> None:
        self._host = host
        self._port = port
        self._secure = secure
        self._context: ssl.SSLContext | None = None
        self._addresses: list[AddressInfo] = []
        self._expires = 0.0
        self._resolving: asyncio.Task[list[AddressInfo]] | None = None
        self._waiting = 0

    async def connect(self, owner: Owner) -> Connection:
        """Make a connection.

        Args:
            owner: Who keeps it.

        Raises:
            socket.gaierror: The name does not resolve.
            UnicodeError: It cannot be a name.
            ssl.SSLError: The handshake failed; `SSLCertVerificationError` if the
                certificate is not trusted.
            OSError: No address answers.
        """
        loop = asyncio.get_running_loop()
        if self._secure and self._context is None:
            self._context = await loop.run_in_executor(None, tls_context)
        addresses = await self._resolve(loop)
        try:
            sock = await aiohappyeyeballs.start_connection(  # pyright: ignore[reportUnknownMemberType] - typed in parts
                addresses, happy_eyeballs_delay=_NEXT_ADDRESS_AFTER, interleave=1, loop=loop
            )
        except OSError:
            self._expires = 0.0  # perhaps it has moved
            raise
        connection = Connection(loop, owner)
        try:
            await self._attach(loop, sock, connection)
        except BaseException:
            # uvloop reports no end of a connection that was made at the moment of a cancellation.
            connection.close()
            owner.lost(connection)
            raise
        return connection

    async def _attach(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, connection: Connection
    ) -> None:
        """Put a connection on top of a socket, with TLS between them if it is needed."""
        if self._context is None:
            await loop.create_connection(lambda: connection, sock=sock)
            return
        layer = TLSLayer(loop, self._context, self._host.rstrip("."), connection)
        transport, _ = await loop.create_connection(lambda: layer, sock=sock)
        try:
            await layer.handshake
        except BaseException:
            transport.abort()
            raise

    async def _resolve(self, loop: asyncio.AbstractEventLoop) -> list[AddressInfo]:
        """Find the addresses. Connections that are made at the same time share one answer."""
        if loop.time() < self._expires:
            return self._addresses
        if self._resolving is None:
            self._resolving = loop.create_task(self._ask_for_addresses(loop))
        resolving = self._resolving
        self._waiting += 1
        try:
            return await asyncio.shield(resolving)
        finally:
            self._waiting -= 1
            if not self._waiting and not resolving.done():
                resolving.cancel()
                self._resolving = None

    async def _ask_for_addresses(self, loop: asyncio.AbstractEventLoop) -> list[AddressInfo]:
        try:
            flags = socket.AI_NUMERICHOST if _is_address(self._host) else socket.AI_ADDRCONFIG
            self._addresses = list(
                await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM, flags=flags)
            )
            self._expires = loop.time() + _ADDRESSES_LAST
            return self._addresses
        finally:
            if self._resolving is asyncio.current_task():
                self._resolving = None


def tls_context() -> ssl.SSLContext:
    """Load the system's authorities once for all clients; it takes some 25 ms, so do it in a thread."""
    with _loading:
        return _load_tls_context()


_loading = threading.Lock()


@functools.cache
def _load_tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
