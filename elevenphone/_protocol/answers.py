"""Turn an HTTP answer into a phone number or an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import TypeVar

from elevenphone._protocol.envelope import read_detail
from elevenphone._protocol.retry_after import retry_after
from elevenphone._values import with_escaped_bytes
from elevenphone.errors import (
    AuthenticationError,
    DecodeError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StatusError,
    UnprocessableEntityError,
)
from elevenphone.transport import Response

_T = TypeVar("_T")
_MAX_BODY_KEPT = 10_000
_LONGEST_SNIPPET = 200
_PHRASES = {status.value: status.phrase for status in HTTPStatus} | {
    304: "Not Modified, although the request was not conditional",
}
_REDIRECTIONS = (301, 302, 303, 305, 307, 308)
_COUNT = re.compile("[1-9][0-9]{0,5}")
_STATED_COUNT = re.compile("maximum of ([1-9][0-9]{0,5}) concurrent requests")


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Read the id that ElevenLabs' support asks for.

    Args:
        headers: The headers of the answer.

    Returns:
        The id, with bytes that are not UTF-8 escaped, or `None`.
    """
    request_id = headers.get("request-id") or headers.get("x-trace-id")
    return with_escaped_bytes(request_id) if request_id else None


def concurrency_hint(headers: Mapping[str, str]) -> int | None:
    """Read the maximum of requests in flight that the server states.

    Args:
        headers: The headers of the answer.

    Returns:
        A number from 1 up, or `None`.
    """
    value = headers.get("maximum-concurrent-requests")
    return None if value is None else _count(value)


@lru_cache(maxsize=16)
def _count(text: str) -> int | None:
    """Read a number; nearly all answers have the same one."""
    return int(text) if _COUNT.fullmatch(text) else None


def concurrency_stated(message: str) -> int | None:
    """Read the maximum of requests in flight from the message of a 429, if it states one.

    Args:
        message: The message.

    Returns:
        A number from 1 up, or `None`.
    """
    stated = _STATED_COUNT.search(message)
    return None if stated is None else int(stated[1])


def parse(decode_body: Callable[[bytes], _T], response: Response) -> _T:
    """Decode the body of an answer.

    Args:
        decode_body: Decodes the body, or raises a `DecodeError`.
        response: The answer.

    Returns:
        What `decode_body` returns.

    Raises:
        StatusError: The status is not 2xx.
        DecodeError: As `decode_body`, with the status of the answer.
    """
    status, headers, body = response
    if not 200 <= status < 300:
        raise status_error(response)
    try:
        return decode_body(body)
    except DecodeError as error:
        # If only the close of the connection ended the body, it may be incomplete.
        has_length = status == 204 or "content-length" in headers or "transfer-encoding" in headers
        truncated = not has_length and error.path is None
        problem = DecodeError(error.message, error.path, status, error.snippet, truncated)
    raise problem


def status_error(response: Response) -> StatusError:
    """Make an error from an answer whose status is not 2xx.

    Args:
        response: The answer.

    Returns:
        An error of the class for that status.
    """
    status, headers, body = response
    detail = read_detail(body)
    message = (
        _redirection(response) or detail.message or _snippet(body) or _PHRASES.get(status, "no explanation")
    )
    fields = (
        status,
        detail.code,
        message,
        request_id_of(headers) or detail.request_id,
        retry_after(headers),
        body[:_MAX_BODY_KEPT],
    )
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
            return RateLimitError(*fields, kind=detail.kind)
        case _ if status in range(500, 600):
            return ServerError(*fields)
        case _:
            return StatusError(*fields)


def _redirection(response: Response) -> str | None:
    if response.status not in _REDIRECTIONS:
        return None
    location = with_escaped_bytes(response.headers.get("location") or "")
    return f"redirected to {location!r}, which is never followed" if location else "redirected to no address"


def _snippet(body: bytes) -> str:
    return " ".join(body[:_LONGEST_SNIPPET].decode(errors="replace").split())
