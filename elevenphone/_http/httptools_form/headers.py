"""Raw headers, which are decoded when somebody reads one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeVar, overload

from elevenphone._http.redaction import text_of, without_key

_T = TypeVar("_T")

_MOST_LAYOUTS = 64


class Layout(NamedTuple):
    """Which headers an answer has.

    Attributes:
        names: By lower-case name, the name as it came.
        length: The name of Content-Length as it came, or `None`.
        is_encoded: Whether there is a Content-Encoding or a Transfer-Encoding.
    """

    names: Mapping[str, bytes]
    length: bytes | None
    is_encoded: bool


class Layouts:
    """Remembers the layouts of answers: a server has few."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key
        self._known: dict[tuple[bytes, ...], Layout] = {}

    def layout_of(self, values: dict[bytes, bytes]) -> Layout:
        """Find or make the layout of received headers."""
        key = tuple(values)
        layout = self._known.get(key)
        return layout if layout is not None else self._add(key)

    def _add(self, key: tuple[bytes, ...]) -> Layout:
        names: dict[str, bytes] = {}
        for name in key:
            names.setdefault(without_key(text_of(name), self._api_key).lower(), name)
        is_encoded = not names.keys().isdisjoint(("content-encoding", "transfer-encoding"))
        layout = Layout(names, names.get("content-length"), is_encoded)
        if len(self._known) >= _MOST_LAYOUTS:
            self._known.clear()
        self._known[key] = layout
        return layout


class RawHeaders(Mapping[str, str]):
    """Headers by lower-case name, from which an echoed key is removed."""

    __slots__ = ("_api_key", "_names", "_values")

    def __init__(self, values: dict[bytes, bytes], names: Mapping[str, bytes], api_key: str) -> None:
        self._values = values
        self._names = names
        self._api_key = api_key

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: str | _T) -> str | _T: ...
    def get(self, name: str, /, default: str | _T | None = None) -> str | _T | None:
        """Read one header."""
        raw = self._names.get(name)
        return default if raw is None else without_key(text_of(self._values[raw]), self._api_key)

    def __getitem__(self, name: str) -> str:
        return without_key(text_of(self._values[self._names[name]]), self._api_key)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
