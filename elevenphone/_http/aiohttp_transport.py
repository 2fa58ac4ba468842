"""How bytes travel: the `Transport` protocol, and its form on aiohttp.

The only module that imports aiohttp's client, and the only place where its
exceptions become ours.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import aiohttp
from aiohttp import hdrs
from yarl import URL

from elevenphone._http.redaction import redacted, without_key
from elevenphone._protocol.requests import USER_AGENT
from elevenphone.errors import (
    ConfigurationError,
    ConnectionFailedError,
    ProtocolError,
    RequestTimeoutError,
    ResponseTooLargeError,
    TransportError,
)
from elevenphone.transport import Response

if TYPE_CHECKING:
    from aiohttp.client import _RequestOptions  # pyright: ignore[reportPrivateUsage] - no public name for it
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

MAX_BODY_BYTES = 1_048_576
"""Longest body that is read; a phone number's is about 1,000 bytes."""

_LONGEST_MESSAGE = 300


class AiohttpTransport:
    """`Transport` over an `aiohttp.ClientSession`, its own or a borrowed one.

    Redirects are not followed, compression is not asked for, no cookie is kept
    and the environment's proxies are not looked at, unless a borrowed session
    says so. A session of its own is made by the first request, in that request's
    event loop.
    """

    def __init__(self, api_key: str, session: aiohttp.ClientSession | None = None) -> None:
        self.requests = 0
        self.connections_opened = 0
        self._api_key = api_key
        self._headers = {
            "xi-api-key": api_key,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": USER_AGENT,
        }
        self._borrowed = session is not None
        self._closed = False
        self._session = session
        self._server = URL()
        self._origin = "none yet"
        # What a session of its own has been made with is not said again for each request.
        self._options: _RequestOptions = {"allow_redirects": False}
        if session is not None:
            # aiohttp has no public way to add a middleware to those that a session has.
            theirs: Sequence[aiohttp.ClientMiddlewareType] = getattr(session, "_middlewares", ())
            self._options |= {
                "headers": self._headers,
                "raise_for_status": False,
                "auto_decompress": False,
                "timeout": _NO_TIMEOUT,
                "middlewares": (_send_once, *theirs),
            }

    async def send(self, url: str) -> Response:
        """GET a URL and read the answer whole; see `Transport.send`."""
        while True:
            session = self._open_session()
            self.requests += 1
            if _connected.get(False):
                _connected.set(False)
            failure: TransportError | asyncio.CancelledError
            try:
                return await self._exchange(session, self._parsed(url))
            except _ClosedUnansweredError as error:
                # The server had closed a kept-alive connection: no fault of this request's (RFC 9112, 9.3.1).
                if not self._borrowed and not _connected.get(False):
                    continue
                failure = self._failure(error.reason, url)
            except (TransportError, aiohttp.ClientError, OSError, UnicodeError) as error:
                failure = self._failure(error, url)
            except asyncio.CancelledError as error:
                failure = asyncio.CancelledError(*error.args)
            # Anew and out here, so that no frame of aiohttp's, whose locals hold the key, hangs on it.
            raise failure

    def _parsed(self, url: str) -> URL:
        """Parse a URL; where its server is that of the last, only its path, which is much cheaper."""
        if url.startswith(self._origin):
            return self._server.with_path(url[len(self._origin) - 1 :], encoded=True)
        self._server = URL(url, encoded=True)
        self._origin = url.removesuffix(self._server.raw_path_qs) + "/"
        return self._server

    def _failure(self, error: Exception, url: str) -> TransportError:
        failure = _translate(error, url)
        return type(failure)(without_key(str(failure), self._api_key)[:_LONGEST_MESSAGE])

    async def _exchange(self, session: aiohttp.ClientSession, url: URL) -> Response:
        try:
            # Not `async with`: an answer that has been read whole has given its connection back.
            answer = await session.get(url, **self._options)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise _ClosedUnansweredError(error) from None
        try:
            length = answer.content_length
            if length is not None and length <= MAX_BODY_BYTES:
                body = await answer.read()
            else:
                body = await _read_capped(answer)
        except BaseException:
            answer.close()
            raise
        encoding = answer.headers.get(hdrs.CONTENT_ENCODING, "identity")
        if encoding.lower() not in ("", "identity"):
            raise _unasked_encoding(encoding, body)
        return redacted(answer.status, answer.headers, body, self._api_key)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._closed or (self._session is not None and self._session.closed):
            whose = "the aiohttp session that this client was given" if self._borrowed else "this client"
            raise ConfigurationError(f"{whose} is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=_CountingConnector(self),
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=_NO_TIMEOUT,
                auto_decompress=False,
            )
            if hasattr(self._session, "_retry_connection"):
                # Private, but without cost; a middleware, the public way, is two more coroutines a request.
                self._session._retry_connection = False  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
            else:
                self._options["middlewares"] = (_send_once,)
        return self._session

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied: the key would travel along."""
        raise ConfigurationError(
            "a client holds a key and connections, and cannot be copied: make one in each process"
        )

    async def aclose(self) -> None:
        """Close a session of its own; a borrowed one is left open."""
        self._closed = True
        if self._session is not None and not self._borrowed:
            await self._session.close()


# The client bounds each attempt itself: aiohttp's clock would run while a request waits for a connection.
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)

_connected: ContextVar[bool] = ContextVar("elevenphone_connected")
"""Whether the request under way in this task made a connection rather than reuse one."""


class _CountingConnector(aiohttp.TCPConnector):
    """A connector that tells which requests opened a connection.

    It sets no limit: how many are in flight is decided before a request comes here.
    """

    def __init__(self, transport: AiohttpTransport) -> None:
        super().__init__(limit=0)  # pyright: ignore[reportUnknownMemberType] - partly untyped in aiohttp
        self._transport = transport

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> ResponseHandler:
        self._transport.connections_opened += 1
        _connected.set(True)
        return await super()._create_connection(req, traces, timeout)

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        """Reuse no connection on which more came than was asked for: it would pass for the next answer."""
        while (connection := await super()._get(key, traces)) is not None:
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()
        return None


class _ClosedUnansweredError(Exception):
    """A connection ended before a byte of the answer."""

    def __init__(self, reason: Exception) -> None:
        self.reason = reason


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a GET again by itself, which it does on just these two exceptions."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _ClosedUnansweredError(error) from None


async def _read_capped(response: aiohttp.ClientResponse) -> bytes:
    chunks: list[bytes] = []
    room = MAX_BODY_BYTES
    async for chunk in response.content.iter_any():
        room -= len(chunk)
        if room < 0:
            raise _too_large()
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large() -> ResponseTooLargeError:
    return ResponseTooLargeError(
        f"the answer is longer than {MAX_BODY_BYTES:,} bytes, which no phone number is; reading stopped"
    )


def _unasked_encoding(encoding: str, body: bytes) -> TransportError:
    """Say what is wrong with a body compressed though `identity` was asked for."""
    inflater = zlib.decompressobj(wbits=47)  # gzip or zlib, told apart by their headers
    try:
        inflated = inflater.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error:
        inflated = b""
    if len(inflated) > MAX_BODY_BYTES:
        return _too_large()
    cut = "" if inflater.eof else ", and it is cut short or damaged"
    return ProtocolError(
        f"the answer is compressed ({encoding!r}) though that was not asked for{cut}; "
        "is there a proxy in between?"
    )


def _translate(error: Exception, url: str) -> TransportError:
    """Map what aiohttp raises to what this package raises, the most specific first."""
    host = urlsplit(url).netloc
    match error:
        case TransportError():
            return error
        case TimeoutError():
            return RequestTimeoutError(f"{host}: timed out in the session's own settings")
        case aiohttp.ClientConnectorCertificateError():
            return ConnectionFailedError(
                f"{host}: its TLS certificate is not trusted: {error.certificate_error}"
            )
        case aiohttp.ClientConnectorDNSError():
            return ConnectionFailedError(f"{host}: the name could not be resolved: {error.os_error}")
        case aiohttp.ClientConnectorError():
            return ConnectionFailedError(f"{host}: could not connect: {error.os_error}")
        case aiohttp.ClientPayloadError():
            return ConnectionFailedError(f"{host}: the answer was cut short")
        case aiohttp.ClientResponseError():
            # aiohttp makes up a status of 400 here; nothing readable came from the server.
            return ProtocolError(f"{host}: the answer is not HTTP: {' '.join(error.message.split())}")
        case aiohttp.ServerDisconnectedError():
            return ConnectionFailedError(f"{host}: the connection was closed before an answer")
        case UnicodeError():
            return TransportError(f"{host}: is not the name of a host: {error}")
        case aiohttp.ClientConnectionError() | OSError():
            return ConnectionFailedError(f"{host}: the connection failed: {error}")
        case _:
            return TransportError(f"{host}: {type(error).__name__}: {error}")
