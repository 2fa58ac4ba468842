"""Find out whether a mock or an instrumentation observes aiohttp."""

from __future__ import annotations

import sys
from types import FunctionType

# The methods that a request over aiohttp uses, when they were last known to be aiohttp's own.
_own: tuple[object, object, object, object] = (None, None, None, None)


def nobody_watches_aiohttp() -> bool:
    """Whether aiohttp's methods are its own. Check for each request: a mock may start at any time."""
    aiohttp = sys.modules.get("aiohttp")
    if aiohttp is None:
        return True
    try:
        session, connector = aiohttp.ClientSession, aiohttp.TCPConnector
        init, get, request = session.__init__, session.get, session._request  # noqa: SLF001 - only looked at
        resolve = connector._resolve_host  # noqa: SLF001
    except AttributeError:
        return False
    # Not `==`: wrappers of wrapt are equal to the function that they wrap.
    own_init, own_get, own_request, own_resolve = _own
    if init is own_init and get is own_get and request is own_request and resolve is own_resolve:
        return True
    return _remember((init, get, request, resolve))


def _remember(methods: tuple[object, object, object, object]) -> bool:
    global _own  # noqa: PLW0603 - aiohttp's methods are global, too
    if not all(map(_is_aiohttps, methods)):
        return False
    _own = methods
    return True


def _is_aiohttps(method: object) -> bool:
    """Return whether a method is a function in aiohttp's own files."""
    if type(method) is not FunctionType:  # `isinstance` is true of a wrapper, too
        return False
    files = {sys.modules[name].__file__ for name in ("aiohttp.client", "aiohttp.connector")}
    return method.__code__.co_filename in files
