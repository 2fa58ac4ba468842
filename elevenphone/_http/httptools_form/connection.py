"""One connection: it sends one request at a time, and hands over the answer."""

from __future__ import annotations

import asyncio
import functools
from typing import Protocol, TypeAlias, cast

import httptools

from elevenphone._http.httptools_form.receiver import Receiver
from elevenphone._http.limits import (
    LEAST_STATUS,
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    too_large,
)
from elevenphone._http.uncopyable import Uncopyable

RawAnswer: TypeAlias = tuple[int, dict[bytes, bytes], bytes]
"""Status, headers as they came (of equal names the first), and body."""

_LONGEST_ANSWER = MAX_HEAD_BYTES + MAX_BODY_BYTES
_INTERIM = range(100, 200)


class ClosedUnansweredError(Exception):
    """The connection ended before a byte of the answer."""


class CutShortError(Exception):
    """The connection ended in the middle of the answer."""


class NotHTTPError(Exception):
    """The answer is not valid HTTP, or not an answer to this request."""


class Wire(Protocol):
    """The methods of a transport that a connection uses: asyncio's, uvloop's, or `TLSLayer`."""

    def write(self, data: bytes, /) -> None:
        """Send."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


class Owner(Protocol):
    """The owner of connections; see `Pool`."""

    def opened(self, connection: Connection) -> None:
        """Take note of a new connection."""
        ...

    def put(self, connection: Connection) -> None:
        """Take back a connection that may serve another request."""
        ...

    def writes_soon(self, connection: Connection) -> bool:
        """Say whether `write_request` will be called soon; if not, the request is to be written now."""
        ...

    def lost(self, connection: Connection) -> None:
        """Take note of the end of a connection."""
        ...

    def retire(self, connection: Connection) -> None:
        """Give a connection to no other request: it is about to end."""
        ...


class Connection(Uncopyable, Receiver):
    """An open connection, and the parser of its answers.

    Unexpected bytes, before a request or after the end of an answer, close it, because
    they could be taken for the next answer.

    Args:
        loop: The running event loop.
        owner: Gets it back after each answer, unless it has ended.

    Attributes:
        idle_since: For the owner's use.
        spoke_first: Whether the server sent unexpected bytes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner) -> None:
        super().__init__()
        self.idle_since = 0
        self.spoke_first = False
        self._loop = loop
        self._owner = owner
        self._wire: Wire | None = None
        self._waiter: asyncio.Future[RawAnswer] | None = None
        self._request: bytes | None = None  # until it is written
        self._received = 0
        self._keeps_alive = False
        self._speaks_http_1 = False
        self._answer: RawAnswer | None = None
        self._refusal: Exception | None = None
        # The parser calls these for each header, piece, beginning and head; built-in methods are the fastest.
        headers: dict[bytes, bytes] = {}
        pieces: list[bytes] = []
        begun: list[None] = []
        heads: list[None] = []
        self.on_header = headers.setdefault
        self.on_body = pieces.append
        self.on_message_begin = functools.partial(begun.append, None)
        self.on_headers_complete = functools.partial(heads.append, None)
        self._headers = headers
        self._pieces = pieces
        self._begun = begun  # as long as there were beginnings of answers since the request
        self._heads = heads  # not empty between the end of a head and that of its answer
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def ask(self, request: bytes) -> asyncio.Future[RawAnswer]:
        """Send a request.

        Returns:
            The answer to come. It raises `ClosedUnansweredError`, `CutShortError`,
            `NotHTTPError` or `ResponseTooLargeError`, and the connection is closed then.
        """
        waiter = self._loop.create_future()
        if self._wire is None:
            waiter.set_exception(ClosedUnansweredError)
        else:
            self._received = 0
            self._begun.clear()
            self._waiter = waiter
            if self._owner.writes_soon(self):
                self._request = request
            else:
                self._wire.write(request)
        return waiter

    def write_request(self) -> None:
        """Write what `ask` was to send, unless the connection has been closed since."""
        request, self._request = self._request, None
        if request is not None and self._wire is not None:
            self._wire.write(request)

    def close(self, reason: Exception | None = None) -> None:
        """Close at once.

        Args:
            reason: The error of the request under way, or `None` if there is none.
        """
        waiter, self._waiter = self._waiter, None
        self._request = None
        self._owner.retire(self)
        if self._wire is not None:
            self._wire.abort()
        if reason is not None and waiter is not None and not waiter.done():
            waiter.set_exception(reason)

    def abandon(self, waiter: asyncio.Future[RawAnswer]) -> None:
        """Close, unless the answer has come and another request may be under way by now."""
        if self._waiter is waiter:
            self.close()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport | Wire) -> None:
        """Keep the transport."""
        self._wire = cast("Wire", transport)
        self._owner.opened(self)

    def received(self, data: bytes | memoryview) -> None:
        """Parse what came, and hand the answer over once it is whole."""
        waiter, parser = self._waiter, self._parser
        if waiter is None or parser is None or self._request is not None:
            self.spoke_first = True
            self.close(ClosedUnansweredError())
            return
        self._received += len(data)
        try:
            if self._received <= MAX_HEAD_BYTES:
                parser.feed_data(data)
            else:
                self._feed_much(parser, data)
        except httptools.HttpParserError as error:
            self._refuse(NotHTTPError(str(error)))
        except httptools.HttpParserUpgrade:
            self._refuse(NotHTTPError("the server switched to another protocol"))
        if (answer := self._answer) is not None:
            self._waiter = self._answer = None
            if self._keeps_alive and len(self._begun) == 1:
                self._owner.put(self)
            else:
                self.close()
            if not waiter.done():
                waiter.set_result(answer)
        elif self._refusal is not None:
            self.close(self._refusal)

    def eof_received(self) -> None:
        """Send nothing more over it; its end, which follows, ends the request under way."""
        self._owner.retire(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the request under way; of some answers only this is the end."""
        self._owner.lost(self)
        parser = self._parser
        self._parser = self._wire = None  # which refer to this
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            return
        if not self._received:
            waiter.set_exception(ClosedUnansweredError(str(exc or "")))
        elif exc is None and parser is not None and self._heads and _ends_with_connection(self._headers):
            self._take_answer(parser.get_status_code(), parser)
            if self._answer is not None:
                waiter.set_result(self._answer)
            else:
                waiter.set_exception(self._refusal or CutShortError())
        else:
            waiter.set_exception(CutShortError(str(exc or "")))

    # What the parser calls, besides `on_header` and `on_body`

    def on_message_complete(self) -> None:
        """Take the answer, unless it is an interim one."""
        parser = self._parser
        if self._answer is not None or parser is None:
            return
        status = parser.get_status_code()
        if status in _INTERIM:
            self._begun.clear()
            self._heads.clear()
            self._headers.clear()
        else:
            self._keeps_alive = parser.should_keep_alive()
            self._take_answer(status, parser)

    def _take_answer(self, status: int, parser: httptools.HttpResponseParser) -> None:
        headers, pieces = self._headers, self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if not self._speaks_http_1 and not (version := parser.get_http_version()).startswith("1."):
            self._refuse(NotHTTPError(f"its version is {version}"))
        elif status < LEAST_STATUS:
            self._refuse(NotHTTPError(f"its status is {status:03}"))
        elif len(headers) > MAX_HEADERS:
            self._refuse(NotHTTPError(f"it has more than {MAX_HEADERS:,} headers"))
        elif len(body) > MAX_BODY_BYTES:
            self._refuse(too_large())
        elif self._refusal is None:
            self._speaks_http_1 = True
            self._answer = (status, headers.copy(), body)
        self._heads.clear()
        headers.clear()
        pieces.clear()

    def _refuse(self, reason: Exception) -> None:
        """Take no answer for this reason; after a whole answer, only do not go on."""
        self._keeps_alive = False
        if self._answer is None and self._refusal is None:
            self._refusal = reason

    def _feed_much(self, parser: httptools.HttpResponseParser, data: bytes | memoryview) -> None:
        """Parse what goes beyond the longest head, as far as it may."""
        if not self._heads:
            head = len(data) - (self._received - MAX_HEAD_BYTES)
            parser.feed_data(data[:head])
            data = data[head:]
            if not self._heads and self._answer is None:
                self._refuse(NotHTTPError(f"its head is longer than {MAX_HEAD_BYTES:,} bytes"))
                return
        if self._received > _LONGEST_ANSWER:
            self._refuse(too_large())
        else:
            parser.feed_data(data)


def _ends_with_connection(headers: dict[bytes, bytes]) -> bool:
    """Whether only the end of the connection ends a body (RFC 9112, 6.3)."""
    fields = {name.lower(): value for name, value in headers.items()}
    codings = fields.get(b"transfer-encoding")
    if codings is not None:
        return codings.rpartition(b",")[2].strip().lower() != b"chunked"
    return b"content-length" not in fields
