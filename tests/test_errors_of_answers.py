"""An answer whose status is not 2xx becomes an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevenphone import (
    AuthenticationError,
    FieldError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    Response,
    ServerError,
    StatusError,
    UnprocessableEntityError,
    decode,
)
from elevenphone._protocol.answers import concurrency_hint, concurrency_stated, parse, status_error

PAYLOADS = {path.stem: path.read_bytes() for path in Path(__file__).parent.glob("payloads/errors/*.json")}


def answer(status: int, document: object = None, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, b"" if document is None else json.dumps(document).encode())


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, StatusError),
        (302, StatusError),
        (304, StatusError),
        (400, StatusError),
        (401, AuthenticationError),
        (402, StatusError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (405, StatusError),
        (408, StatusError),
        (422, UnprocessableEntityError),
        (425, StatusError),
        (429, RateLimitError),
        (451, StatusError),
        (500, ServerError),
        (501, ServerError),
        (503, ServerError),
        (529, ServerError),
        (599, ServerError),
        (600, StatusError),
        (101, StatusError),
    ],
)
def test_each_status_has_its_error_class(status: int, kind: type[StatusError]) -> None:
    with pytest.raises(StatusError) as caught:
        parse(decode, answer(status, {"detail": {"status": "word", "message": "Sentence"}}))
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert str(caught.value).startswith(f"HTTP {status}")


def test_there_are_captured_errors() -> None:
    assert len(PAYLOADS) >= 5


@pytest.mark.parametrize(
    ("name", "code", "message", "request_id"),
    [
        (
            "400_docs_new_envelope",
            "invalid_parameters",
            "The 'keyterms' parameter is only supported",
            "3c807fc4c3a1705f9638ecc764a91c01",
        ),
        ("401_invalid_api_key", "invalid_api_key", "Invalid API key", None),
        ("405_plain_string", None, "Method Not Allowed", None),
        ("422_list", None, "Field required", None),
        ("429_too_many_concurrent_requests", "too_many_concurrent_requests", "Too many concurrent", None),
    ],
)
def test_a_captured_error_is_read(name: str, code: str | None, message: str, request_id: str | None) -> None:
    error = status_error(Response(int(name[:3]), {}, PAYLOADS[name]))
    assert error.code == code
    assert error.message.startswith(message)
    assert error.request_id == request_id
    assert error.body == PAYLOADS[name]


def test_every_captured_error_has_a_message() -> None:
    for name, body in PAYLOADS.items():
        error = status_error(Response(int(name[:3]), {}, body))
        assert error.message
        assert error.message in str(error)


@pytest.mark.parametrize(
    ("document", "code", "message", "request_id"),
    [
        ({"detail": {"status": "s", "message": "m"}}, "s", "m", None),
        (
            {
                "detail": {
                    "type": "t",
                    "code": "c",
                    "message": "m",
                    "status": "s",
                    "request_id": "r",
                    "param": "p",
                }
            },
            "c",
            "m",
            "r",
        ),
        ({"detail": {"code": "c", "message": "m"}}, "c", "m", None),
        ({"detail": {"code": None, "status": "s", "message": "m"}}, "s", "m", None),
        ({"detail": {"code": 7, "status": "s", "message": "m"}}, "s", "m", None),
        ({"status": "s", "message": "m", "request_id": "r"}, "s", "m", "r"),
        ({"detail": "m"}, None, "m", None),
    ],
)
def test_an_envelope_of_any_shape_is_read(
    document: object, code: str | None, message: str, request_id: str | None
) -> None:
    error = status_error(answer(400, document))
    assert (error.code, error.message, error.request_id) == (code, message, request_id)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"5",
        b'{"detail": null}',
        b'{"detail": 5}',
        b'{"detail": {}}',
        b'{"detail": []}',
        b'{"detail": [null, 5, "x", {"loc": 5}]}',
        b'{"detail": {"message": 5, "status": []}}',
        b"\xff\xfe\x00",
        b'{"detail": "\xff"}',
        b'{"detail": "\\ud800"}',
        b'{"detail": 1e999}',
        b'{"detail": ' + b"[" * 100_000,
        b'{"detail": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"detail": ' * 100_000,
    ],
    ids=lambda body: repr(body[:24]),
)
@pytest.mark.parametrize("status", [400, 404, 422, 429, 500])
def test_an_error_with_an_unreadable_body_is_still_that_error(status: int, body: bytes) -> None:
    error = status_error(Response(status, {"request-id": "req_1"}, body))
    assert error.status == status
    assert error.code is None
    assert error.request_id == "req_1"
    assert str(error).startswith(f"HTTP {status}")
    assert len(str(error)) < 1_000


@pytest.mark.parametrize("status", [404, 500])
def test_the_message_of_an_error_without_a_body_is_made_from_its_status(status: int) -> None:
    assert status_error(Response(status, {}, b"")).message


def test_a_page_of_html_is_shown_in_one_short_line() -> None:
    page = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\n" + b"<p>padding</p>\n" * 100
    error = status_error(Response(502, {}, page))
    assert error.message.startswith("<html> <head><title>502 Bad Gateway</title></head> <p>")
    assert "\n" not in str(error)
    assert len(error.message) <= 200


def test_a_422_names_the_invalid_fields() -> None:
    error = status_error(
        answer(
            422,
            {
                "detail": [
                    {"loc": ["path", "phone_number_id"], "msg": "Field required", "type": "missing"},
                    {"loc": ["body", 0], "msg": "Too long", "type": "string_too_long", "input": 5},
                ]
            },
        )
    )
    assert isinstance(error, UnprocessableEntityError)
    assert error.errors == (
        FieldError(("path", "phone_number_id"), "Field required", "missing"),
        FieldError(("body", 0), "Too long", "string_too_long"),
    )
    assert error.message == "Field required; Too long"


@pytest.mark.parametrize("detail", [{"status": "s", "message": "Why"}, "Why"])
def test_a_422_of_another_shape_keeps_its_message(detail: object) -> None:
    error = status_error(answer(422, {"detail": detail}))
    assert isinstance(error, UnprocessableEntityError)
    assert error.message == "Why"
    assert error.errors == ()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("too_many_concurrent_requests", "concurrency"),
        ("concurrent_limit_exceeded", "concurrency"),
        ("rate_limit_exceeded", "rate"),
        ("system_busy", "busy"),
        ("quota_exceeded", "quota"),
        ("something_new", "unknown"),
        (None, "unknown"),
    ],
)
@pytest.mark.parametrize("name", ["status", "code"])
def test_a_429_has_its_kind(code: str | None, kind: str, name: str) -> None:
    error = status_error(answer(429, {"detail": {name: code, "message": "m"}}))
    assert isinstance(error, RateLimitError)
    assert error.kind == kind


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ({"request-id": "a", "x-trace-id": "b"}, "a"),
        ({"x-trace-id": "b"}, "b"),
        ({"request-id": "", "x-trace-id": "b"}, "b"),
        ({}, "in the body"),
    ],
)
def test_the_request_id_is_read_from_each_header(headers: Mapping[str, str], request_id: str) -> None:
    body = b'{"detail": {"code": "c", "message": "m", "request_id": "in the body"}}'
    error = status_error(Response(500, headers, body))
    assert error.request_id == request_id
    assert request_id in str(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_error_of_a_redirect_shows_its_target(status: int) -> None:
    error = status_error(Response(status, {"location": "https://elsewhere.example/"}, b""))
    assert "https://elsewhere.example/" in error.message
    assert "never followed" in error.message


def test_an_error_keeps_ten_thousand_bytes_of_the_body() -> None:
    assert len(status_error(Response(500, {}, b"x" * 10_000)).body) == 10_000
    assert len(status_error(Response(500, {}, b"x" * 10_001)).body) == 10_000


def test_an_error_has_the_wait_that_the_server_asked_for() -> None:
    error = status_error(answer(503, {"detail": "Later"}, retry_after="7"))
    assert error.retry_after == 7.0
    assert "retry after 7 s" in str(error)


@given(status=st.integers(300, 999), body=st.binary(max_size=100))
def test_any_error_body_makes_an_error(status: int, body: bytes) -> None:
    error = status_error(Response(status, {}, body))
    assert error.status == status
    assert str(error).startswith(f"HTTP {status}")


@pytest.mark.parametrize(
    ("value", "hint"),
    [("6", 6), ("many", None), ("0", None), ("-5", None), ("5.5", None), ("9" * 5_000, None), ("५", None)],
)
def test_the_limit_is_read_from_the_header(value: str, hint: int | None) -> None:
    assert concurrency_hint({"maximum-concurrent-requests": value}) == hint
    assert concurrency_hint({}) is None


@pytest.mark.parametrize(
    ("message", "stated"),
    [
        ("Your plan has a maximum of 4 concurrent requests (running in parallel).", 4),
        ("", None),
        ("Slow down", None),
        ("a maximum of 0 concurrent requests", None),
        (f"a maximum of {'9' * 5_000} concurrent requests", None),
    ],
)
def test_the_limit_is_read_from_the_message_of_a_429(message: str, stated: int | None) -> None:
    assert concurrency_stated(message) == stated


def test_the_captured_429_states_its_limit() -> None:
    error = status_error(Response(429, {}, PAYLOADS["429_too_many_concurrent_requests"]))
    assert concurrency_stated(error.message) == 5


@pytest.mark.parametrize("status", [301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize("headers", [{}, {"location": ""}])
def test_a_redirect_without_an_address_says_so(status: int, headers: Mapping[str, str]) -> None:
    assert status_error(Response(status, headers, b"")).message == "redirected to no address"


def test_a_304_is_not_called_a_redirect() -> None:
    error = status_error(Response(304, {"location": "/elsewhere"}, b""))
    assert str(error) == "HTTP 304: Not Modified, although the request was not conditional"


@pytest.mark.parametrize("status", [400, 418, 499, 500, 599, 999])
@pytest.mark.parametrize("body", [b"", b" ", b'{"detail": " "}', b'{"detail": {"message": "\\n"}}'])
def test_every_error_has_a_message(status: int, body: bytes) -> None:
    assert status_error(Response(status, {}, body)).message.strip()


@pytest.mark.parametrize("header", ["request-id", "x-trace-id"])
@pytest.mark.parametrize("status", [404, 422, 429, 500])
def test_bytes_that_are_not_utf_8_are_escaped_in_the_request_id(status: int, header: str) -> None:
    received = b"r\xffq_\xc3\xa9".decode(errors="surrogateescape")
    error = status_error(Response(status, {header: received}, b""))
    assert error.request_id == "r\\xffq_é"
    assert "r\\xffq_é" in str(error).encode().decode()


def test_bytes_that_are_not_utf_8_are_escaped_in_the_address_of_a_redirect() -> None:
    location = b"https://elsewhere.example/\xff".decode(errors="surrogateescape")
    error = status_error(Response(302, {"location": location}, b""))
    assert "elsewhere.example/\\\\xff" in str(error).encode().decode()
