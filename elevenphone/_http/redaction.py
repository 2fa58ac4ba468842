"""Remove the key from the texts of servers and libraries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeVar, overload

from elevenphone.transport import Response

_T = TypeVar("_T")

# A shorter key is not a secret, and many answers contain it by chance.
_SHORTEST_SECRET = 8
_REDACTED = "[API key]"
_REDACTED_BYTES = _REDACTED.encode()


def redacted(status: int, headers: Mapping[str, str], body: bytes, api_key: str) -> Response:
    """Make a `Response`, without the key if the answer repeats it.

    Args:
        status: The status of the answer.
        headers: The headers of the answer.
        body: The body of the answer.
        api_key: The key.

    Returns:
        The answer without the key.
    """
    return Response(status, _WithoutKey(headers, api_key), body_without_key(body, api_key))


class _WithoutKey(Mapping[str, str]):
    """Headers without the key, which is removed when a header is read: in most answers one or two are."""

    __slots__ = ("_api_key", "_headers")

    def __init__(self, headers: Mapping[str, str], api_key: str) -> None:
        self._headers = headers
        self._api_key = api_key

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: str | _T) -> str | _T: ...
    def get(self, name: str, /, default: str | _T | None = None) -> str | _T | None:
        """Read one header."""
        value = self._headers.get(name)
        return default if value is None else without_key(_escaped(value), self._api_key)

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for name, value in self._headers.items():
            shown = without_key(_escaped(name), self._api_key)
            headers.setdefault(shown.lower(), without_key(_escaped(value), self._api_key))
        return headers


def _escaped(text: str) -> str:
    """Escape bytes that are not UTF-8, which aiohttp reads as lone surrogates."""
    return text if text.isascii() else text_of(text.encode("utf-8", "surrogateescape"))


def text_of(value: bytes) -> str:
    r"""Read a header: it should be ASCII, may be UTF-8, and other bytes are escaped (`\xff`)."""
    return value.decode("utf-8", "backslashreplace")


def without_key(text: str, api_key: str) -> str:
    """Remove the key from a text."""
    return text if len(api_key) < _SHORTEST_SECRET else text.replace(api_key, _REDACTED)


def body_without_key(body: bytes, api_key: str) -> bytes:
    """Remove the key from a body, where JSON may write any of its characters as an escape."""
    key = api_key.encode()
    if len(key) < _SHORTEST_SECRET:
        return body
    if key in body:
        body = body.replace(key, _REDACTED_BYTES)
    return re.sub(_in_json(api_key), _REDACTED_BYTES, body) if b"\\" in body else body


def _in_json(text: str) -> bytes:
    r"""Make a pattern for a text of ASCII as JSON may write it: `/` is `/`, `\/` or `\u002f`."""
    each = (rf"(?:\\?{re.escape(character)}|\\u(?i:{ord(character):04x}))" for character in text)
    return "".join(each).encode()
