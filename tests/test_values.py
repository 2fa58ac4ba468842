"""Values of callers and servers, checked and shown."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevenphone._values import encodable, is_finite, shown, with_escaped_bytes


@pytest.mark.parametrize("value", [0, -1, 5, 0.5, -0.0, 1e308, 10**308, 5e-324])
def test_numbers_that_a_float_can_hold_are_finite(value: object) -> None:
    assert is_finite(value)


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, 10**309, -(10**5_000), True, None, "5", b"5", Decimal(5), 5j],
    ids=shown,
)
def test_other_values_are_not_finite_numbers(value: object) -> None:
    assert not is_finite(value)


class _NoRepr:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("5", "'5'"),
        (None, "None"),
        (10**5_000, "<int>"),
        (_NoRepr(), "<_NoRepr>"),
        ("x" * 1_000, "'" + "x" * 99 + "..."),
        ("\ud800", "'\\ud800'"),
    ],
    ids=["text", "None", "a number of 5,001 digits", "no repr", "a long text", "a surrogate"],
)
def test_every_value_can_be_shown(value: object, text: str) -> None:
    assert shown(value) == text


@given(st.text(st.characters()))
def test_every_text_can_be_encoded(text: str) -> None:
    encoded = encodable(text).encode()
    if not any(0xD800 <= ord(character) < 0xE000 for character in text):
        assert encoded == text.encode()


@given(st.binary())
def test_the_bytes_of_a_header_that_are_not_utf_8_are_escaped(header: bytes) -> None:
    received = header.decode(errors="surrogateescape")
    assert with_escaped_bytes(received).encode() == header.decode(errors="backslashreplace").encode()


def test_surrogates_that_encode_no_byte_are_escaped() -> None:
    assert with_escaped_bytes("a\ud800") == "a\\ud800"
