"""The results of a listing: every element once, in order, and errors instead of endless loops."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listing_helpers import client_of, compact, element, ids_of, page, page_of, pages_of, parameters_of, read
from stub_transport import Script, StubTransport, answer, refused

from elevenphone import (
    DecodeError,
    FaultyElementError,
    OtherPhoneNumber,
    Response,
    RetryPolicy,
    SIPTrunkPhoneNumber,
    StatusError,
    decode,
)

# Any text that JSON can hold, because the server is free to choose its cursors.
CURSORS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.data())
async def test_every_number_comes_once_and_in_order_for_any_page_sizes(
    data: st.DataObject,
) -> None:
    sizes = data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=8))
    last = data.draw(st.integers(0, 3))
    cursors = data.draw(st.lists(CURSORS, min_size=len(sizes), max_size=len(sizes), unique=True))
    ids = iter(f"phnum_{i}" for i in range(100))
    written = [[next(ids) for _ in range(size)] for size in [*sizes, last]]
    pages = pages_of(written, cursors)
    transport = StubTransport(lambda url: pages[parameters_of(url).get("cursor")])
    page_size = data.draw(st.integers(1, 1000))
    async with client_of(transport) as client:
        numbers = [number async for number in client.list(page_size=page_size)]
    assert ids_of(numbers) == [each for ids in written for each in ids]
    assert transport.requests == len(written)
    assert [parameters_of(url).get("cursor") for url in transport.urls] == [None, *cursors]
    assert {parameters_of(url)["page_size"] for url in transport.urls} == {str(page_size)}


async def test_pages_are_requested_as_they_are_needed() -> None:
    transport = StubTransport([page_of(["a", "b"], "next"), page_of(["c"])])
    async with client_of(transport) as client:
        listing = client.list()
        assert transport.requests == 0
        assert ids_of([await anext(listing), await anext(listing)]) == ["a", "b"]
        assert transport.requests == 1
        assert ids_of([number async for number in listing]) == ["c"]
        assert transport.requests == 2
        with pytest.raises(StopAsyncIteration):
            await anext(listing)
        assert client.stats.found == 2


async def test_a_workspace_without_numbers() -> None:
    async with client_of([page([])]) as client:
        assert await read(client.list()) == ([], [], None)


async def test_a_cursor_on_the_last_page_is_not_followed() -> None:
    async with client_of([page_of(["a"], "next", has_more=False)]) as client:
        assert await read(client.list()) == (["a"], [], None)


async def test_next_cursor_may_be_left_out_of_the_last_page() -> None:
    async with client_of([answer(200, {"phone_numbers": [element("a")], "has_more": False})]) as client:
        assert await read(client.list()) == (["a"], [], None)


async def test_an_element_equals_the_result_of_its_lookup() -> None:
    bodies = [
        compact(element("a", label="Büro 🚀")),
        compact(element("b", provider="sip_trunk", livekit_stack="standard", new_field=[{"x": None}])),
        b'{ "provider":"pigeon", "phone_number":"7","label":"\\u00e9","phone_number_id":"c" ,"loft":[1]}',
        compact({key: value for key, value in element("d").items() if key != "provider"}),
    ]
    body = b'{"phone_numbers": [' + b" ,\n".join(bodies) + b'], "next_cursor": null, "has_more": false}'
    async with client_of([Response(200, {}, body)]) as client:
        numbers = [number async for number in client.list()]
    assert numbers == [decode(each) for each in bodies]
    assert isinstance(numbers[1], SIPTrunkPhoneNumber)
    assert isinstance(numbers[2], OtherPhoneNumber)
    assert numbers[2].raw == bodies[2]


FAULTY = {
    "null label": (element("x", label=None), ".label", "x"),
    "label missing": ({"phone_number": "+1", "phone_number_id": "x"}, ".label", "x"),
    "wrong type deep inside": (
        element("x", assigned_agent={"agent_id": 1, "agent_name": "A"}),
        ".assigned_agent.agent_id",
        "x",
    ),
    "id missing": ({"phone_number": "+1", "label": "L"}, ".phone_number_id", None),
    "id of the wrong type": (element("x", phone_number_id=7), ".phone_number_id", None),
    "null": (None, "", None),
    "an array": ([element("x")], "", None),
    "a text": ("x", "", None),
}


@pytest.mark.parametrize(("faulty", "path", "phone_number_id"), FAULTY.values(), ids=list(FAULTY))
async def test_the_error_names_a_faulty_element_and_the_listing_continues(
    faulty: object, path: str, phone_number_id: str | None
) -> None:
    script = [page([element("a"), element("b"), element("c"), faulty, element("d")], "next"), page_of(["e"])]
    async with client_of(script) as client:
        listing = client.list()
        assert ids_of([await anext(listing) for _ in range(3)]) == ["a", "b", "c"]
        with pytest.raises(FaultyElementError) as caught:
            await anext(listing)
        assert ids_of([number async for number in listing]) == ["d", "e"]
    error = caught.value
    assert (error.path, error.phone_number_id) == (f"$.phone_numbers[3]{path}", phone_number_id)
    assert (error.status, error.truncated, error.retryable, error.scope) == (200, False, False, "lookup")
    assert f"the element begins {error.snippet!r}" in str(error)
    assert "+12125550100" not in str(error) or b"+12125550100" in error.snippet
    for copied in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - of our own making
        assert isinstance(copied, FaultyElementError)
        assert (copied.path, copied.phone_number_id) == (error.path, error.phone_number_id)
        assert str(copied) == str(error)


async def test_bytes_that_are_not_utf_8_affect_one_element_only() -> None:
    body = (
        b'{"phone_numbers":['
        + compact(element("a"))
        + b","
        + compact(element("b")).replace(b"Main", b"M\xffn")
    ) + b', {"phone_number":"1","label":"L","phone_number_id":"c"}],"has_more":false}'
    async with client_of([Response(200, {}, body)]) as client:
        ids, faulty, end = await read(client.list())
    assert (ids, end) == (["a", "c"], None)
    assert [(error.path, error.phone_number_id) for error in faulty] == [("$.phone_numbers[1]", "b")]


@given(st.lists(st.booleans(), max_size=12), st.integers(1, 5))
async def test_good_and_faulty_elements_keep_their_order(are_good: list[bool], page_size: int) -> None:
    elements = [element(str(i), **({} if good else {"label": None})) for i, good in enumerate(are_good)]
    pieces = [elements[i : i + page_size] for i in range(0, len(elements), page_size)] or [[]]
    script = [page(piece, str(i) if i < len(pieces) else None) for i, piece in enumerate(pieces, 1)]
    async with client_of(script) as client:
        ids, faulty, end = await read(client.list(page_size=page_size))
    assert ids == [str(i) for i, good in enumerate(are_good) if good]
    assert [error.phone_number_id for error in faulty] == [
        str(i) for i, good in enumerate(are_good) if not good
    ]
    assert end is None


ENDLESS: dict[str, tuple[list[Response], list[str], str, str]] = {
    "the same cursor again": (
        [page_of(["a"], "1"), page_of(["b"], "1")],
        ["a", "b"],
        "$.next_cursor",
        "leads back",
    ),
    "a cursor from before the last page": (
        [page_of(["a"], "1"), page_of(["b"], "2"), page_of(["c"], "3"), page_of(["d"], "1")],
        ["a", "b", "c", "d"],
        "$.next_cursor",
        "leads back",
    ),
    "an empty page first": ([page([], "1")], [], "$.phone_numbers", "empty"),
    "an empty page later": ([page_of(["a"], "1"), page([], "2")], ["a"], "$.phone_numbers", "empty"),
    "no cursor": ([page_of(["a"], has_more=True)], ["a"], "$.next_cursor", "no next_cursor"),
    "an empty cursor": ([page_of(["a"], "")], ["a"], "$.next_cursor", "no next_cursor"),
}


@pytest.mark.parametrize(("script", "ids", "path", "problem"), ENDLESS.values(), ids=list(ENDLESS))
async def test_an_endless_listing_is_an_error(
    script: Script, ids: list[str], path: str, problem: str
) -> None:
    transport = StubTransport(script)
    async with client_of(transport) as client:
        listing = client.list()
        found, faulty, error = await read(listing)
        assert (found, faulty) == (ids, [])
        assert type(error) is DecodeError
        assert (error.path, error.status) == (path, 200)
        assert problem in str(error)
        assert "'{" in str(error)
        with pytest.raises(StopAsyncIteration):
            await anext(listing)


NO_PAGES = {
    "not JSON": (b"<html>", None),
    "an array, as the older route answers": (compact([element("a")]), "$"),
    "a number, as a lookup answers": (compact(element("a")), "$.phone_numbers"),
    "no has_more": (compact({"phone_numbers": [], "next_cursor": None}), "$.has_more"),
    "has_more of the wrong type": (compact({"phone_numbers": [], "has_more": "no"}), "$.has_more"),
    "a cursor that is no text": (
        compact({"phone_numbers": [], "has_more": True, "next_cursor": 7}),
        "$.next_cursor",
    ),
    "null": (b"null", "$"),
    "empty": (b"", None),
    "cut short": (compact({"phone_numbers": [element("a")]})[:-3], None),
    "nested too deeply": (b'{"phone_numbers": ' + b"[" * 100_000, None),
    "a cursor that is half a surrogate pair": (
        b'{"phone_numbers": [], "has_more": true, "next_cursor": "\\ud800"}',
        None,
    ),
    "a cursor that is not UTF-8": (
        b'{"phone_numbers": [], "has_more": true, "next_cursor": "\xff"}',
        None,
    ),
}


@pytest.mark.parametrize(("body", "path"), NO_PAGES.values(), ids=list(NO_PAGES))
async def test_a_body_that_is_not_a_page_is_an_error(body: bytes, path: str | None) -> None:
    headers = {"content-length": str(len(body))}
    async with client_of([page_of(["a"], "1"), Response(200, headers, body)]) as client:
        listing = client.list()
        ids, _, error = await read(listing)
        assert ids == ["a"]
        assert type(error) is DecodeError
        assert (error.path, error.status, error.truncated) == (path, 200, False)
        assert len(error.history) == 1
        with pytest.raises(StopAsyncIteration):
            await anext(listing)


async def test_a_page_that_may_have_been_cut_short_is_requested_again() -> None:
    whole = page_of(["a"])
    async with client_of([Response(200, {}, whole.body[:-9]), whole]) as client:
        assert await read(client.list()) == (["a"], [], None)


@pytest.mark.parametrize("retry", [RetryPolicy(), RetryPolicy.none()], ids=["retry", "no retry"])
async def test_the_error_of_an_expired_cursor_says_how_to_start_again(retry: RetryPolicy) -> None:
    script = [page_of(["a"], "1"), refused(400, "invalid_cursor", "Invalid or expired cursor")]
    async with client_of(script, retry) as client:
        ids, _, error = await read(client.list())
    assert ids == ["a"]
    assert isinstance(error, StatusError)
    assert (error.status, error.code, error.retryable) == (400, "invalid_cursor", False)
    assert "have changed, or the listing took too long" in str(error)
    assert "call `list` again" in (error.hint or "")
