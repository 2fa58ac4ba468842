"""A server that sends bytes as soon as a connection is made, before it has read a request."""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from typing import Self

from misbehaving_server import number, whole


class EarlyServer:
    """Sends bytes first on some connections, then answers each request as it should.

    It accepts and sends within one callback of the event loop, so that the bytes are
    in the client's socket before the client can write its request.

    Args:
        early: The bytes; they go to the first connections.
        times: How many connections get them; the others are served well.

    Attributes:
        connections: How many were accepted.
    """

    def __init__(self, early: bytes, times: int) -> None:
        self.connections = 0
        self._early = early
        self._times = times
        self._listening = socket.socket()
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen()
        self._listening.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listening, self._accept)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._listening)
        self._listening.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self) -> None:
        connection, _ = self._listening.accept()
        connection.setblocking(False)
        self.connections += 1
        if self.connections <= self._times:
            connection.send(self._early)
        task = asyncio.create_task(self._serve(connection))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with connection:
            head = b""
            while data := await self._received(connection):
                head += data
                if head.endswith(b"\r\n\r\n"):
                    target = head.split(b" ", 2)[1].decode()
                    head = b""
                    await loop.sock_sendall(connection, whole(200, number(target.rpartition("/")[2])))

    async def _received(self, connection: socket.socket) -> bytes:
        try:
            return await asyncio.get_running_loop().sock_recv(connection, 65_536)
        except ConnectionError:
            return b""
