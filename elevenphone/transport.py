"""The seam between policy and sockets: `Transport`, and the `Response` that it returns."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import NamedTuple, Protocol


class Response(NamedTuple):
    r"""One HTTP answer, whole.

    Attributes:
        status: The HTTP status.
        headers: Looked up by lower-case name. Bytes in them that are not UTF-8 are
            escaped (`\xff`).
        body: As it came, its transfer encoding undone.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Sends requests; the seam between policy and sockets."""

    @property
    def requests(self) -> int:
        """Requests put on the wire so far, resends included."""
        ...

    @property
    def connections_opened(self) -> int:
        """Connections made so far."""
        ...

    def send(self, url: str) -> Awaitable[Response]:
        """GET a URL and read the answer whole; mostly an `async def`.

        Args:
            url: Absolute, percent-encoded.

        Returns:
            The answer, whatever its status.

        Raises:
            TransportError: There is none.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection; a second call does nothing."""
        ...
