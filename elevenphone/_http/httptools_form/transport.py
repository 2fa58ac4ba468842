"""`Transport` over connections of its own."""

from __future__ import annotations

import asyncio
import functools
import warnings
from collections.abc import Callable
from typing import Literal

from elevenphone._http.failures import unasked_encoding, unasked_transfer
from elevenphone._http.httptools_form.connection import (
    ClosedUnansweredError,
    Connection,
    CutShortError,
    NotHTTPError,
    RawAnswer,
)
from elevenphone._http.httptools_form.headers import Layout, Layouts, RawHeaders
from elevenphone._http.httptools_form.server import Server
from elevenphone._http.limits import MAX_LENGTH_DIGITS
from elevenphone._http.redaction import body_without_key
from elevenphone._http.uncopyable import Uncopyable
from elevenphone.errors import ConfigurationError, ElevenPhoneError
from elevenphone.transport import Response


class HttptoolsTransport(Uncopyable):
    """Sends requests over HTTP/1.1, parsed by httptools.

    It follows no redirects, asks for no compression, keeps no cookies and does not use
    the environment's proxies.

    Args:
        api_key: Sent with each request.

    Attributes:
        form: Its name.
    """

    form: Literal["httptools"] = "httptools"

    def __init__(self, api_key: str) -> None:
        self.requests = 0
        self.connections_opened = 0
        self._api_key = api_key
        self._layouts = Layouts(api_key)
        self._servers: list[Server] = []
        self._server: Server | None = None
        self._connecting: set[asyncio.Task[Connection]] = set()
        self._closed = False

    async def send(self, url: str) -> Response:
        """GET a URL and read the answer whole; see `Transport.send`."""
        server = self._server
        if server is None or not url.startswith(server.address):
            server = self._find_server(url)
        connection = server.pool.take()
        answer: asyncio.Future[RawAnswer] | None = None
        while True:
            is_new = connection is None
            self.requests += 1
            failure: Exception
            try:
                if connection is None:
                    connection = await self._connect(server)
                answer = connection.ask(server.request(url))
                return self._read(await answer)
            except ClosedUnansweredError:
                if not is_new:
                    # The server closed a kept-alive connection: not this request's fault (RFC 9112, 9.3.1).
                    connection = None
                    continue
                failure = server.failures.closed_unanswered()
            except CutShortError:
                failure = server.failures.cut_short()
            except NotHTTPError as error:
                failure = server.failures.not_http(str(error))
            except UnicodeError as error:
                failure = server.failures.unknown(error)
            except ElevenPhoneError as error:
                failure = error.with_traceback(None)
            except BaseException:
                if connection is not None and answer is not None:
                    connection.abandon(answer)
                answer = None
                raise
            answer = None  # its text may show what came
            raise failure

    def renew(self) -> None:
        """Use none of the present connections for another request."""
        for server in self._servers:
            server.pool.renew()

    async def aclose(self) -> None:
        """Close every connection, and end every request under way; a second call does nothing."""
        self._closed = True
        self._server = None
        for task in self._connecting:
            task.cancel()
        for server in self._servers:
            server.pool.close(_closed())
        await asyncio.gather(*self._connecting, return_exceptions=True)
        for server in self._servers:
            await server.pool.all_lost()

    def __del__(self, _warn: Callable[..., None] = warnings.warn) -> None:
        """Warn of connections that nobody has closed."""
        left = sum(len(server.pool) for server in self._servers)
        if left:
            _warn(f"Unclosed client with {left} open connections", ResourceWarning, source=self)

    def _find_server(self, url: str) -> Server:
        if self._closed:
            raise _closed()
        for server in self._servers:
            if url.startswith(server.address):
                break
        else:
            server = Server(url, self._api_key, asyncio.get_running_loop())
            self._servers.append(server)
        self._server = server
        return server

    async def _connect(self, server: Server) -> Connection:
        """Make a connection; the end of the client ends that too."""
        connecting = asyncio.create_task(server.connector.connect(server.pool))
        self._connecting.add(connecting)
        task = asyncio.current_task()
        cancelled_before = task.cancelling() if task is not None else 0
        failure: Exception
        try:
            connection = await connecting
        except (asyncio.CancelledError, OSError, UnicodeError) as error:
            if connecting.done() and not connecting.cancelled() and connecting.exception() is None:
                connecting.result().close()  # made in the very moment
            if task is not None and task.cancelling() > cancelled_before:
                raise asyncio.CancelledError from None
            if self._closed:
                failure = _closed()
            elif isinstance(error, asyncio.CancelledError):
                raise
            else:
                failure = server.failures.connecting(error)
        else:
            self.connections_opened += 1
            if not connection.spoke_first:
                return connection
            failure = server.failures.not_http("the server sent something before it was asked")
        finally:
            self._connecting.discard(connecting)
        raise failure

    def _read(self, raw: RawAnswer) -> Response:
        """Make a `Response`.

        Raises:
            TransportError: It has an encoding that the client did not ask for.
        """
        status, values, body = raw
        layout = self._layouts.layout_of(values)
        if layout.is_encoded or (
            layout.length is not None and len(values[layout.length]) > MAX_LENGTH_DIGITS
        ):
            _check(layout, values, body, self._api_key)
        headers = RawHeaders(values, layout.names, self._api_key)
        return _response((status, headers, body_without_key(body, self._api_key)))


# As `Response(...)`, in a third of the time.
_response: Callable[[tuple[int, RawHeaders, bytes]], Response] = functools.partial(
    tuple.__new__,  # pyright: ignore[reportUnknownMemberType] - typeshed does not know the type of a tuple's items here
    Response,
)


def _closed() -> ConfigurationError:
    return ConfigurationError("this client is closed")


def _check(layout: Layout, values: dict[bytes, bytes], body: bytes, api_key: str) -> None:
    """Raise an error if the headers have an unexpected encoding, or an invalid length."""
    headers = RawHeaders(values, layout.names, api_key)
    if len(headers.get("content-length", "")) > MAX_LENGTH_DIGITS:
        raise NotHTTPError("its Content-Length has too many digits")
    encoding = headers.get("content-encoding", "")
    if encoding.lower() not in ("", "identity"):
        raise unasked_encoding(encoding, body, api_key)
    coding = headers.get("transfer-encoding", "chunked")
    if coding.strip().lower() != "chunked":
        raise unasked_transfer(coding, api_key)
