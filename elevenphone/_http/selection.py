"""Choose the transport of a client."""

from __future__ import annotations

import importlib.util
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, get_args

from elevenphone._http.uncopyable import Uncopyable
from elevenphone._http.watching import nobody_watches_aiohttp
from elevenphone.errors import ConfigurationError
from elevenphone.transport import Response, Transport

if TYPE_CHECKING:
    import aiohttp

Form: TypeAlias = Literal["httptools", "aiohttp"]
Choice: TypeAlias = Literal["auto", "httptools", "aiohttp"]

_NEEDED = ("httptools", "aiohappyeyeballs")


class HTTPTransport(Transport, Protocol):
    """A transport with a name.

    Attributes:
        form: The library that sends its next request.
    """

    @property
    def form(self) -> Form: ...


def make_transport(api_key: str, *, session: aiohttp.ClientSession | None, http: Choice) -> HTTPTransport:
    """Make the transport that the arguments of a client choose.

    It imports only the library that it uses, because the import of aiohttp takes long.

    Args:
        api_key: The key, which is sent with each request.
        session: A session of the caller, or `None`.
        http: `"aiohttp"`, `"httptools"`, or `"auto"`: httptools if it is installed, there
            is no session, and no mock or instrumentation has replaced a method of
            aiohttp that a request uses.

    Raises:
        ConfigurationError: The arguments conflict; the message says what to do.
    """
    if http not in get_args(Choice):
        raise ConfigurationError(
            f"http must be one of {', '.join(map(repr, get_args(Choice)))}, not {http!r}"
        )
    if http == "httptools" and session is not None:
        raise ConfigurationError(
            "a session is aiohttp's: leave session out, or pass http='auto' or http='aiohttp'"
        )
    if http == "httptools" and (missing := missing_packages()):
        raise ConfigurationError(
            f"http='httptools' needs {' and '.join(missing)}: pip install 'elevenphone[speed]'"
        )
    if http == "aiohttp" or session is not None or missing_packages():
        return _over_aiohttp(api_key, session)
    return _over_httptools(api_key) if http == "httptools" else AutomaticTransport(api_key)


def missing_packages() -> list[str]:
    """List the packages of the extra `speed` that are not installed."""
    return [name for name in _NEEDED if importlib.util.find_spec(name) is None]


def _over_httptools(api_key: str) -> HTTPTransport:
    from elevenphone._http.httptools_form.transport import HttptoolsTransport  # noqa: PLC0415 - an extra

    return HttptoolsTransport(api_key)


def _over_aiohttp(api_key: str, session: aiohttp.ClientSession | None = None) -> HTTPTransport:
    from elevenphone._http.aiohttp_form.transport import AiohttpTransport  # noqa: PLC0415 - slow to import

    return AiohttpTransport(api_key, session)


class AutomaticTransport(Uncopyable):
    """Sends each request over httptools, unless a mock or an instrumentation observes aiohttp.

    Args:
        api_key: Sent with each request.
    """

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key
        self._httptools = _over_httptools(api_key)
        self._aiohttp: HTTPTransport | None = None
        self._closed = False

    @property
    def form(self) -> Form:
        """The library that would send a request now."""
        return "httptools" if nobody_watches_aiohttp() else "aiohttp"

    @property
    def requests(self) -> int:
        """Requests sent so far."""
        return self._httptools.requests + (self._aiohttp.requests if self._aiohttp else 0)

    @property
    def connections_opened(self) -> int:
        """Connections made so far."""
        return self._httptools.connections_opened + (self._aiohttp.connections_opened if self._aiohttp else 0)

    def send(self, url: str) -> Awaitable[Response]:
        """GET a URL and read the whole answer; see `Transport.send`."""
        if nobody_watches_aiohttp():
            return self._httptools.send(url)
        if self._aiohttp is None:
            if self._closed:
                raise ConfigurationError("this client is closed")
            self._aiohttp = _over_aiohttp(self._api_key)
        return self._aiohttp.send(url)

    async def aclose(self) -> None:
        """Close every connection; a second call does nothing."""
        self._closed = True
        await self._httptools.aclose()
        if self._aiohttp is not None:
            await self._aiohttp.aclose()
