"""How long the server asks the client to wait."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from elevenphone._protocol.retry_after import retry_after

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
def test_a_retry_after_is_read(headers: Mapping[str, str], seconds: float | None) -> None:
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


def test_a_date_is_compared_with_the_date_of_the_answer() -> None:
    # The server's clock is an hour ahead of ours.
    headers = {
        "date": "Fri, 15 Jan 2027 09:00:00 GMT",
        "retry-after": "Fri, 15 Jan 2027 09:00:05 GMT",
    }
    assert retry_after(headers, NOW) == 5.0


@pytest.mark.parametrize("date", ["", "yesterday", "0"])
def test_a_date_is_compared_with_our_clock_if_that_of_the_answer_is_invalid(date: str) -> None:
    headers = {"date": date, "retry-after": "Fri, 15 Jan 2027 08:00:05 GMT"}
    assert retry_after(headers, NOW) == 5.0


def test_a_past_date_is_ignored() -> None:
    assert retry_after({"retry-after": "Fri, 15 Jan 2027 07:59:59 GMT"}, NOW) is None
    assert retry_after({"retry-after": "Fri, 15 Jan 2027 08:00:00 GMT"}, NOW) == 0.0


def test_the_default_clock_is_that_of_the_system() -> None:
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
def test_any_header_gives_a_wait_or_none(headers: Mapping[str, str]) -> None:
    seconds = retry_after(headers, NOW)
    assert seconds is None or 0 <= seconds < float("inf")
