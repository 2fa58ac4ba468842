"""`Transport`, which sends requests, and the `Response` that it returns."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import NamedTuple, Protocol


class Response(NamedTuple):
    r"""One complete HTTP answer.

    Attributes:
        status: The HTTP status.
        headers: The headers by lower-case name. Bytes that are not UTF-8 are escaped
            (`\xff`).
        body: The body, without its transfer encoding.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """An object that sends requests. Write one to replace aiohttp, in tests for example."""

    @property
    def requests(self) -> int:
        """Requests sent so far."""
        ...

    @property
    def connections_opened(self) -> int:
        """Connections opened so far."""
        ...

    def send(self, url: str) -> Awaitable[Response]:
        """Send a GET request, and read the whole answer. An `async def` fits.

        Args:
            url: The absolute URL, percent-encoded.

        Returns:
            The answer, with any status.

        Raises:
            TransportError: There is no complete answer.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection; a second call does nothing."""
        ...
