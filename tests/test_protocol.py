from __future__ import annotations

import json
import time
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from elevenphone import (
    AuthenticationError,
    DecodeError,
    FieldError,
    InvalidPhoneNumberIdError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    Response,
    ServerError,
    StatusError,
    TwilioPhoneNumber,
    UnprocessableEntityError,
)
from elevenphone._http.redaction import redacted
from elevenphone._protocol.answers import parse, status_error
from elevenphone._protocol.requests import PATH, path_segment
from elevenphone._protocol.retry_after import retry_after
from elevenphone.lookups import raw_response

PAYLOADS = {path.stem: path.read_bytes() for path in Path(__file__).parent.glob("payloads/errors/*.json")}
NUMBER = b'{"provider":"twilio","phone_number":"+1","label":"Main line","phone_number_id":"phnum_1"}'


def answer(status: int, document: object = None, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, b"" if document is None else json.dumps(document).encode())


# Ids


@pytest.mark.parametrize(
    "phone_number_id",
    [
        "phnum_01jxaeyg3feh3tmx39d4ky63rd",
        "phnum_8001k0xk7jwef3dvq2x9c9zqz9ab",
        "X3Pbu5gP6NNKBscdCdwB",
        "a/b",
        "a?b",
        "a#b",
        "a b",
        " a ",
        "a;b=c",
        "a%2Fb",
        "%2e%2e",
        "%2e",
        "../agents",
        "...",
        ".a",
        "a\\b",
        "a@b:c",
        "+",
        "номер",
        "電話",
        "☎️",
        "a" * 256,
    ],
)
def test_an_id_becomes_one_segment_that_is_read_back_as_itself(phone_number_id: str) -> None:
    assert_one_segment(phone_number_id, path_segment(phone_number_id))


def assert_one_segment(phone_number_id: str, segment: str) -> None:
    assert segment.isascii()
    assert not set(segment) & set("/?#\\ \r\n:@;")
    assert segment not in ("", ".", "..")
    assert unquote(segment, errors="strict") == phone_number_id
    url = urlsplit(f"https://api.elevenlabs.io{PATH}{segment}")
    assert (url.path, url.query, url.fragment) == (PATH + segment, "", "")


@pytest.mark.parametrize(
    ("phone_number_id", "problem"),
    [
        ("", "empty or blank"),
        (" ", "empty or blank"),
        ("\u00a0\u3000", "empty or blank"),
        (".", "a step in a path"),
        ("..", "a step in a path"),
        ("a\r\nX-Header: 1", r"'\\r' at 1"),
        ("phnum_1\n", r"'\\n' at 7"),
        ("a\tb", r"'\\t' at 1"),
        ("a\x00", r"'\\x00' at 1"),
        ("\x7f", r"'\\x7f' at 0"),
        ("a\x85b", r"'\\x85' at 1"),
        ("\ud800", r"'\\ud800' at 0"),
        ("a" * 257, "257 characters, more than 256"),
        ("a" * 10_000, "10000 characters"),
    ],
)
def test_what_cannot_be_an_id_is_refused_with_the_reason(phone_number_id: str, problem: str) -> None:
    with pytest.raises(InvalidPhoneNumberIdError, match=problem) as caught:
        path_segment(phone_number_id)
    text = str(caught.value)
    assert len(text) < 200
    assert text.isprintable()


@pytest.mark.parametrize("phone_number_id", [None, 5, b"phnum_1", ["phnum_1"], object()])
def test_an_id_that_is_no_text_is_refused_with_its_type(phone_number_id: object) -> None:
    with pytest.raises(InvalidPhoneNumberIdError, match=f"not {type(phone_number_id).__name__}"):
        path_segment(phone_number_id)


@given(st.text(max_size=300) | st.text("./%\\?# \r\n\x00a", max_size=8))
def test_any_text_is_refused_or_one_segment(phone_number_id: str) -> None:
    try:
        segment = path_segment(phone_number_id)
    except InvalidPhoneNumberIdError:
        assert (
            not phone_number_id.strip()
            or phone_number_id in (".", "..")
            or len(phone_number_id) > 256
            or not all(c.isprintable() or c.isspace() or ord(c) > 0x9F for c in phone_number_id)
            or set(phone_number_id) & {chr(c) for c in (*range(0x20), *range(0x7F, 0xA0))}
            or any(0xD800 <= ord(c) < 0xE000 for c in phone_number_id)
        )
    else:
        assert_one_segment(phone_number_id, segment)


# Successes


@pytest.mark.parametrize("status", [200, 201, 206])
def test_a_success_is_a_number(status: int) -> None:
    number = parse(Response(status, {}, NUMBER))
    assert number == TwilioPhoneNumber(phone_number="+1", label="Main line", phone_number_id="phnum_1")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (204, b""),
        (200, b"null"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b"<html>welcome</html>"),
        (200, NUMBER.replace(b'"Main line"', b"5")),
    ],
)
def test_a_success_that_is_no_number_has_its_status_and_a_snippet(status: int, body: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        parse(Response(status, {"content-length": str(len(body))}, body))
    assert caught.value.status == status
    assert caught.value.snippet == body
    assert caught.value.truncated is False
    assert f"(HTTP {status})" in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "body", "truncated"),
    [
        ({}, NUMBER[:50], True),
        ({"content-length": "50"}, NUMBER[:50], False),
        ({"transfer-encoding": "chunked"}, NUMBER[:50], False),
        ({}, NUMBER.replace(b'"Main line"', b"5"), False),
    ],
    ids=["ended by the connection", "of known length", "chunked", "whole, and wrong"],
)
def test_only_a_body_that_the_connection_ended_may_be_cut(
    headers: Mapping[str, str], body: bytes, truncated: bool
) -> None:
    with pytest.raises(DecodeError) as caught:
        parse(Response(200, headers, body))
    assert caught.value.truncated is truncated


# Errors


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
def test_a_status_has_its_class(status: int, kind: type[StatusError]) -> None:
    with pytest.raises(StatusError) as caught:
        parse(answer(status, {"detail": {"status": "word", "message": "Sentence"}}))
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert str(caught.value).startswith(f"HTTP {status}")


def test_the_captured_errors_are_there() -> None:
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


def test_every_captured_error_says_something() -> None:
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
def test_an_error_without_a_body_has_a_message_made_of_the_status(status: int) -> None:
    assert status_error(Response(status, {}, b"")).message


def test_a_page_of_html_is_shown_in_one_short_line() -> None:
    page = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\n" + b"<p>padding</p>\n" * 100
    error = status_error(Response(502, {}, page))
    assert error.message.startswith("<html> <head><title>502 Bad Gateway</title></head> <p>")
    assert "\n" not in str(error)
    assert len(error.message) <= 200


def test_a_422_names_the_fields_complained_of() -> None:
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
def test_the_request_id_is_read_wherever_it_is(headers: Mapping[str, str], request_id: str) -> None:
    body = b'{"detail": {"code": "c", "message": "m", "request_id": "in the body"}}'
    error = status_error(Response(500, headers, body))
    assert error.request_id == request_id
    assert request_id in str(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_tells_where_it_would_have_led(status: int) -> None:
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


# Retry-After

NOW = 1_800_000_000.0  # Fri, 15 Jan 2027 08:00:00 GMT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1"}, 1.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": " 2 "}, 2.0),
        ({"retry-after": "3600"}, 3600.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "0"}, 0.0),
        ({"retry-after-ms": "250.5"}, 0.2505),
        ({"retry-after-ms": "100", "retry-after": "5"}, 0.1),
        ({"retry-after-ms": "soon", "retry-after": "5"}, 5.0),
        ({"retry-after-ms": "-1", "retry-after": "5"}, 5.0),
        ({"retry-after-ms": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "-0.5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "5 seconds"}, None),
        ({"retry-after": "1, 2"}, None),
        ({"retry-after": "0x10"}, None),
        ({"retry-after": "Fri, 15 Jan 2027"}, None),
        ({"retry-after": "Fri, 32 Jan 2027 08:00:00 GMT"}, None),
        ({"retry-after": "Fri, 15 Jan 99999 08:00:00 GMT"}, None),
    ],
    ids=str,
)
def test_a_wait_is_read(headers: Mapping[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 15 Jan 2027 08:01:30 GMT",
        "Friday, 15-Jan-27 08:01:30 GMT",
        "Fri Jan 15 08:01:30 2027",
    ],
    ids=["IMF-fixdate", "RFC 850", "asctime"],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_a_date_in_each_form_of_http_is_read_in_any_time_zone(
    date: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        with monkeypatch.context() as patched:
            patched.setenv("TZ", zone)
            time.tzset()
            assert retry_after({"retry-after": date}, NOW) == 90.0
    finally:
        time.tzset()


def test_a_date_is_held_against_the_date_of_the_answer() -> None:
    # The server's clock is an hour ahead of ours.
    headers = {
        "date": "Fri, 15 Jan 2027 09:00:00 GMT",
        "retry-after": "Fri, 15 Jan 2027 09:00:05 GMT",
    }
    assert retry_after(headers, NOW) == 5.0


@pytest.mark.parametrize("date", ["", "yesterday", "0"])
def test_an_answer_with_a_senseless_date_is_held_against_our_clock(date: str) -> None:
    headers = {"date": date, "retry-after": "Fri, 15 Jan 2027 08:00:05 GMT"}
    assert retry_after(headers, NOW) == 5.0


def test_a_past_date_is_ignored() -> None:
    assert retry_after({"retry-after": "Fri, 15 Jan 2027 07:59:59 GMT"}, NOW) is None
    assert retry_after({"retry-after": "Fri, 15 Jan 2027 08:00:00 GMT"}, NOW) == 0.0


def test_without_a_clock_given_the_system_s_counts() -> None:
    far = formatdate(time.time() + 10_000, usegmt=True)
    seconds = retry_after({"retry-after": far})
    assert seconds is not None
    assert 9_000 < seconds <= 10_000


DATES = st.builds(
    "{} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Fri,", "Friday,", "", "Fri"]),
    st.integers(-1, 99),
    st.sampled_from(["Jan 2027", "Jan 0001", "Jan 9999", "Jan 99999", "Feb 70", "-Jan-27", "Foo 2027"]),
    st.integers(-1, 99),
    st.integers(-1, 99),
    st.integers(-1, 99),
    st.sampled_from(["GMT", "+0000", "-0000", "+9999", "-9999", "+99999999999", "EST", "", "Z"]),
)


@given(
    st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "date"]),
        st.text(max_size=40)
        | st.text("0123456789-+., :GMTJanFri", max_size=40)
        | DATES
        | st.floats().map(str),
    )
)
@example({"retry-after": "Fri, 15 Jan 2027 08:00:00 +99999999999"})
@example({"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359"})
def test_any_header_is_a_wait_or_none(headers: Mapping[str, str]) -> None:
    seconds = retry_after(headers, NOW)
    assert seconds is None or 0 <= seconds < float("inf")


# The key, and the raw answer

KEY = "sk_0123456789abcdef"


def test_an_answer_that_echoes_the_key_loses_it() -> None:
    echo = Response(
        400,
        {"X-Echo": f"key={KEY}", "location": f"https://elsewhere.example/?k={KEY}"},
        f'{{"detail": "bad header xi-api-key: {KEY}, {KEY}"}}'.encode(),
    )
    clean = redacted(*echo, KEY)
    error = status_error(clean)
    assert KEY not in repr(clean)
    assert KEY not in f"{error} {error!r} {vars(error)}"
    assert error.message == "bad header xi-api-key: [API key], [API key]"
    assert clean.status == 400


@given(
    key=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=12),
    before=st.binary(max_size=20),
    after=st.binary(max_size=20),
)
def test_the_rest_of_an_echoing_answer_is_as_it_was(key: str, before: bytes, after: bytes) -> None:
    clean = redacted(500, {"x": key}, before + key.encode() + after, key)
    assert clean.body == before + b"[API key]" + after
    assert clean.headers == {"x": "[API key]"}


def test_a_raw_response_is_the_answer_in_plain_data() -> None:
    raw = raw_response(Response(200, {"Request-Id": "req_1", "X-Other": "x"}, NUMBER), 2, 0.5)
    assert (raw.status, raw.body, raw.request_id, raw.attempts, raw.elapsed) == (200, NUMBER, "req_1", 2, 0.5)
    assert raw.headers == {"request-id": "req_1", "x-other": "x"}
    assert raw.decode() == parse(Response(200, {}, NUMBER))


def test_a_raw_response_of_an_error_raises_it_when_decoded() -> None:
    raw = raw_response(answer(404, {"detail": {"status": "phone_number_not_found", "message": "No"}}), 1, 0.1)
    with pytest.raises(NotFoundError) as caught:
        raw.decode()
    assert caught.value.code == "phone_number_not_found"
