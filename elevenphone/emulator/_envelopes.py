"""The bodies of errors, in the shapes that the real API gives them."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

import msgspec

JSON = "application/json"
HTML = "text/html; charset=utf-8"

_encode = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """A response before its headers.

    Attributes:
        status: HTTP status.
        body: The bytes of the body.
        content_type: Value of the header.
    """

    status: int
    body: bytes
    content_type: str = JSON


def invalid_api_key() -> Answer:
    """Refuse a key that is not the one."""
    return _legacy(401, "invalid_api_key", "Invalid API key")


def needs_authorization() -> Answer:
    """Refuse a request without a key."""
    message = "Neither authorization header nor xi-api-key received, please provide one."
    return _legacy(401, "needs_authorization", message)


def missing_permissions() -> Answer:
    """Refuse a key whose scope leaves this route out: 401, not 403."""
    message = "The API key you used is missing the permission convai_read to execute this operation."
    return _legacy(401, "missing_permissions", message)


def quota_exceeded(quota: int) -> Answer:
    """Refuse because all that was paid for is used up: 401, not 429."""
    message = (
        f"This request exceeds your quota of {quota}. You have 0 credits remaining, "
        "while 1 credits are required for this request."
    )
    return _legacy(401, "quota_exceeded", message)


def phone_number_not_found(phone_number_id: str) -> Answer:
    """Answer for an id that nobody has."""
    return _legacy(404, "phone_number_not_found", f"Phone number with id {phone_number_id} not found.")


def too_many_concurrent_requests(limit: int) -> Answer:
    """Refuse what is above the plan's limit of requests in flight."""
    message = (
        f"Too many concurrent requests. Your current subscription is associated with a maximum of {limit} "
        "concurrent requests (running in parallel). This is done such that a single user does not overwhelm "
        "our systems and affect other users negatively. Please upgrade your subscription or contact sales "
        "if you want to increase this limit."
    )
    return _legacy(429, "too_many_concurrent_requests", message)


def system_busy() -> Answer:
    """Refuse because of everybody's traffic."""
    message = (
        "We are sorry, the system is experiencing heavy traffic, please try again. "
        "Higher subscriptions have higher priority."
    )
    return _legacy(429, "system_busy", message)


def rate_limit_exceeded(request_id: str) -> Answer:
    """Refuse what is above the rate, in the newer envelope."""
    detail = {
        "type": "rate_limit_error",
        "code": "rate_limit_exceeded",
        "message": "Rate limit exceeded. Please try again later.",
        "status": "rate_limit_exceeded",
        "request_id": request_id,
        "param": None,
    }
    return Answer(429, _encode({"detail": detail}))


def server_error(status: int) -> Answer:
    """Fail; 500 comes without the `detail` around it, as it was captured."""
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        message = "Internal Server error. All such crashes are reported to us automatically."
        return Answer(status, _encode({"status": "internal_server_error", "message": message}))
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Server Error"
    return Answer(status, _encode({"detail": phrase}))


def bad_gateway_page() -> Answer:
    """Fail as something in between does, with a page for people."""
    page = (
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"
        "<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    return Answer(502, page.encode(), HTML)


def not_found() -> Answer:
    """Answer for a path that is no route."""
    return Answer(404, _encode({"detail": "Not Found"}))


def method_not_allowed() -> Answer:
    """Answer for a method that the route does not have."""
    return Answer(405, _encode({"detail": "Method Not Allowed"}))


def id_too_long(phone_number_id: str, longest: int) -> Answer:
    """Answer for an id that fails validation."""
    problem = {
        "type": "string_too_long",
        "loc": ["path", "phone_number_id"],
        "msg": f"String should have at most {longest} characters",
        "input": phone_number_id,
    }
    return Answer(422, _encode({"detail": [problem]}))


def _legacy(status: int, code: str, message: str) -> Answer:
    return Answer(status, _encode({"detail": {"status": code, "message": message}}))
