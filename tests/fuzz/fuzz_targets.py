"""Fuzz targets: bytes must give a documented value or error; anything else raises."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path

from elevenphone import (
    DecodeError,
    FieldError,
    PhoneNumber,
    RawResponse,
    Response,
    StatusError,
    decode,
    encode,
)
from elevenphone._http.redaction import redacted
from elevenphone._protocol.answers import parse, status_error
from elevenphone._protocol.retry_after import retry_after
from elevenphone.lookups import raw_response

PAYLOADS = Path(__file__).parents[1] / "payloads"
KEY = "sk_0123456789"

_STATUSES = (400, 401, 403, 404, 405, 408, 422, 425, 429, 500, 501, 503, 599)


def decode_body(data: bytes) -> None:
    """`decode` returns a number that survives the way back, or raises `DecodeError`."""
    problem: DecodeError | None = None
    try:
        number = decode(data)
    except DecodeError as error:
        problem = error
    else:
        _assert_kept(number)
    if problem is not None:
        assert problem.snippet == data[:200]
        _assert_presentable(problem)


def _assert_kept(number: PhoneNumber) -> None:
    assert decode(encode(number)) == number
    for field in (number.phone_number, number.label, number.phone_number_id, number.provider):
        assert isinstance(field, str)
    assert isinstance(number.supports_inbound, bool)


def read_error_body(data: bytes) -> None:
    """Any body of an error makes a `StatusError` of plain data."""
    for status in _STATUSES:
        error = status_error(Response(status, {}, data))
        assert error.status == status
        assert error.message
        assert error.code is None or isinstance(error.code, str)
        assert error.request_id is None or isinstance(error.request_id, str)
        for field_error in getattr(error, "errors", ()):
            assert isinstance(field_error, FieldError)
            assert all(isinstance(step, str | int) for step in field_error.location)
        _assert_presentable(error)


def read_retry_after(data: bytes) -> None:
    """Any three headers make a wait from 0 up, or none."""
    seconds, milliseconds, date = [*data.decode("latin-1").split("\n", 2), "", ""][:3]
    wait = retry_after({"retry-after": seconds, "retry-after-ms": milliseconds, "date": date}, now=1e9)
    assert wait is None or 0 <= wait < math.inf
    wait = retry_after({"retry-after": seconds}, now=1e9)
    assert wait is None or 0 <= wait < math.inf


def read_answer(data: bytes) -> None:
    """Any status, headers and body make a number, a `StatusError` or a `DecodeError`, without the key."""
    first, _, rest = data.partition(b"\n")
    headers, _, body = rest.partition(b"\n\n")
    names = (line.partition(b":")[::2] for line in headers.split(b"\n"))
    fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in names}
    status = 100 + int.from_bytes(first[:2]) % 900
    response = redacted(status, fields, body, KEY)
    raw = raw_response(response, attempts=1, elapsed=0.0)
    assert isinstance(raw, RawResponse)
    assert KEY not in repr(raw)
    problem: StatusError | DecodeError | None = None
    try:
        number = parse(decode, response)
    except (StatusError, DecodeError) as error:
        problem = error
    else:
        assert 200 <= status < 300
        assert raw.decode() == number
    if problem is not None:
        assert problem.status == status
        assert KEY not in f"{problem} {problem!r} {vars(problem)!r}"
        _assert_presentable(problem)


def _assert_presentable(error: Exception) -> None:
    assert str(error)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - made one line above
    assert (type(copy), str(copy)) == (type(error), str(error))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "decode": decode_body,
    "error": read_error_body,
    "retry-after": read_retry_after,
    "answer": read_answer,
}


def seeds() -> list[bytes]:
    """Read the bodies that were captured or documented."""
    return [path.read_bytes() for path in sorted(PAYLOADS.rglob("*.json"))]
