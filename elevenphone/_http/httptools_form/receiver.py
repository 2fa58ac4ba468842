"""A protocol that receives into one buffer."""

from __future__ import annotations

import asyncio

_BUFFER_BYTES = 16_384


class Receiver(asyncio.BufferedProtocol):
    """A protocol that gets received bytes as views of one buffer, each valid until the next.

    A plain `asyncio.Protocol` has 256 KiB allocated for each read, which takes up to
    as long as all else that a request needs. The buffer is each protocol's own, since
    on Windows a read is under way all the time.
    """

    def __init__(self) -> None:
        self._buffer = memoryview(b"")

    def received(self, data: bytes | memoryview) -> None:
        """Handle received bytes."""
        raise NotImplementedError

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return the buffer for the next bytes."""
        if not self._buffer:
            self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Handle received bytes."""
        self.received(self._buffer[:nbytes])
