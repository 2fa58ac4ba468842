"""The arguments of `client.list`: some are refused at once, the others are sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listing_helpers import BASE_URL, client_of, page, parameters_of, read
from stub_transport import StubTransport

from elevenphone import ConfigurationError

TEXT_FILTERS = ["search", "label", "phone_number", "provider", "agent_id", "branch_id", "sort_by"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


REFUSED: dict[str, tuple[list[object], str]] = {
    "page_size": (
        [0, -1, 1001, 10**30, True, 1.0, "100", None],
        "page_size must be a whole number from 1 to 1,000, not ",
    ),
    "supports_outbound": (["true", 1, "no"], "supports_outbound must be True, False or None, not "),
    "sort_direction": (["ASC", "down", ""], "sort_direction must be 'asc' or 'desc', not "),
    "deadline": ([None, 0, -1.0, float("nan"), "60"], "deadline must be a positive number, not "),
    **{name: ([1, True, b"a", ["a"]], f"{name} must be a str or None, not ") for name in TEXT_FILTERS},
}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [(name, value, message) for name, (values, message) in REFUSED.items() for value in values],
)
def test_a_wrong_argument_is_refused_at_the_call(name: str, value: object, message: str) -> None:
    arguments: dict[str, Any] = {name: value}
    with pytest.raises(ConfigurationError, match=f"^{message}"):
        client_of([]).list(**arguments)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"label has characters that UTF-8 cannot encode: 'a\\ud800'"
    ):
        client_of([]).list(label="a\ud800")


async def test_without_filters_only_the_page_size_is_sent() -> None:
    transport = StubTransport([page([])])
    async with client_of(transport) as client:
        await read(client.list())
    assert transport.urls == [f"{BASE_URL}/v1/convai/v2/phone-numbers?page_size=100"]


async def test_all_filters_are_sent_with_every_page() -> None:
    sent: dict[str, Any] = {name: f"+1 & 2=#{i}/%?ñ🚀" for i, name in enumerate(TEXT_FILTERS)}
    transport = StubTransport([page([None], "a&page_size=2"), page([])])
    async with client_of(transport) as client:
        await read(client.list(**sent, supports_outbound=False, sort_direction="desc", page_size=7))
    sent |= {"supports_outbound": "false", "sort_direction": "desc", "page_size": "7"}
    assert [parameters_of(url) for url in transport.urls] == [sent, sent | {"cursor": "a&page_size=2"}]


@given(label=TEXTS, cursor=TEXTS.filter(bool))
async def test_any_text_reaches_the_server_unchanged(label: str, cursor: str) -> None:
    transport = StubTransport([page([None], cursor), page([])])
    async with client_of(transport) as client:
        await read(client.list(label=label, supports_outbound=True))
    for url in transport.urls:
        assert url.isascii()
        assert not set(url) & set(' "<>#+\\')
        assert parameters_of(url)["label"] == label
        assert parameters_of(url)["supports_outbound"] == "true"
    assert parameters_of(transport.urls[1])["cursor"] == cursor
