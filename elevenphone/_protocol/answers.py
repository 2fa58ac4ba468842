"""What an HTTP answer says: a number, or the error that it stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

from elevenphone._protocol.envelope import read_detail
from elevenphone._protocol.retry_after import retry_after
from elevenphone.errors import (
    AuthenticationError,
    DecodeError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RateLimitKind,
    ServerError,
    StatusError,
    UnprocessableEntityError,
)
from elevenphone.models import PhoneNumber, decode
from elevenphone.transport import Response

_MAX_BODY_KEPT = 10_000
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_COUNT = re.compile("[1-9][0-9]{0,5}")


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
