"""The server where there is no nginx: an asyncio Protocol that knows nothing but these bodies.

python -m speed_lab.protocol_server PORT [TLS_PORT CERTIFICATE]
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import ssl
import sys
from typing import cast

from speed_lab import bodies

_HEAD = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-region: us-central1\r\ncontent-length: "
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
_END = b"\r\n\r\n"
_START = f"GET {bodies.PATH}".encode()


def _around(template: str) -> tuple[bytes, bytes]:
    """Render a response but for the id, whose length is the same everywhere."""
    before, after = template.split(bodies.MARK)
    head = f"{_HEAD}{len(bodies.body(template))}\r\n\r\n"
    return (head + before).encode(), after.encode()


_BY_PREFIX = {
    bodies.TWILIO_PREFIX.encode(): _around(bodies.TWILIO),
    bodies.SIP_PREFIX.encode(): _around(bodies.SIP_TRUNK),
}
_PREFIX_LENGTH = len(bodies.TWILIO_PREFIX)


def answer(request: bytes) -> bytes:
    """Answer one request, given without its last empty line."""
    line, _, _ = request.partition(b" HTTP/1.1\r\n")
    phone_number_id = line[len(_START) :]
    parts = _BY_PREFIX.get(phone_number_id[:_PREFIX_LENGTH])
    if parts is None or not line.startswith(_START) or len(phone_number_id) != len(bodies.id_at(0)):
        return _NOT_FOUND
    return parts[0] + phone_number_id + parts[1]


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        *requests, self._pending = (self._pending + data).split(_END)
        if requests:
            self._transport.write(b"".join(map(answer, requests)))


async def _serve(plain: int, tls: tuple[int, str] | None) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_server(_Connection, "127.0.0.1", plain, backlog=4096)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls[1])
        await loop.create_server(_Connection, "127.0.0.1", tls[0], ssl=context, backlog=4096)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until ended."""
    tls = (int(sys.argv[2]), sys.argv[3]) if len(sys.argv) > 2 else None
    factory = None
    if importlib.util.find_spec("uvloop"):
        import uvloop  # noqa: PLC0415 - optional

        factory = uvloop.new_event_loop
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(int(sys.argv[1]), tls))


if __name__ == "__main__":
    main()
