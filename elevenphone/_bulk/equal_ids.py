"""Equal ids of a run: each is requested once, and has a result at every position."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from elevenphone.lookups import Lookup


class EqualIds:
    """The ids seen so far, so that equal ones are not requested again.

    Args:
        remembered: The number of answers kept for ids that come later; `None` for all.
            Ids in flight are always kept.
    """

    def __init__(self, remembered: int | None) -> None:
        self._remembered = remembered
        self._seen: dict[str, Lookup | None] = {}  # None while the id is in flight
        self._waiting: dict[str, list[int]] = {}  # the later positions of ids in flight
        self._answered: deque[str] = deque()

    def is_new(self, phone_number_id: str) -> bool:
        """Whether an id must be requested; it is remembered."""
        if phone_number_id in self._seen:
            return False
        self._seen[phone_number_id] = None
        return True

    def known(self, phone_number_id: str, index: int) -> Lookup | None:
        """Return the answer to an id seen before; if it has none yet, the position waits for it."""
        lookup = self._seen[phone_number_id]
        if lookup is None:
            self._waiting.setdefault(phone_number_id, []).append(index)
        return lookup

    def settle(self, phone_number_id: str, lookup: Lookup) -> Sequence[int]:
        """Remember the answer to an id.

        Returns:
            The later positions that wait for it.
        """
        self._seen[phone_number_id] = lookup
        if self._remembered is not None:
            self._answered.append(phone_number_id)
            if len(self._answered) > self._remembered:
                del self._seen[self._answered.popleft()]
        return self._waiting.pop(phone_number_id, ()) if self._waiting else ()
