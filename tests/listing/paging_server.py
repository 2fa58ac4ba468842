"""A server that lists numbers in its own way, over real sockets.

It was not written after the emulator: it cuts pages as it likes, whatever page size it is asked
for; its cursors are any text, good for one listing and in order; it reads the query from the bytes
of the request line; and it fails in whatever way the test scripts for a page.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal, Self, TypeAlias
from urllib.parse import unquote_to_bytes

from listing_helpers import compact, element

Trouble: TypeAlias = Literal["503", "drop", "reset", "cut", "close-delimited cut"]

_ALPHABET = "aZ09-_.~+/=&?#% \\\"'<>{}|^`ñü漢🚀\t\n\x00"
_REASONS = {
    200: b"OK",
    400: b"Bad Request",
    404: b"Not Found",
    503: b"Unavailable",
}


class PagingServer:
    """Lists numbers.

    Args:
        ids: The ids of the numbers.
        seed: The seed of sizes and cursors.
        largest: Most numbers on a page.

    Attributes:
        troubles: The faults of the next requests; later ones are answered correctly.
        queries: The parameters of each request that was read.
    """

    def __init__(self, ids: Sequence[str], seed: int, largest: int = 9) -> None:
        self._ids = ids
        self._random = random.Random(seed)
        self._largest = largest
        self._positions: dict[str | None, int] = {None: 0}
        self._next: dict[int, tuple[int, str]] = {}
        self.troubles: deque[Trouble] = deque()
        self.queries: list[dict[str, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/prefix"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, target, version = head.split(b"\r\n")[0].split(b" ")
                assert (method, version) == (b"GET", b"HTTP/1.1")
                path, _, query = target.partition(b"?")
                if path != b"/prefix/v1/convai/v2/phone-numbers":
                    writer.write(self._answer(404, {"detail": "Not Found"}))
                    continue
                self.queries.append(_parameters(query))
                trouble = self.troubles.popleft() if self.troubles else None
                body = self._answer(*self._page(self.queries[-1]))
                if not self._send(writer, body, trouble):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    def _send(self, writer: asyncio.StreamWriter, answer: bytes, trouble: Trouble | None) -> bool:
        """Send an answer, or play a fault; return whether the connection stays open."""
        match trouble:
            case None:
                writer.write(answer)
            case "503":
                writer.write(self._answer(503, {"detail": {"status": "system_busy", "message": "No."}}))
            case "drop":
                return False
            case "reset":
                writer.transport.abort()
                return False
            case "cut":
                writer.write(answer[: len(answer) - 20])
                return False
            case "close-delimited cut":
                body = answer.partition(b"\r\n\r\n")[2]
                writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body[:-20])
                return False
        return True

    def _answer(self, status: int, document: object) -> bytes:
        body = compact(document)
        return b"HTTP/1.1 %d %s\r\nContent-Length: %d\r\n\r\n%s" % (status, _REASONS[status], len(body), body)

    def _page(self, query: Mapping[str, str]) -> tuple[int, object]:
        cursor = query.get("cursor")
        if cursor not in self._positions:
            return 400, {"detail": {"code": "invalid_cursor", "message": "Unknown cursor."}}
        start = self._positions[cursor]
        if start not in self._next:
            self._next[start] = (start + self._random.randint(1, self._largest), self._new_cursor())
        end, following = self._next[start]
        has_more = end < len(self._ids)
        if has_more:
            self._positions[following] = end
        elements = [element(phone_number_id, label="ü") for phone_number_id in self._ids[start:end]]
        return 200, {
            "has_more": has_more,
            "total": len(self._ids),
            "phone_numbers": elements,
            "next_cursor": following if has_more else None,
        }

    def _new_cursor(self) -> str:
        return "".join(self._random.choices(_ALPHABET, k=self._random.randint(8, 40)))


def _parameters(query: bytes) -> dict[str, str]:
    """Read a query strictly: a plus sign stands for itself or a space, depending on the server."""
    assert not set(query) & set(b'+ "<>#'), query
    pairs = [pair.split(b"=") for pair in query.split(b"&")]
    return {unquote_to_bytes(name).decode(): unquote_to_bytes(value).decode() for name, value in pairs}
