"""What a client is made with, checked before anything is sent."""

from __future__ import annotations

import math
import os
import re
from urllib.parse import urlsplit

from elevenphone.errors import ConfigurationError
from elevenphone.region import Region

_PRINTABLE_ASCII = re.compile(r"[\x21-\x7e]+")
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")


class Secret:
    """Holds what must not be seen where values are shown: in tracebacks with locals, for one."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "Secret(...)"


def resolve_api_key(api_key: Secret) -> str:
    """Find the key and check its form.

    Args:
        api_key: The key, or `None` in it for the variable `ELEVENLABS_API_KEY`.

    Returns:
        A key that can stand in a header.

    Raises:
        ConfigurationError: There is none, or it is malformed; the key is not shown.
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
        f"the API key in {origin} holds a space, a line break or another character that no key has"
    )


def resolve_base_url(region: Region | None, base_url: str | None) -> str:
    """Find the address that the path is appended to.

    Args:
        region: A region, or `None`.
        base_url: Any address, or `None` for `ELEVENLABS_BASE_URL`, which a region
            overrules.

    Returns:
        Scheme, host and path prefix, without a slash at the end.

    Raises:
        ConfigurationError: Both are given, or the address is no HTTP address, is
            plain `http` beyond loopback, or has a user name, a query or a fragment.
    """
    if region is not None:
        if base_url is not None:
            raise ConfigurationError("region and base_url both name a host: pass one of them")
        if not isinstance(region, Region):
            raise ConfigurationError(f"region must be a Region, such as Region.EU, not {region!r}")
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
        return f"an address is a str, not {type(base_url).__name__}"
    try:
        url = urlsplit(base_url)
        port = url.port
    except ValueError as error:
        return str(error)
    if url.username is not None or url.password is not None:
        return "holds a user name or password, which belong in a session's own settings"
    # What urlsplit drops or strips without a word would still be sent.
    if not _PRINTABLE_ASCII.fullmatch(base_url):
        return f"{base_url!r} has characters that an address cannot have"
    if url.scheme not in ("http", "https") or not url.hostname or port == 0:
        return f"{base_url!r} is not an address such as 'https://api.elevenlabs.io'"
    if "?" in base_url or "#" in base_url:
        return f"{base_url!r} has a query or a fragment; only a path can be kept"
    if url.scheme == "http" and not _LOOPBACK.fullmatch(url.hostname):
        return f"{base_url!r} would send the key in the clear: use https (http is for loopback alone)"
    return None


def check_seconds(name: str, seconds: float | None, *, optional: bool = True) -> None:
    """Refuse a duration or a rate that is not a positive number.

    Args:
        name: What it is called, for the message.
        seconds: The value.
        optional: Whether `None` passes.

    Raises:
        ConfigurationError: It is none.
    """
    if seconds is None and optional:
        return
    if not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise ConfigurationError(f"{name} must be a positive number, not {seconds!r}")


def check_concurrency(concurrency: int | None) -> None:
    """Refuse a bound that is not a whole number from 1 up; `None` passes.

    Raises:
        ConfigurationError: It is none.
    """
    if concurrency is not None and (not isinstance(concurrency, int) or concurrency < 1):
        raise ConfigurationError(
            f"concurrency must be a whole number from 1 up, or None, not {concurrency!r}"
        )
