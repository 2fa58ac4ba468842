"""A relay before the emulator of `soak.py`, which does to answers what no server's framework would."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from itertools import cycle
from typing import TypeAlias

_HEAD = b"HTTP/1.1 200 OK\r\n"
_MEGABYTE = bytes(1_000_000)
_BOMB = gzip.compress(bytes(30_000_000))
# Longer than a client of the soak waits for an answer.
_SILENCE = 3.0


class Relay:
    """Passes bytes on, and spoils some answers, whose connection then ends.

    Requests for a poisoned id it answers itself, each such id always in the same bad way.

    Attributes:
        spite: The probability that an answer is spoilt.
        spoilt: How often each thing was done.
    """

    def __init__(self, port: int, dice: random.Random, poisoned: Collection[str] = ()) -> None:
        self.spite = 0.0
        self.spoilt: Counter[str] = Counter()
        self._port = port
        self._dice = dice
        self._poisons = dict(zip(sorted(poisoned), cycle(_POISONS)))
        self._server: asyncio.Server | None = None
        # asyncio itself holds them weakly, and one that waits for a dead connection would be collected.
        self._serving: set[asyncio.Task[None] | None] = set()

    async def start(self) -> str:
        """Listen, and return the address."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1_024)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        """Accept no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._serving.add(task)
        try:
            await self._relay(client, to_client)
        except asyncio.CancelledError:
            pass  # at the end of the soak, where asyncio would log it
        finally:
            self._serving.discard(task)

    async def _relay(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            to_client.transport.abort()
            return
        requests = asyncio.create_task(self._pump(client, to_server, to_client))
        try:
            while answer := await server.read(65_536):
                if self._dice.random() < self.spite:
                    way = self._dice.choice(_WAYS)
                    self.spoilt[way.__name__.removeprefix("_").replace("_", " ")] += 1
                    await way(to_client, answer)
                    break
                to_client.write(answer)
                await to_client.drain()
        except OSError:
            pass  # the client has gone
        finally:
            requests.cancel()
            to_server.transport.abort()
            to_client.close()

    async def _pump(
        self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter, to_client: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await client.read(65_536):
                path = data.partition(b" HTTP/")[0]
                if poison := self._poisons.get(path.rpartition(b"/")[2].decode(errors="replace")):
                    self.spoilt[poison.__name__.removeprefix("_").replace("_", " ")] += 1
                    await poison(to_client, b"")
                    break
                to_server.write(data)
                await to_server.drain()
            to_server.transport.abort()


async def _send(writer: asyncio.StreamWriter, *pieces: bytes) -> None:
    for piece in pieces:
        writer.write(piece)
        await writer.drain()


async def _garbage(writer: asyncio.StreamWriter, _answer: bytes) -> None:
    await _send(writer, b"BANANA\r\n\r\n")


async def _two_lengths(writer: asyncio.StreamWriter, _answer: bytes) -> None:
    await _send(writer, _HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")


async def _a_header_of_100_kB(writer: asyncio.StreamWriter, _answer: bytes) -> None:  # noqa: N802 - the unit
    await _send(writer, _HEAD + b"X: " + b"a" * 100_000 + b"\r\n\r\n")


async def _a_body_of_megabytes(writer: asyncio.StreamWriter, _answer: bytes) -> None:
    await _send(writer, _HEAD + b"Content-Length: 200000000\r\n\r\n", *[_MEGABYTE] * 4)


async def _a_gzip_bomb(writer: asyncio.StreamWriter, _answer: bytes) -> None:
    await _send(writer, _HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_BOMB), _BOMB)


async def _a_cut(writer: asyncio.StreamWriter, answer: bytes) -> None:
    await _send(writer, answer[: len(answer) // 2])


async def _a_500(writer: asyncio.StreamWriter, _answer: bytes) -> None:
    await _send(writer, b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


async def _silence(_writer: asyncio.StreamWriter, _answer: bytes) -> None:
    await asyncio.sleep(_SILENCE)


async def _one_byte_every_50_ms(writer: asyncio.StreamWriter, answer: bytes) -> None:
    for byte in answer[: int(_SILENCE / 0.05)]:
        await _send(writer, bytes([byte]))
        await asyncio.sleep(0.05)


async def _a_whole_answer_and_an_end(writer: asyncio.StreamWriter, answer: bytes) -> None:
    await _send(writer, answer)
    await asyncio.sleep(0.005)


async def _a_reset(writer: asyncio.StreamWriter, _answer: bytes) -> None:
    writer.transport.abort()


_Way: TypeAlias = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]
_POISONS: tuple[_Way, ...] = (_a_500, _a_reset, _silence)
_WAYS: tuple[_Way, ...] = (
    _garbage,
    _two_lengths,
    _a_header_of_100_kB,
    _a_body_of_megabytes,
    _a_gzip_bomb,
    _a_cut,
    _silence,
    _one_byte_every_50_ms,
    _a_whole_answer_and_an_end,
    _a_reset,
)
