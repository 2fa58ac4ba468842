"""A 2xx answer, the raw answer, and the key taken out of any answer."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevenphone import DecodeError, NotFoundError, Response, TwilioPhoneNumber, decode
from elevenphone._http.redaction import redacted
from elevenphone._protocol.answers import parse, status_error
from elevenphone.lookups import raw_response

NUMBER = b'{"provider":"twilio","phone_number":"+1","label":"Main line","phone_number_id":"phnum_1"}'


@pytest.mark.parametrize("status", [200, 201, 206])
def test_a_success_is_a_number(status: int) -> None:
    number = parse(decode, Response(status, {}, NUMBER))
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
def test_an_error_about_a_2xx_body_has_its_status_and_a_snippet(status: int, body: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        parse(decode, Response(status, {"content-length": str(len(body))}, body))
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
def test_only_a_body_delimited_by_the_close_can_be_truncated(
    headers: Mapping[str, str], body: bytes, truncated: bool
) -> None:
    with pytest.raises(DecodeError) as caught:
        parse(decode, Response(200, headers, body))
    assert caught.value.truncated is truncated


# The key, and the raw answer

KEY = "sk_0123456789abcdef"


def test_the_key_is_removed_from_an_answer_that_echoes_it() -> None:
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
def test_the_rest_of_an_echoing_answer_is_unchanged(key: str, before: bytes, after: bytes) -> None:
    clean = redacted(500, {"x": key}, before + key.encode() + after, key)
    assert clean.body == before + b"[API key]" + after
    assert clean.headers == {"x": "[API key]"}


@given(
    key=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8),
    data=st.data(),
)
def test_a_key_that_json_writes_with_escapes_is_removed(key: str, data: st.DataObject) -> None:
    text = "".join(
        data.draw(st.sampled_from([f"\\u{ord(each):04x}", f"\\u{ord(each):04X}", json.dumps(each)[1:-1]]))
        for each in key
    )
    body = b'{"detail": "key ' + text.replace("/", "\\/").encode() + b' is wrong \\u00e9"}'
    assert json.loads(body)["detail"] == f"key {key} is wrong \xe9"
    assert json.loads(redacted(401, {}, body, key).body) == {"detail": "key [API key] is wrong \xe9"}


def test_a_raw_response_holds_the_answer_as_plain_data() -> None:
    raw = raw_response(Response(200, {"Request-Id": "req_1", "X-Other": "x"}, NUMBER), 2, 0.5)
    assert (raw.status, raw.body, raw.request_id, raw.attempts, raw.elapsed) == (200, NUMBER, "req_1", 2, 0.5)
    assert raw.headers == {"request-id": "req_1", "x-other": "x"}
    assert raw.decode() == parse(decode, Response(200, {}, NUMBER))


def test_a_raw_response_of_an_error_raises_it_when_decoded() -> None:
    raw = raw_response(
        Response(404, {}, b'{"detail": {"status": "phone_number_not_found", "message": "No"}}'), 1, 0.1
    )
    with pytest.raises(NotFoundError) as caught:
        raw.decode()
    assert caught.value.code == "phone_number_not_found"
