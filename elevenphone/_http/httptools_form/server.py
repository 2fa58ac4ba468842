"""One server: its connections, and the bytes of a request."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from elevenphone._http.failures import Failures
from elevenphone._http.httptools_form.connecting import Connector
from elevenphone._http.httptools_form.pool import Pool
from elevenphone._http.uncopyable import Uncopyable
from elevenphone._protocol.requests import USER_AGENT


class Server(Uncopyable):
    """The server of a URL.

    Args:
        url: Any of its URLs.
        api_key: Sent with each request.
        loop: The running event loop.

    Attributes:
        address: What its URLs begin with, the path's first slash included.
        pool: Its connections.
        connector: Makes them.
        failures: Makes its errors.
    """

    def __init__(self, url: str, api_key: str, loop: asyncio.AbstractEventLoop) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        host = parts.netloc.rpartition("@")[2]
        self.address = f"{parts.scheme}://{parts.netloc}/"
        self.pool = Pool(loop)
        self.connector = Connector(parts.hostname or "", parts.port or (443 if secure else 80), secure=secure)
        self.failures = Failures(host, api_key)
        self._cut = len(self.address) - 1
        self._rest = (
            f" HTTP/1.1\r\nHost: {host}\r\nxi-api-key: {api_key}\r\nAccept: application/json\r\n"
            f"Accept-Encoding: identity\r\nUser-Agent: {USER_AGENT}\r\n\r\n"
        ).encode("ascii")

    def request(self, url: str) -> bytes:
        """Make the bytes of a GET for one of its URLs."""
        return b"GET " + url[self._cut :].encode("ascii") + self._rest
