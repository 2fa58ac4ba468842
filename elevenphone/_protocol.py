"""The HTTP of one lookup as functions over bytes: no loop, no socket, no clock of its own."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from elevenphone._envelope import read_detail
from elevenphone._version import __version__
from elevenphone.errors import (
    AuthenticationError,
    DecodeError,
    InvalidPhoneNumberIdError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RateLimitKind,
    ServerError,
    StatusError,
    UnprocessableEntityError,
)
from elevenphone.models import PhoneNumber, decode

PATH = "/v1/convai/phone-numbers/"
USER_AGENT = f"elevenphone/{__version__}"
_MAX_ID_LENGTH = 256
_MAX_BODY_KEPT = 10_000
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_COUNT = re.compile("[1-9][0-9]{0,5}")
# What every id known looks like, and needs no encoding.
_PLAIN = re.compile(f"[A-Za-z0-9_-]{{1,{_MAX_ID_LENGTH}}}")
# C0 and C1 control characters, and lone surrogates, which UTF-8 cannot carry.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Response(NamedTuple):
    """One HTTP answer, whole.

    Attributes:
        status: The HTTP status.
        headers: Looked up by lower-case name.
        body: As it came, its transfer encoding undone.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


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


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Read what identifies a request to ElevenLabs' support.

    Args:
        headers: The answer's.

    Returns:
        The id, or `None`.
    """
    return headers.get("request-id") or headers.get("x-trace-id")


def concurrency_hint(headers: Mapping[str, str]) -> int | None:
    """Read how many requests in flight the server says are allowed.

    Args:
        headers: The answer's.

    Returns:
        A number from 1 up, or `None` where there is none that makes sense.
    """
    value = headers.get("maximum-concurrent-requests")
    return int(value) if value is not None and _COUNT.fullmatch(value) else None


def path_segment(phone_number_id: object) -> str:
    """Make an id one segment of a URL's path.

    Args:
        phone_number_id: Any non-empty text of at most 256 characters.

    Returns:
        The id, percent-encoded so that it arrives as itself.

    Raises:
        InvalidPhoneNumberIdError: It is no `str`, empty, blank, too long, `.` or
            `..` (which climb whatever their encoding), or has control characters.
    """
    if isinstance(phone_number_id, str) and _is_plain(phone_number_id):
        return phone_number_id
    if not isinstance(phone_number_id, str):
        kind = type(phone_number_id).__name__
        raise InvalidPhoneNumberIdError(f"a phone number id must be a str, not {kind}")
    if len(phone_number_id) > _MAX_ID_LENGTH:
        problem = f"has {len(phone_number_id)} characters, more than {_MAX_ID_LENGTH}"
    elif not phone_number_id.strip():
        problem = "is empty or blank"
    elif phone_number_id in (".", ".."):
        problem = "is a step in a path"
    elif bad := _FORBIDDEN.search(phone_number_id):
        problem = f"holds the character {bad[0]!r} at {bad.start()}"
    else:
        return quote(phone_number_id, safe="")
    shown = repr(phone_number_id[:40]) + ("..." if len(phone_number_id) > 40 else "")
    raise InvalidPhoneNumberIdError(f"{shown} cannot be a phone number id: it {problem}")


def _is_plain(text: str) -> bool:
    """Tell whether a text needs no encoding; an identifier does not, and is known as one faster."""
    if text.isidentifier() and text.isascii() and len(text) <= _MAX_ID_LENGTH:
        return True
    return _PLAIN.fullmatch(text) is not None


def parse(response: Response) -> PhoneNumber:
    """Turn an answer into a number.

    Args:
        response: The answer.

    Returns:
        The number.

    Raises:
        StatusError: The status is not 2xx.
        DecodeError: The body is not a phone number.
    """
    status, headers, body = response
    if not 200 <= status < 300:
        raise status_error(response)
    try:
        return decode(body)
    except DecodeError as error:
        # Only the end of the connection ended such a body, so nothing tells a cut from the end.
        delimited = status == 204 or "content-length" in headers or "transfer-encoding" in headers
        truncated = not delimited and error.path is None
        problem = DecodeError(error.message, error.path, status, error.snippet, truncated)
    raise problem


def status_error(response: Response) -> StatusError:
    """Make the error that an answer with a status other than 2xx stands for.

    Args:
        response: The answer.

    Returns:
        An error of the class that belongs to the status.
    """
    status, headers, body = response
    detail = read_detail(body)
    message = detail.message or " ".join(body[:200].decode(errors="replace").split())
    message = message or _PHRASES.get(status, "no explanation")
    if status in range(300, 400):
        message = f"redirected to {headers.get('location', 'nowhere')!r}, which is never followed"
    request_id = request_id_of(headers) or detail.request_id
    fields = (status, detail.code, message, request_id, retry_after(headers), body[:_MAX_BODY_KEPT])
    match status:
        case 401:
            return AuthenticationError(*fields)
        case 403:
            return PermissionDeniedError(*fields)
        case 404:
            return NotFoundError(*fields)
        case 422:
            return UnprocessableEntityError(*fields, errors=detail.errors)
        case 429:
            return RateLimitError(*fields, kind=_RATE_LIMIT_KINDS.get(detail.code or "", "unknown"))
        case _ if status in range(500, 600):
            return ServerError(*fields)
        case _:
            return StatusError(*fields)


_RATE_LIMIT_KINDS: dict[str, RateLimitKind] = {
    "too_many_concurrent_requests": "concurrency",
    "concurrent_limit_exceeded": "concurrency",
    "rate_limit_exceeded": "rate",
    "system_busy": "busy",
    "quota_exceeded": "quota",
}


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Read how long the server asks to wait.

    `retry-after-ms` comes before `retry-after`, which is seconds (fractions
    allowed) or an HTTP date; a date is held against the answer's own `date`, so
    that a wrong clock on either side does no harm (RFC 9110, 10.2.3).

    Args:
        headers: The answer's.
        now: Seconds since the epoch; default the system's clock.

    Returns:
        Seconds from 0 up; `None` where there is none, or it makes no sense.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    if value is None:
        return None
    if (seconds := _number(value)) is not None:
        return seconds
    moment = _http_date(value)
    if moment is None:
        return None
    reference = _http_date(headers.get("date")) or (time.time() if now is None else now)
    return moment - reference if moment >= reference else None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


def _http_date(text: str | None) -> float | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    # The asctime form names no zone; all HTTP dates are UTC (RFC 9110, 5.6.7).
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
