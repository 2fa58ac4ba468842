"""An id as one segment of a URL's path."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevenphone import InvalidPhoneNumberIdError
from elevenphone._protocol.requests import PATH, path_segment, text_of


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
def test_an_id_becomes_one_path_segment_that_decodes_to_the_id(phone_number_id: str) -> None:
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
def test_an_invalid_id_is_refused_with_the_reason(phone_number_id: str, problem: str) -> None:
    with pytest.raises(InvalidPhoneNumberIdError, match=problem) as caught:
        path_segment(phone_number_id)
    text = str(caught.value)
    assert len(text) < 200
    assert text.isprintable()


@pytest.mark.parametrize("phone_number_id", [None, 5, b"phnum_1", ["phnum_1"], object()])
def test_an_id_that_is_not_a_string_is_refused_with_its_type(phone_number_id: object) -> None:
    with pytest.raises(InvalidPhoneNumberIdError, match=f"not {type(phone_number_id).__name__}"):
        path_segment(phone_number_id)


@given(st.text(max_size=300) | st.text("./%\\?# \r\n\x00a", max_size=8))
def test_any_string_is_refused_or_becomes_one_segment(phone_number_id: str) -> None:
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


class _NoText:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("phone_number_id", "text"),
    [
        ("phnum_1", "phnum_1"),
        (5, "5"),
        (None, "None"),
        (10**5_000, "<int>"),
        (_NoText(), "<_NoText>"),
    ],
    ids=["text", "a number", "None", "a number of 5,001 digits", "no text"],
)
def test_anything_given_as_an_id_has_a_text(phone_number_id: object, text: str) -> None:
    assert text_of(phone_number_id) == text
