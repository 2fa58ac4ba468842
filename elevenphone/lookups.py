"""The results of lookups: `Found` or `Failed` for each id of a bulk run, and `RawResponse`."""

from __future__ import annotations

from typing import NoReturn, TypeAlias

import msgspec

from elevenphone._protocol.answers import parse, request_id_of
from elevenphone.errors import ElevenPhoneError
from elevenphone.models import PhoneNumber, decode
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
        phone_number_id: The id, as you passed it.
        attempts: Number of requests. Equal ids share their requests, and show the same
            number.
        elapsed: Seconds from the first attempt to the answer, waits included.
        number: The number.

    Example:
        ```python
        if isinstance(lookup, Found):
            print(lookup.number.phone_number, "after", lookup.attempts, "requests")
        ```
    """

    number: PhoneNumber

    def result(self) -> PhoneNumber:
        """Return the number."""
        return self.number


class Failed(_Common, frozen=True, gc=True):
    """A lookup that failed.

    Attributes:
        index: Position in the input, from 0.
        phone_number_id: The id, as you passed it.
        attempts: Number of requests; 0 if nothing was sent.
        elapsed: Seconds from the first attempt to the last failure, waits included.
        error: The reason.

    Example:
        ```python
        if isinstance(lookup, Failed) and lookup.error.retryable:
            later.append(lookup.phone_number_id)
        ```
    """

    error: ElevenPhoneError

    def result(self) -> NoReturn:
        """Raise the error.

        Raises:
            ElevenPhoneError: Always.
        """
        raise self.error


Lookup: TypeAlias = Found | Failed
"""The result of one id; `match` on the class, or call `.result()`."""


class RawResponse(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of the server, undecoded, with any status.

    Attributes:
        status: The HTTP status.
        headers: The headers by lower-case name; the first value of a repeated header.
        body: The body.
        request_id: The id of the request, for ElevenLabs' support, or `None`.
        attempts: Number of requests.
        elapsed: Seconds from the first attempt to the answer, waits included.

    Example:
        ```python
        raw = await client.get_raw(phone_number_id)
        print(raw.status, len(raw.body), raw.request_id)
        ```
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
        return parse(decode, Response(self.status, self.headers, self.body))


def raw_response(response: Response, attempts: int, elapsed: float) -> RawResponse:
    """Turn an answer into a `RawResponse`.

    Args:
        response: The answer.
        attempts: Number of requests.
        elapsed: Seconds.

    Returns:
        The answer, as `get_raw` returns it.
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
