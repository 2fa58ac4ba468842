"""A server that writes what no framework would: bytes, resets and silence, over plain HTTP or TLS.

It reads requests, keeps them in `requests`, and hands each to a behaviour, which
writes to the connection what it likes. Behaviours that need no more than bytes
are made by the functions below.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Literal, NamedTuple, Self, TypeAlias

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Request(NamedTuple):
    """One request as it arrived.

    Attributes:
        at: When, on the server's loop's clock.
        connection: The number of its connection, from 1.
        nth: Its number on that connection, from 1.
        phone_number_id: The last segment of its path.
        headers: Its headers by lower-case name.
    """

    at: float
    connection: int
    nth: int
    phone_number_id: str
    headers: dict[str, str]


class Wire:
    """The server's end of a connection, for the length of one request."""

    def __init__(
        self,
        server: MisbehavingServer,
        request: Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.request = request
        self.open = True
        self._server = server
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Write bytes, and wait until there is room for more.

        Raises:
            ConnectionError: The client has gone.
        """
        self._writer.write(data)
        await self._writer.drain()
        self._server.sent += len(data)

    async def close(self) -> None:
        """Send what is left, and FIN."""
        self.open = False
        self._writer.close()
        await self._writer.wait_closed()

    def reset(self) -> None:
        """Send RST; what is left is thrown away."""
        self.open = False
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._writer.transport.abort()

    def cut(self) -> None:
        """End TCP at once, without the goodbye that TLS would say."""
        self.open = False
        _shut_down(self._writer)

    async def hold(self) -> None:
        """Say nothing until the client goes away."""
        await self._reader.read()
        self.open = False


Behaviour: TypeAlias = Callable[[Wire], Awaitable[None]]
Ending: TypeAlias = Literal["keep", "close", "reset", "cut"]


class MisbehavingServer:
    """Listens on loopback and does to each request what its behaviour says.

    Attributes:
        behaviour: What becomes of a request; may be set anew at any time.
        requests: All requests so far.
        connections: How many were accepted.
        sent: How many bytes of answers the clients took, or the system for them.
    """

    def __init__(self, behaviour: Behaviour, ssl_context: ssl.SSLContext | None = None) -> None:
        self.behaviour = behaviour
        self.requests: list[Request] = []
        self.connections = 0
        self.sent = 0
        self._ssl_context = ssl_context
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._surprises: list[Exception] = []

    @property
    def host(self) -> str:
        """Host name and port, as they stand in an address."""
        assert self._server is not None
        return f"localhost:{self._server.sockets[0].getsockname()[1]}"

    @property
    def base_url(self) -> str:
        """The address."""
        return f"{'https' if self._ssl_context else 'http'}://{self.host}"

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """The tasks that serve its connections, one each."""
        return set(self._open)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=self._ssl_context, backlog=1_024
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        serving = dict(self._open)
        for task, writer in serving.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*serving, return_exceptions=True)
        for surprise in self._surprises:
            raise surprise

    def shut_down_connections(self) -> None:
        """Close all connections within this very moment, so that no event loop has noticed yet."""
        for writer in self._open.values():
            _shut_down(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        self.connections += 1
        try:
            await self._answer_all(self.connections, reader, writer)
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            pass  # the client has gone
        except RuntimeError as error:
            if "the handler is closed" not in str(error):  # which is how uvloop says the same
                self._surprises.append(error)
        except asyncio.CancelledError:
            pass  # the test is over; the streams of 3.11 would log it
        except Exception as error:
            self._surprises.append(error)
        finally:
            writer.transport.abort()
            del self._open[task]

    async def _answer_all(
        self, connection: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nth = 0
        is_open = True
        while is_open:
            head = await reader.readuntil(b"\r\n\r\n")
            nth += 1
            wire = Wire(self, _request(head, connection, nth), reader, writer)
            self.requests.append(wire.request)
            await self.behaviour(wire)
            is_open = wire.open


def _shut_down(writer: asyncio.StreamWriter) -> None:
    """End TCP under a stream; by way of a duplicate, since what uvloop gives for a socket cannot."""
    with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)


def _request(head: bytes, connection: int, nth: int) -> Request:
    first, *lines = head.decode("ascii").split("\r\n")
    method, target, version = first.split(" ")
    assert (method, version) == ("GET", "HTTP/1.1")
    headers = dict(line.split(": ", 1) for line in lines if line)
    at = asyncio.get_running_loop().time()
    return Request(
        at, connection, nth, target.rpartition("/")[2], {name.lower(): headers[name] for name in headers}
    )


# Answers as bytes


def number(phone_number_id: str = "phnum_1", **fields: object) -> bytes:
    """Make the body of a Twilio number, some of its fields changed."""
    document = {
        "provider": "twilio",
        "phone_number": "+12125550100",
        "label": "Main line",
        "phone_number_id": phone_number_id,
    }
    return json.dumps(document | fields).encode()


def envelope(code: str, message: str = "No.") -> bytes:
    """Make the body of an error."""
    return json.dumps({"detail": {"status": code, "message": message}}).encode()


def head(status: int, *lines: str) -> bytes:
    """Make a status line and headers just as given."""
    return "\r\n".join([f"HTTP/1.1 {status} Whatever", *lines, "", ""]).encode()


def whole(status: int, body: bytes = b"", *lines: str) -> bytes:
    """Make an answer with a right Content-Length."""
    return head(status, "Content-Type: application/json", f"Content-Length: {len(body)}", *lines) + body


# Behaviours


async def found(wire: Wire) -> None:
    """Answer with the number that was asked for."""
    await wire.send(whole(200, number(wire.request.phone_number_id)))


def send(data: bytes, then: Ending = "keep") -> Behaviour:
    """Send bytes as they are, whatever was asked."""

    async def behave(wire: Wire) -> None:
        await wire.send(data)
        await _end(wire, then)

    return behave


def end(then: Ending) -> Behaviour:
    """Answer nothing, and end the connection."""
    return send(b"", then)


async def _end(wire: Wire, then: Ending) -> None:
    if then == "reset":
        wire.reset()
    elif then == "cut":
        wire.cut()
    elif then == "close":
        await wire.close()


async def silence(wire: Wire) -> None:
    """Never answer."""
    await wire.hold()


def drip(data: bytes, seconds: float) -> Behaviour:
    """Send one byte at a time, so many seconds apart."""

    async def behave(wire: Wire) -> None:
        for byte in data:
            await wire.send(bytes([byte]))
            await asyncio.sleep(seconds)

    return behave


def flood(start: bytes, chunk: bytes, times: int) -> Behaviour:
    """Send the same over and over, for as long as the client takes it."""

    async def behave(wire: Wire) -> None:
        await wire.send(start)
        for _ in range(times):
            await wire.send(chunk)
            await asyncio.sleep(0)  # `drain` alone does not let anybody else run

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Behave to each request in another way; the last way stays."""
    left = list(behaviours)

    async def behave(wire: Wire) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(wire)

    return behave
