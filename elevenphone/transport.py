"""The seam between policy and sockets: `Transport`, and the `Response` that it returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Response(NamedTuple):
    """One HTTP answer, whole.

    Attributes:
        status: The HTTP status.
        headers: Looked up by lower-case name.
        body: As it came, its transfer encoding undone.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Sends requests; the seam between policy and sockets.

    Attributes:
        requests: Requests put on the wire so far, resends included.
        connections_opened: Connections made so far.
    """

    requests: int
    connections_opened: int

    async def send(self, url: str) -> Response:
        """GET a URL and read the answer whole.

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
