"""What a bulk run has been answered: equal ids asked once, and answers in the order that was asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from elevenphone.lookups import Lookup


class Answers:
    """Which ids are being asked and which have been, so that equal ones are asked once."""

    def __init__(self, remembered: int | None) -> None:
        self._remembered = remembered
        # Of each id its answer; until there is one, the later positions that wait for it, `None` for no such.
        self._seen: dict[str, Lookup | list[int] | None] = {}
        self._answered: deque[str] = deque()

    def must_ask(self, index: int, phone_number_id: str, emit: Callable[[Lookup], None]) -> bool:
        """Say whether this id is to be asked; where not, `emit` gets its answer, now or when it comes."""
        if not isinstance(phone_number_id, str):
            return True  # refused later, with a clear error
        if phone_number_id not in self._seen:
            self._seen[phone_number_id] = None
            return True
        match self._seen[phone_number_id]:
            case None:
                self._seen[phone_number_id] = [index]
            case list() as waiting:
                waiting.append(index)
            case known:
                emit(msgspec.structs.replace(known, index=index))
        return False

    def settle(self, phone_number_id: str, lookup: Lookup, emit: Callable[[Lookup], None]) -> None:
        """Emit an answer at every position that waits for it."""
        emit(lookup)
        if not isinstance(phone_number_id, str):
            return
        waiting = self._seen[phone_number_id]
        self._seen[phone_number_id] = lookup
        if isinstance(waiting, list):
            for index in waiting:
                emit(msgspec.structs.replace(lookup, index=index))
        if self._remembered is not None:
            self._answered.append(phone_number_id)
            if len(self._answered) > self._remembered:
                del self._seen[self._answered.popleft()]


class AsCompleted:
    """Answers in the order in which they came."""

    def __init__(self) -> None:
        self._ready: deque[Lookup] = deque()
        self.put: Callable[[Lookup], None] = self._ready.append

    def take(self) -> Lookup | None:
        """Take the next, if it is there."""
        return self._ready.popleft() if self._ready else None


class InOrder:
    """Answers in the order of the input."""

    def __init__(self) -> None:
        self._ready: dict[int, Lookup] = {}
        self._next = 0

    def put(self, lookup: Lookup) -> None:
        """Add one."""
        self._ready[lookup.index] = lookup

    def take(self) -> Lookup | None:
        """Take the next, if it is there."""
        lookup = self._ready.pop(self._next, None)
        self._next += lookup is not None
        return lookup
