"""Give connections to requests, so that each request is sent once, and only over a clean connection."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING
from weakref import WeakSet

import aiohttp

if TYPE_CHECKING:
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


class ClosedUnansweredError(Exception):
    """A connection ended before the answer began."""


class NotHTTPError(Exception):
    """The answer is not valid HTTP, or not an answer to this request."""


class Exchange:
    """The connector's facts about the request under way.

    Attributes:
        connected: Whether the request got a connection.
        reused: Whether the connection had served another request before.
    """

    __slots__ = ("connected", "reused")

    def __init__(self) -> None:
        self.connected = False
        self.reused = False


# aiohttp passes no argument of ours to its connector, but runs it in the caller's context.
under_way: ContextVar[Exchange] = ContextVar("elevenphone_exchange")


class CountingConnector(aiohttp.TCPConnector):
    """Sends each request once, and only over a connection without unexpected data.

    It sets no limit, because requests in flight are limited before they come here.
    """

    def __init__(self) -> None:
        super().__init__(limit=0)  # pyright: ignore[reportUnknownMemberType] - partly untyped in aiohttp
        self.opened = 0
        self._known: WeakSet[object] = WeakSet()
        self._distrusted: WeakSet[object] = WeakSet()

    def kept(self) -> int:
        """Count the open connections, in use or idle."""
        return len(self._known)

    def distrust(self) -> None:
        """Give none of the present connections to another request."""
        self._distrusted |= self._known

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> Connection:
        """Give a request its connection, once: on a second call, aiohttp is about to send it again."""
        exchange = under_way.get()
        if exchange.connected:
            raise ClosedUnansweredError
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            exchange.reused = protocol in self._known
            if not exchange.reused:
                self.opened += 1
                self._known.add(protocol)
            if protocol is None or not (protocol.should_close or protocol in self._distrusted):
                exchange.connected = True
                return connection
            connection.close()
            if not exchange.reused:
                raise NotHTTPError("the server sent something before it was asked")


async def send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Prevent aiohttp from sending a GET again, which it does after these two exceptions."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        raise ClosedUnansweredError from None
