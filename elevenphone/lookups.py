"""What became of one id of a bulk run: `Found` or `Failed`."""

from __future__ import annotations

from typing import NoReturn, TypeAlias

import msgspec

from elevenphone.errors import ElevenPhoneError
from elevenphone.models import PhoneNumber


# No reference cycle can pass through a number, so the garbage collector need not visit a million of these.
class _Common(msgspec.Struct, frozen=True, gc=False):
    index: int
    phone_number_id: str
    attempts: int
    elapsed: float


class Found(_Common, frozen=True, gc=False):
    """A lookup that found its number.

    Attributes:
        index: Position in the input, from 0.
        phone_number_id: The id as it was given.
        attempts: Requests it took; an equal id elsewhere in the input shows the same ones.
        elapsed: Seconds from the first attempt to the answer, waits included.
        number: The number.
    """

    number: PhoneNumber

    def result(self) -> PhoneNumber:
        """Return the number."""
        return self.number


class Failed(_Common, frozen=True, gc=True):
    """A lookup that did not.

    Attributes:
        index: Position in the input, from 0.
        phone_number_id: The id as it was given.
        attempts: Requests it took; 0 where nothing was sent.
        elapsed: Seconds from the first attempt to the last answer, waits included.
        error: Why.
    """

    error: ElevenPhoneError

    def result(self) -> NoReturn:
        """Raise the error.

        Raises:
            ElevenPhoneError: Always.
        """
        raise self.error


Lookup: TypeAlias = Found | Failed
"""One of both; `match` on the class, or call `.result()`."""
