"""The results of a run, as they end or in the order of the input."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from elevenphone.lookups import Lookup


class AsCompleted:
    """Lookups in the order in which they end.

    Attributes:
        put: Adds a lookup.
    """

    put: Callable[[Lookup], None]

    def __init__(self) -> None:
        self._ready: deque[Lookup] = deque()
        self.put = self._ready.append

    def take(self) -> Lookup | None:
        """Take the next lookup, if it has ended."""
        return self._ready.popleft() if self._ready else None

    def take_all(self) -> list[Lookup]:
        """Take all lookups that have ended."""
        lookups = list(self._ready)
        self._ready.clear()
        return lookups


class InOrder:
    """Lookups in the order of the input."""

    def __init__(self) -> None:
        self._ready: dict[int, Lookup] = {}
        self._next = 0

    def put(self, lookup: Lookup) -> None:
        """Add a lookup."""
        self._ready[lookup.index] = lookup

    def take(self) -> Lookup | None:
        """Take the next lookup, if it has ended."""
        lookup = self._ready.pop(self._next, None)
        self._next += lookup is not None
        return lookup

    def take_all(self) -> list[Lookup]:
        """Take all, in order; every lookup has been put."""
        return [self._ready[index] for index in range(len(self._ready))]
