"""What a client is made with, checked before anything is sent."""

from __future__ import annotations

import math
import os
import re
from enum import Enum
from urllib.parse import SplitResult, urlsplit

from elevenphone.errors import ConfigurationError

_PRINTABLE_ASCII = re.compile(r"[\x21-\x7e]+")
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")


class Region(Enum):
    """Where a workspace lives; its value is the host that serves it.

    Each but `GLOBAL` and `US` is a data residency host with workspaces and keys
    of its own.
    """

    GLOBAL = "api.elevenlabs.io"
    US = "api.us.elevenlabs.io"
    EU = "api.eu.residency.elevenlabs.io"
    IN = "api.in.residency.elevenlabs.io"
    SG = "api.sg.residency.elevenlabs.io"


def resolve_api_key(api_key: str | None) -> str:
    """Find the key and check its form.

    Args:
        api_key: The key, or `None` for the variable `ELEVENLABS_API_KEY`.

    Returns:
        A key that can stand in a header.

    Raises:
        ConfigurationError: There is none, or it is malformed; the key is not shown.
    """
    origin = "api_key" if api_key is not None else "ELEVENLABS_API_KEY"
    key: object = os.environ.get("ELEVENLABS_API_KEY") if api_key is None else api_key
    if isinstance(key, str) and _PRINTABLE_ASCII.fullmatch(key):
        return key
    if key is None:
        problem = "no API key: pass api_key, or set ELEVENLABS_API_KEY"
    elif key == "":
        problem = f"the API key in {origin} is empty"
    elif isinstance(key, str):
        problem = f"the API key in {origin} holds a space, a line break or another character no key has"
    else:
        problem = f"the API key in {origin} must be a str, not {type(key).__name__}"
    del api_key, key  # a traceback that shows locals must not show it
    raise ConfigurationError(problem)


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
        return f"https://{Region(region).value}"
    origin = "base_url"
    if base_url is None:
        base_url, origin = os.environ.get("ELEVENLABS_BASE_URL"), "ELEVENLABS_BASE_URL"
    if not base_url:
        return f"https://{Region.GLOBAL.value}"
    try:
        url = urlsplit(base_url)
        problem = _problem_of(url)
    except ValueError as error:
        problem = str(error)
    if problem:
        raise ConfigurationError(f"{origin}: {problem}")
    return base_url.rstrip("/")


def _problem_of(url: SplitResult) -> str | None:
    if url.username is not None or url.password is not None:
        return "holds a user name or password, which belong in a session's own settings"
    shown = url.geturl()
    if not shown.isascii() or not shown.isprintable() or " " in shown:
        return f"{shown!r} has characters that an address cannot have"
    if url.scheme not in ("http", "https") or not url.hostname or url.port == 0:
        return f"{shown!r} is not an address such as 'https://api.elevenlabs.io'"
    if url.query or url.fragment:
        return f"{shown!r} has a query or a fragment; only a path can be kept"
    if url.scheme == "http" and not _LOOPBACK.fullmatch(url.hostname):
        return f"{shown!r} would send the key in the clear: use https (http is for loopback alone)"
    return None


def check_seconds(name: str, seconds: float | None) -> None:
    """Refuse a duration or rate that is not a positive number; `None` passes.

    Raises:
        ConfigurationError: With `name` in it.
    """
    if seconds is not None and not 0 < seconds < math.inf:
        raise ConfigurationError(f"{name} must be a positive number, not {seconds!r}")


def check_concurrency(concurrency: int | None) -> None:
    """Refuse a bound that is not a whole number from 1 up; `None` passes.

    Raises:
        ConfigurationError: Always where refused.
    """
    if concurrency is not None and (not isinstance(concurrency, int) or concurrency < 1):
        raise ConfigurationError(f"concurrency must be a whole number from 1 up or None, not {concurrency!r}")
