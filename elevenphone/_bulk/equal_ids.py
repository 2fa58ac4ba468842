"""Equal ids of a run: each is requested once, and has a result at every position."""

from __future__ import annotations

from collections import deque

from elevenphone.lookups import Lookup


class EqualIds:
    """The ids seen so far, so that equal ones are not requested again.

    Args:
        remembered: The number of answers kept for ids that come later; `None` for all.
            Ids in flight are always kept.
    """

    def __init__(self, remembered: int | None) -> None:
        self._remembered = remembered
        # id -> its lookup, or the later positions that wait for it, or None if no position waits.
        self._seen: dict[str, Lookup | list[int] | None] = {}
        self._answered: deque[str] = deque()

    def is_new(self, phone_number_id: str) -> bool:
        """Whether an id must be requested; it is remembered."""
        seen = self._seen
        count = len(seen)
        seen.setdefault(phone_number_id, None)
        return len(seen) > count

    def known(self, phone_number_id: str, index: int) -> Lookup | None:
        """Return the answer to an id seen before; if it has none yet, the position waits for it."""
        match self._seen[phone_number_id]:
            case None:
                self._seen[phone_number_id] = [index]
                return None
            case list() as waiting:
                waiting.append(index)
                return None
            case lookup:
                return lookup

    def settle(self, phone_number_id: str, lookup: Lookup) -> list[int]:
        """Remember the answer to an id.

        Returns:
            The later positions that wait for it.
        """
        waiting = self._seen[phone_number_id]
        self._seen[phone_number_id] = lookup
        if self._remembered is not None:
            self._answered.append(phone_number_id)
            if len(self._answered) > self._remembered:
                del self._seen[self._answered.popleft()]
        return waiting if isinstance(waiting, list) else []
