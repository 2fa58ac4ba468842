"""The bodies of errors, in the shapes that the real API gives them."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple, TypeAlias

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
        faulty: Whether it is the work of one of the emulator's faults.
    """

    status: int
    body: bytes
    content_type: str = JSON
    faulty: bool = False


Problem: TypeAlias = dict[str, object]
"""One element of the list in the body of a 422."""


def invalid_api_key() -> Answer:
    """Refuse a wrong key."""
    return _legacy(401, "invalid_api_key", "Invalid API key")


def needs_authorization() -> Answer:
    """Refuse a request without a key."""
    message = "Neither authorization header nor xi-api-key received, please provide one."
    return _legacy(401, "needs_authorization", message)


def missing_permissions() -> Answer:
    """Refuse a key without the permission for this route: 401, not 403."""
    message = "The API key you used is missing the permission convai_read to execute this operation."
    return _legacy(401, "missing_permissions", message)


def quota_exceeded(quota: int) -> Answer:
    """Refuse because the quota is used up: 401, not 429."""
    message = (
        f"This request exceeds your quota of {quota}. You have 0 credits remaining, "
        "while 1 credits are required for this request."
    )
    return _legacy(401, "quota_exceeded", message)


def phone_number_not_found(phone_number_id: str) -> Answer:
    """Answer for an unknown id."""
    return _legacy(404, "phone_number_not_found", f"Phone number with id {phone_number_id} not found.")


def too_many_concurrent_requests(limit: int) -> Answer:
    """Refuse a request above the plan's limit of requests in flight."""
    message = (
        f"Too many concurrent requests. Your current subscription is associated with a maximum of {limit} "
        "concurrent requests (running in parallel). This is done such that a single user does not overwhelm "
        "our systems and affect other users negatively. Please upgrade your subscription or contact sales "
        "if you want to increase this limit."
    )
    return _legacy(429, "too_many_concurrent_requests", message)


def system_busy() -> Answer:
    """Refuse because the whole system is busy."""
    message = (
        "We are sorry, the system is experiencing heavy traffic, please try again. "
        "Higher subscriptions have higher priority."
    )
    return _legacy(429, "system_busy", message)


def rate_limit_exceeded(request_id: str) -> Answer:
    """Refuse a request above the rate, in the newer envelope."""
    message = "Rate limit exceeded. Please try again later."
    return _newer(429, "rate_limit_error", "rate_limit_exceeded", message, request_id)


def invalid_page_size(largest: int, request_id: str) -> Answer:
    """Refuse a page size out of range, in the newer envelope."""
    message = f"Page size must be between 1 and {largest}."
    return _newer(400, "validation_error", "invalid_page_size", message, request_id, "page_size")


def invalid_cursor(request_id: str) -> Answer:
    """Refuse a cursor, in the newer envelope."""
    message = "The cursor is invalid or expired."
    return _newer(400, "validation_error", "invalid_cursor", message, request_id, "cursor")


def server_error(status: int) -> Answer:
    """Fail; the body of a 500 has no `detail` around it, as it was captured from the API."""
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        message = "Internal Server error. All such crashes are reported to us automatically."
        return Answer(status, _encode({"status": "internal_server_error", "message": message}))
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Server Error"
    return Answer(status, _encode({"detail": phrase}))


def bad_gateway_page() -> Answer:
    """Fail as a proxy in front of the API does, with an HTML page."""
    page = (
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"
        "<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    return Answer(502, page.encode(), HTML, faulty=True)


def not_found() -> Answer:
    """Answer for a path that no route has."""
    return Answer(404, _encode({"detail": "Not Found"}))


def method_not_allowed() -> Answer:
    """Answer for a method that the route does not have."""
    return Answer(405, _encode({"detail": "Method Not Allowed"}))


def unprocessable(*problems: Problem) -> Answer:
    """Answer for parameters that fail validation."""
    return Answer(422, _encode({"detail": problems}))


def id_too_long(phone_number_id: str, longest: int) -> Problem:
    """Report an id that is too long."""
    message = f"String should have at most {longest} characters"
    return _problem("string_too_long", ("path", "phone_number_id"), message, phone_number_id)


def not_an_integer(name: str, value: str) -> Problem:
    """Report a query parameter that should be a whole number."""
    message = "Input should be a valid integer, unable to parse string as an integer"
    return _problem("int_parsing", ("query", name), message, value)


def not_a_boolean(name: str, value: str) -> Problem:
    """Report a query parameter that should be true or false."""
    message = "Input should be a valid boolean, unable to interpret input"
    return _problem("bool_parsing", ("query", name), message, value)


def not_a_choice(name: str, value: str, choices: Sequence[str]) -> Problem:
    """Report a query parameter that should be one of a few words."""
    *others, last = (repr(choice) for choice in choices)
    expected = f"{', '.join(others)} or {last}"
    problem = _problem("enum", ("query", name), f"Input should be {expected}", value)
    return problem | {"ctx": {"expected": expected}}


def _problem(kind: str, location: tuple[str, str], message: str, value: str) -> Problem:
    return {"type": kind, "loc": location, "msg": message, "input": value}


def _legacy(status: int, code: str, message: str) -> Answer:
    return Answer(status, _encode({"detail": {"status": code, "message": message}}))


def _newer(
    status: int, kind: str, code: str, message: str, request_id: str, parameter: str | None = None
) -> Answer:
    detail = {
        "type": kind,
        "code": code,
        "message": message,
        "status": code,
        "request_id": request_id,
        "param": parameter,
    }
    return Answer(status, _encode({"detail": detail}))
