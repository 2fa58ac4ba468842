"""Bodies that are not a phone number raise `DecodeError`, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_documents import JSON, OTHER, PAYLOADS, SIP, TWILIO, Document, body_of, with_value

from elevenphone import DecodeError, decode


def with_unknown_field(document: Document, value: bytes) -> bytes:
    """Put raw bytes into an unknown field."""
    return body_of(document)[:-1] + b', "new": ' + value + b"}"


DOCUMENTS = [
    pytest.param(TWILIO, id="twilio"),
    pytest.param(SIP, id="sip_trunk"),
    pytest.param(OTHER, id="a new provider"),
    pytest.param({k: v for k, v in TWILIO.items() if k != "provider"}, id="no provider"),
]
LEVELS = [150, 500, 990, 1_200, 1_700, 3_000, 100_000]


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["arrays", "objects"])
def test_deep_nesting_is_refused(document: Document, levels: int, opening: bytes, closing: bytes) -> None:
    for body in (
        with_unknown_field(document, opening * levels + b"1" + closing * levels),
        with_unknown_field(document, opening * levels),
        body_of(document)[:-1] + b', "label": ' + opening * levels + b"1" + closing * levels + b"}",
    ):
        decode_or_refuse(body)


@pytest.mark.parametrize("levels", LEVELS)
def test_a_body_of_nothing_but_nesting_is_refused(levels: int) -> None:
    for body in (b"[" * levels, b"[" * levels + b"]" * levels, b'{"a":' * levels, b'{"provider":' * levels):
        with pytest.raises(DecodeError):
            decode(body)


def decode_or_refuse(body: bytes) -> None:
    """Decode a body that may be accepted or refused, but must raise nothing except `DecodeError`."""
    try:
        number = decode(body)
    except DecodeError:
        return
    assert number.phone_number_id == "phnum_1"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_brackets_in_a_string_do_not_count_as_nesting(document: Document) -> None:
    label = '[{"' * 500 + "\\"
    assert decode(with_value(document, "$.label", label)).label == label


def test_many_brackets_side_by_side_do_not_count_as_nesting() -> None:
    body = with_value(TWILIO, "$.new", json.loads("[" + "[{}, []]," * 999 + "[{}, []]]"))
    assert decode(body) == decode(body_of(TWILIO))


def test_an_unterminated_string_of_escaped_quotes_is_refused_quickly() -> None:
    # In a separate process, because quadratic work would take half an hour here.
    code = """
from elevenphone import DecodeError, decode
try:
    decode(b'{"provider": "twilio", "new": [' + b"[]," * 200 + b'"' + b'\\\\"' * 500_000)
except DecodeError:
    print("refused")
"""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=5
    )
    assert (done.stdout, done.stderr) == ("refused\n", "")


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize(
    "value",
    [
        b'"\xff"',
        b'"\xc3"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"01",
        b"nul",
        b"'text'",
        b"",
        b'"',
    ],
)
def test_a_broken_value_is_refused_even_in_an_unknown_field(document: Document, value: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(with_unknown_field(document, value))


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" * 400])
def test_a_number_too_large_for_a_float_does_no_harm(document: Document, number: bytes) -> None:
    decode_or_refuse(with_unknown_field(document, number))
    body = body_of(document)[:-1] + b', "label": ' + number + b"}"
    with pytest.raises(DecodeError):
        decode(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"{}",
        b"5",
        b'"text"',
        b"true",
        b"<!doctype html><html><body>502 Bad Gateway</body></html>",
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"{}{}",
        b'{"provider": "twilio"',
        b'{"provider": "twilio"}',
        b'[{"provider": "twilio"}]',
    ],
)
def test_the_error_shows_a_body_that_is_not_a_phone_number(body: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(body)
    assert caught.value.snippet == body
    assert caught.value.status is None
    assert caught.value.truncated is False
    assert caught.value.__cause__ is None
    assert ("the body is empty" in str(caught.value)) == (body == b"")


def test_an_error_shows_only_the_first_200_bytes_of_a_body() -> None:
    with pytest.raises(DecodeError) as caught:
        decode(b"<" * 100_000)
    assert caught.value.snippet == b"<" * 200
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_truncated_body_is_refused(document: Document) -> None:
    body = body_of(document)
    for length in range(len(body)):
        with pytest.raises(DecodeError):
            decode(body[:length])


# Laws


@given(st.binary(max_size=200))
def test_random_bytes_raise_only_decode_error(body: bytes) -> None:
    with pytest.raises(DecodeError):  # 200 random bytes are never a phone number
        decode(body)


@given(document=JSON)
def test_random_json_raises_only_decode_error(document: object) -> None:
    with pytest.raises(DecodeError):
        decode(json.dumps(document).encode())


@given(
    body=st.sampled_from([*PAYLOADS.values(), body_of(SIP), body_of(OTHER)]),
    position=st.integers(0, 2_000),
    replaced=st.integers(0, 20),
    junk=st.binary(max_size=5)
    | st.sampled_from([b"[", b"{", b"null", b'"', b"\\", b",", b"1e999", b"\\ud800"]),
)
def test_a_damaged_body_is_decoded_or_raises_decode_error(
    body: bytes, position: int, replaced: int, junk: bytes
) -> None:
    position %= len(body)
    try:
        number = decode(body[:position] + junk + body[position + replaced :])
    except DecodeError:
        return
    for field in ("phone_number", "label", "phone_number_id", "provider"):
        assert type(getattr(number, field)) is str
    assert type(number.supports_inbound) is bool
    assert number.assigned_agent is None or type(number.assigned_agent.agent_id) is str
