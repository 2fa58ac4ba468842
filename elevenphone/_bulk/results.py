"""The results of a run, as they end or in the order of the input."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from operator import attrgetter

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
    """Lookups in the order of the input.

    Attributes:
        put: Adds a lookup.
    """

    put: Callable[[Lookup], None]

    def __init__(self) -> None:
        self._new: list[Lookup] = []
        self._ready: dict[int, Lookup] = {}
        self._next = 0
        self.put = self._new.append

    def take(self) -> Lookup | None:
        """Take the next lookup, if it has ended."""
        for lookup in self._new:
            self._ready[lookup.index] = lookup
        self._new.clear()
        following = self._ready.pop(self._next, None)
        self._next += following is not None
        return following

    def take_all(self) -> list[Lookup]:
        """Take all, in order; every lookup has been put, and none was taken."""
        return sorted(self._new, key=attrgetter("index"))
