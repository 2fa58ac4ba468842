"""What a lookup returns: `Found` or `Failed` for each id of a bulk run, `RawResponse` for the bytes."""

from __future__ import annotations

from typing import NoReturn, TypeAlias

import msgspec

from elevenphone._protocol.answers import parse, request_id_of
from elevenphone.errors import ElevenPhoneError
from elevenphone.models import PhoneNumber
from elevenphone.transport import Response


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


class RawResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of an answer as they came, whatever its status.

    Attributes:
        status: The HTTP status.
        headers: By lower-case name; of a repeated one, the first.
        body: The body.
        request_id: What to quote to ElevenLabs' support, or `None`.
        attempts: Requests it took.
        elapsed: Seconds from the first attempt to the answer, waits included.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    request_id: str | None
    attempts: int
    elapsed: float

    def decode(self) -> PhoneNumber:
        """Decode the body.

        Returns:
            The number.

        Raises:
            StatusError: The status is not 2xx.
            DecodeError: The body is not a phone number.
        """
        return parse(Response(self.status, self.headers, self.body))


def raw_response(response: Response, attempts: int, elapsed: float) -> RawResponse:
    """Make plain data of an answer.

    Args:
        response: The answer.
        attempts: Requests it took.
        elapsed: Seconds it took.

    Returns:
        The same, as a caller gets it.
    """
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        headers.setdefault(name.lower(), value)
    return RawResponse(
        status=response.status,
        headers=headers,
        body=response.body,
        request_id=request_id_of(headers),
        attempts=attempts,
        elapsed=elapsed,
    )
