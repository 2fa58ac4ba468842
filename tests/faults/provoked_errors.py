"""Every way for a lookup to fail, each with the key wherever a server can put it."""

from __future__ import annotations

from typing import NamedTuple

from fault_helpers import KEY
from misbehaving_server import (
    Behaviour,
    drip,
    end,
    envelope,
    found,
    head,
    in_turn,
    number,
    send,
    silence,
    whole,
)

from elevenphone import (
    AuthenticationError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    ElevenPhoneError,
    InvalidPhoneNumberIdError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    RequestTimeoutError,
    ResponseTooLargeError,
    ServerError,
    StatusError,
    UnprocessableEntityError,
)

_LONG = b"x" * 5_000_000


class Case(NamedTuple):
    """A way for a lookup to fail.

    Attributes:
        behaviour: What the server does.
        kind: What is raised.
        phone_number_id: What is asked for.
        timeout: Seconds for an attempt.
        deadline: Seconds for the lookup.
    """

    behaviour: Behaviour
    kind: type[ElevenPhoneError]
    phone_number_id: str = "phnum_1"
    timeout: float = 10.0
    deadline: float = 60.0


def echo(status: int) -> Behaviour:
    """Answer with the key wherever a server can put it."""
    body = envelope(KEY, f"wrong key {KEY}")
    lines = [f"Request-Id: {KEY}", f"Location: /?key={KEY}", f"X-{KEY}: 1", f"Retry-After: {KEY}"]
    return send(whole(status, body, *lines))


CASES = {
    "reset": Case(end("reset"), ConnectionFailedError),
    "cut short": Case(
        send(head(200, "Content-Length: 500", f"X: {KEY}") + number(), "close"), ConnectionFailedError
    ),
    "timeout": Case(silence, RequestTimeoutError, timeout=0.02),
    "timeout in the body": Case(
        drip(whole(200, number(), f"X: {KEY}"), 0.001), RequestTimeoutError, timeout=0.03
    ),
    "deadline": Case(silence, DeadlineExceededError, deadline=0.02),
    "deadline after an error": Case(in_turn(echo(500), silence), DeadlineExceededError, deadline=0.05),
    "garbage with the key": Case(send(f"{KEY} BANANA\r\n\r\n".encode(), "close"), ProtocolError),
    "a status line with the key": Case(send(f"HTTP/1.1 2000 {KEY}\r\n\r\n".encode(), "close"), ProtocolError),
    "a bad header with the key": Case(
        send(f"HTTP/1.1 200 OK\r\n{'X' * 80}{KEY}\x00: a\r\n\r\n".encode(), "close"), ProtocolError
    ),
    "compressed as the key": Case(send(whole(200, number(), f"Content-Encoding: {KEY}")), ProtocolError),
    "too large": Case(send(whole(200, _LONG, f"X: {KEY}")), ResponseTooLargeError),
    "too large and undelimited": Case(send(head(200, f"X: {KEY}") + _LONG, "close"), ResponseTooLargeError),
    "redirect": Case(echo(302), StatusError),
    "401": Case(echo(401), AuthenticationError),
    "403": Case(echo(403), PermissionDeniedError),
    "404": Case(echo(404), NotFoundError),
    "422": Case(echo(422), UnprocessableEntityError),
    "422 with a list": Case(
        send(whole(422, f'{{"detail": [{{"loc": ["header"], "msg": "{KEY}", "type": "x"}}]}}'.encode())),
        UnprocessableEntityError,
    ),
    "429": Case(echo(429), RateLimitError),
    "500": Case(echo(500), ServerError),
    "200 that is no number": Case(echo(200), DecodeError),
    "200 that is no JSON": Case(send(whole(200, KEY.encode())), DecodeError),
    "wrong type": Case(send(whole(200, number(label=[KEY]))), DecodeError),
    "an id that cannot be one": Case(found, InvalidPhoneNumberIdError, phone_number_id="a\nb"),
}
