"""The settings of a client, checked before anything is sent."""

from __future__ import annotations

import inspect
import os
import re
from urllib.parse import urlsplit

from elevenphone._values import is_finite, shown
from elevenphone.cache import Cache
from elevenphone.errors import ConfigurationError
from elevenphone.region import Region
from elevenphone.retry import RetryPolicy

_PRINTABLE_ASCII = re.compile(r"[\x21-\x7e]+")
# RFC 3986, 2: an address has no other characters, and so no backslash.
_OF_A_URL = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(:[0-9]*)?")
# More requests in flight than any machine has ports.
_MOST_CONCURRENCY = 1_000_000
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")


class Secret:
    """Hides a value in everything that shows values, such as tracebacks with local variables."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "Secret(...)"


def resolve_api_key(api_key: Secret) -> str:
    """Find the key, and check its form.

    Args:
        api_key: The key. If its value is `None`, the variable `ELEVENLABS_API_KEY` is read.

    Returns:
        A key that fits into a header.

    Raises:
        ConfigurationError: The key is missing or malformed; the message does not show it.
    """
    origin = "api_key"
    if api_key.value is None:
        api_key, origin = Secret(os.environ.get("ELEVENLABS_API_KEY")), "ELEVENLABS_API_KEY"
    if isinstance(api_key.value, str) and _PRINTABLE_ASCII.fullmatch(api_key.value):
        return api_key.value
    if api_key.value is None:
        raise ConfigurationError("no API key: pass api_key, or set ELEVENLABS_API_KEY")
    if not isinstance(api_key.value, str):
        raise ConfigurationError(f"the API key in {origin} must be a str, not {type(api_key.value).__name__}")
    if not api_key.value:
        raise ConfigurationError(f"the API key in {origin} is empty")
    raise ConfigurationError(
        f"the API key in {origin} has a space, a line break or another character that no key has"
    )


def resolve_base_url(region: Region | None, base_url: str | None) -> str:
    """Find the address of the API.

    Args:
        region: A region, or `None`.
        base_url: Any address, or `None` for the variable `ELEVENLABS_BASE_URL`. A
            region takes precedence over the variable.

    Returns:
        Scheme, host and path prefix, without a slash at the end.

    Raises:
        ConfigurationError: Both arguments are given, or the address is not an HTTP
            address, uses plain `http` for another host than loopback, or has a user name,
            a query or a fragment.
    """
    if region is not None:
        if base_url is not None:
            raise ConfigurationError("region and base_url both name a host: pass one of them")
        if not isinstance(region, Region):
            raise ConfigurationError(f"region must be a Region, such as Region.EU, not {shown(region)}")
        return f"https://{region.value}"
    origin = "base_url"
    if base_url is None:
        base_url, origin = os.environ.get("ELEVENLABS_BASE_URL"), "ELEVENLABS_BASE_URL"
    if not base_url:
        return f"https://{Region.GLOBAL.value}"
    if problem := _problem_of(base_url):
        raise ConfigurationError(f"{origin}: {problem}")
    return base_url.rstrip("/")


def _problem_of(base_url: str) -> str | None:
    if not isinstance(base_url, str):
        return f"an address must be a str, not {type(base_url).__name__}"
    try:
        url = urlsplit(base_url)
        port = url.port
    except ValueError:  # not shown: it may hold a password
        return "this is not an address such as 'https://api.elevenlabs.io'"
    if url.username is not None or url.password is not None:
        return "the address has a user name or a password: put them into a session, and pass that"
    # urlsplit silently drops some characters that would still be sent.
    if not _OF_A_URL.fullmatch(base_url):
        return f"{shown(base_url)} has characters that an address cannot have"
    is_http = url.scheme in ("http", "https") and _HOST_AND_PORT.fullmatch(url.netloc)
    if not is_http or not url.hostname or port == 0:
        return f"{shown(base_url)} is not an address such as 'https://api.elevenlabs.io'"
    if "?" in base_url or "#" in base_url:
        return f"{shown(base_url)} has a query or a fragment: an address may only have a path"
    if url.scheme == "http" and not _LOOPBACK.fullmatch(url.hostname):
        return f"{shown(base_url)} would send the key in the clear: use https, or http to a loopback address"
    return None


def check_seconds(name: str, seconds: float | None, *, optional: bool = True) -> None:
    """Refuse a duration or a rate that is not a positive number.

    Args:
        name: The name of the setting, for the message.
        seconds: The value.
        optional: Whether `None` is allowed.

    Raises:
        ConfigurationError: It is not a positive number, or too large for a `float`.
    """
    if seconds is None and optional:
        return
    if not is_finite(seconds) or seconds <= 0:
        raise ConfigurationError(f"{name} must be a positive number, not {shown(seconds)}")


def check_concurrency(concurrency: int | None) -> None:
    """Refuse anything but a possible number of requests in flight; `None` is allowed.

    Raises:
        ConfigurationError: It is not a whole number from 1 to a million.
    """
    if concurrency is None:
        return
    is_whole = isinstance(concurrency, int) and not isinstance(concurrency, bool)
    if not is_whole or not 1 <= concurrency <= _MOST_CONCURRENCY:
        raise ConfigurationError(
            f"concurrency must be a whole number from 1 to {_MOST_CONCURRENCY:,}, or None, "
            f"not {shown(concurrency)}"
        )


def check_retry(retry: object) -> None:
    """Refuse anything but a retry policy.

    Raises:
        ConfigurationError: It is not a `RetryPolicy`.
    """
    if not isinstance(retry, RetryPolicy):
        raise ConfigurationError(
            f"retry must be a RetryPolicy, such as RetryPolicy.none(), not {shown(retry)}"
        )


def check_cache(cache: object) -> None:
    """Refuse anything but a cache; `None` is allowed.

    Raises:
        ConfigurationError: It is not a `Cache`.
    """
    if cache is not None and not isinstance(cache, Cache):
        raise ConfigurationError(f"cache must be a Cache, such as Cache(max_age=60.0), not {shown(cache)}")


def check_on_retry(on_retry: object) -> None:
    """Refuse a hook that is not a function; `None` is allowed.

    Raises:
        ConfigurationError: It is not a function.
    """
    if on_retry is not None and not callable(on_retry):
        raise ConfigurationError(f"on_retry must be a function, not {shown(on_retry)}")
    if inspect.iscoroutinefunction(on_retry) or inspect.iscoroutinefunction(type(on_retry).__call__):
        raise ConfigurationError("on_retry must be an ordinary function: nobody awaits a coroutine function")


def check_transport(transport: object) -> None:
    """Refuse a transport without its two methods; `None` is allowed.

    Raises:
        ConfigurationError: `send` or `aclose` is missing.
    """
    for name in ("send", "aclose"):
        if transport is not None and not callable(getattr(transport, name, None)):
            raise ConfigurationError(
                f"transport must have an async method {name!r}: see elevenphone.Transport"
            )
