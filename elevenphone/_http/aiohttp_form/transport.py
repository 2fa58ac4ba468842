"""`Transport` over a session of aiohttp's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import urlsplit

import aiohttp
from aiohttp import hdrs
from yarl import URL

from elevenphone._http.aiohttp_form.answers import read_body, translate
from elevenphone._http.aiohttp_form.connector import (
    ClosedUnansweredError,
    CountingConnector,
    Exchange,
    NotHTTPError,
    send_once,
    under_way,
)
from elevenphone._http.failures import Failures, unasked_encoding, unasked_transfer
from elevenphone._http.redaction import redacted
from elevenphone._http.uncopyable import Uncopyable
from elevenphone._http.watching import nobody_watches_aiohttp
from elevenphone._protocol.requests import USER_AGENT
from elevenphone.errors import ConfigurationError, ElevenPhoneError
from elevenphone.transport import Response

if TYPE_CHECKING:
    from aiohttp.client import _RequestOptions  # pyright: ignore[reportPrivateUsage] - no public name for it


class AiohttpTransport(Uncopyable):
    """Sends requests over an `aiohttp.ClientSession`, its own or a borrowed one.

    It follows no redirects, asks for no compression, keeps no cookies and does not use
    the environment's proxies, unless a borrowed session does. The first request makes
    its own session, in the event loop of that request.

    Args:
        api_key: The key, which is sent with each request.
        session: A session of the caller, which is not closed, or `None`.

    Attributes:
        form: Its name.
    """

    form: Literal["aiohttp"] = "aiohttp"

    def __init__(self, api_key: str, session: aiohttp.ClientSession | None = None) -> None:
        self.requests = 0
        self._api_key = api_key
        self._headers = {
            "xi-api-key": api_key,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": USER_AGENT,
        }
        self._borrowed = session
        self._own: aiohttp.ClientSession | None = None
        self._connector: CountingConnector | None = None
        self._closed = False
        self._sending: set[asyncio.Task[object]] = set()
        self._ended: set[asyncio.Task[object]] = set()
        self._server = URL()
        self._origin = "none yet"
        # The options of our own session are not repeated for each request.
        self._options: _RequestOptions = {"allow_redirects": False}

    @property
    def connections_opened(self) -> int:
        """Connections made so far; 0 with a borrowed session, which does not count them."""
        return 0 if self._connector is None else self._connector.opened

    async def send(self, url: str) -> Response:
        """GET a URL and read the whole answer; see `Transport.send`."""
        session = self._open_session()
        task = cast("asyncio.Task[object]", asyncio.current_task())
        cancelled_before = task.cancelling()
        # Each idle connection may be stale, and fails at most once.
        resends = 0 if self._connector is None else self._connector.kept()
        failure: BaseException
        self._sending.add(task)
        try:
            while True:
                self.requests += 1
                exchange = Exchange()
                under_way.set(exchange)
                try:
                    answer = await self._exchange(session, self._parsed(url))
                    if not exchange.connected and self._connector is not None:
                        _check_that_a_mock_answered()
                    return answer  # noqa: TRY300 - no way out but this one
                except ClosedUnansweredError:
                    # The server closed a kept-alive connection, so resend the request (RFC 9112, 9.3.1).
                    if resends and exchange.reused and not self._closed:
                        resends -= 1
                        continue
                    failure = self._failures(url).closed_unanswered()
                    break
        except (ElevenPhoneError, aiohttp.ClientError, OSError, UnicodeError, NotHTTPError) as error:
            failure = translate(error, self._failures(url))
        except asyncio.CancelledError as error:
            failure = asyncio.CancelledError(*error.args)
        finally:
            self._sending.discard(task)
        if self._closed:
            if task in self._ended:
                self._ended.discard(task)
                task.uncancel()
            if task.cancelling() <= cancelled_before:
                failure = ConfigurationError("this client is closed")
        # Raised out here, so that its traceback has no frame of aiohttp, whose locals hold the key.
        raise failure

    def _parsed(self, url: str) -> URL:
        """Parse a URL. If its server is that of the last URL, parse only its path, which is much faster."""
        if url.startswith(self._origin):
            return self._server.with_path(url[len(self._origin) - 1 :], encoded=True)
        self._server = URL(url, encoded=True)
        self._origin = url.removesuffix(self._server.raw_path_qs) + "/"
        return self._server

    def _failures(self, url: str) -> Failures:
        return Failures(urlsplit(url).netloc, self._api_key)

    async def _exchange(self, session: aiohttp.ClientSession, url: URL) -> Response:
        # Not `async with`: a fully read answer has given its connection back.
        answer = await session.get(url, **self._options)
        try:
            body = await read_body(answer)
        except BaseException:
            answer.close()
            raise
        encoding = answer.headers.get(hdrs.CONTENT_ENCODING, "")
        if encoding.lower() not in ("", "identity"):
            raise unasked_encoding(encoding, body, self._api_key)
        coding = answer.headers.get(hdrs.TRANSFER_ENCODING, "chunked")
        if coding.strip().lower() != "chunked":
            raise unasked_transfer(coding, self._api_key)
        return redacted(answer.status, answer.headers, body, self._api_key)

    def _open_session(self) -> aiohttp.ClientSession:
        session = self._own or self._borrowed
        if self._closed:
            raise ConfigurationError("this client is closed")
        if session is None:
            self._connector = CountingConnector()
            session = self._own = aiohttp.ClientSession(
                connector=self._connector,
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=_NO_TIMEOUT,
                auto_decompress=False,
            )
        elif session.closed:
            raise ConfigurationError("the aiohttp session that this client was given is closed")
        elif session is self._borrowed and "headers" not in self._options:
            self._borrow(session)
        return session

    def _borrow(self, session: aiohttp.ClientSession) -> None:
        """Check a session before its first use, and set the options of each request.

        Raises:
            ConfigurationError: It belongs to another event loop, in which using it may
                abort the process.
        """
        loop = _private(session, "_loop")
        if isinstance(loop, asyncio.AbstractEventLoop) and loop is not asyncio.get_running_loop():
            raise ConfigurationError(
                "the aiohttp session that this client was given belongs to another event loop: "
                "make it in the loop that uses it"
            )
        theirs = cast("Sequence[aiohttp.ClientMiddlewareType]", _private(session, "_middlewares"))
        self._options |= {
            "headers": self._headers,
            "raise_for_status": False,
            "auto_decompress": False,
            "timeout": _NO_TIMEOUT,
            "middlewares": (send_once, *theirs),
        }

    def renew(self) -> None:
        """Use none of the present connections for another request, but for those of a borrowed session."""
        if self._connector is not None:
            self._connector.distrust()

    async def aclose(self) -> None:
        """Cancel all requests, and close the transport's own session; a borrowed one stays open."""
        self._closed = True
        for task in self._sending - self._ended:
            self._ended.add(task)
            task.cancel()
        if self._own is not None:
            await self._own.close()


# The client bounds each attempt itself: aiohttp's clock would run while a request waits for a connection.
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


def _check_that_a_mock_answered() -> None:
    """Refuse an aiohttp that does not use our connector, because it would send requests again.

    Raises:
        ConfigurationError: aiohttp sent the request without our connector, and no mock answered.
    """
    if nobody_watches_aiohttp():
        raise ConfigurationError(
            f"aiohttp {aiohttp.__version__} connects in a way that this package does not know: "
            "install an earlier aiohttp, or httptools (pip install 'elevenphone[speed]')"
        )


def _private(session: aiohttp.ClientSession, name: str) -> object:
    """Read a private attribute of aiohttp, and raise an error if it is gone."""
    try:
        return getattr(session, name)
    except AttributeError:
        raise ConfigurationError(
            f"aiohttp {aiohttp.__version__} does not let this package use a session of yours "
            f"(ClientSession.{name} is gone): leave session out, or install an earlier aiohttp"
        ) from None
