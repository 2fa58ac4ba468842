"""The numbers that a client remembers."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple, TypeVar, cast

from elevenphone._lookup.job import Job
from elevenphone.errors import NotFoundError
from elevenphone.models import PhoneNumber

_T = TypeVar("_T")


class Remembered(NamedTuple):
    """A number, as it was at a certain time.

    Attributes:
        number: The number.
        asked: The moment at which its request started; its age counts from here.
    """

    number: PhoneNumber
    asked: float


class Store:
    """The numbers that a client remembers, by id. The least recently used are dropped first.

    Only the answer of a lookup that is to be remembered is added. That of another lookup
    refreshes what is here already, and does not count as use.
    """

    def __init__(self, entries: int) -> None:
        self._most = entries
        self._entries: OrderedDict[str, Remembered] = OrderedDict()

    def use(self, phone_number_id: str) -> Remembered | None:
        """Return the remembered number, and mark it as the most recently used."""
        remembered = self._entries.get(phone_number_id)
        if remembered is not None:
            self._entries.move_to_end(phone_number_id)
        return remembered

    def learn(self, job: Job[_T]) -> None:
        """Store the result of a lookup; called for every lookup of the client."""
        phone_number_id = job.phone_number_id
        if phone_number_id is None:
            return
        if job.error is None:
            number = cast("PhoneNumber", job.result)
            if job.remember and phone_number_id not in self._entries:
                self._add(phone_number_id, Remembered(number, job.asked))
            else:
                self.refresh(phone_number_id, number, job.asked)
        elif isinstance(job.error, NotFoundError):
            remembered = self._entries.get(phone_number_id)
            if remembered is not None and remembered.asked <= job.asked:
                del self._entries[phone_number_id]

    def refresh(self, phone_number_id: str, number: PhoneNumber, asked: float) -> None:
        """Replace what is remembered about an id, unless that is newer; otherwise do nothing.

        Args:
            phone_number_id: The id.
            number: The number.
            asked: The moment at which its request started.
        """
        remembered = self._entries.get(phone_number_id)
        if remembered is not None and remembered.asked <= asked:
            self._entries[phone_number_id] = Remembered(number, asked)

    def _add(self, phone_number_id: str, remembered: Remembered) -> None:
        if len(self._entries) == self._most:
            self._entries.popitem(last=False)
        self._entries[phone_number_id] = remembered

    def forget(self, phone_number_id: str | None) -> None:
        """Drop one number, or all if `None`."""
        if phone_number_id is None:
            self._entries.clear()
        else:
            self._entries.pop(phone_number_id, None)

    def __len__(self) -> int:
        return len(self._entries)
