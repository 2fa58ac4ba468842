from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import pytest
from emulator_helpers import LIST_ROUTE, PAGE_ROUTE, ask, ask_for_page, client, ids_listed, pages
from hypothesis import given, settings
from hypothesis import strategies as st

from elevenphone.emulator import Emulator
from elevenphone.models import PhoneNumber, encode

CAPTURED = Path(__file__).parents[1] / "payloads" / "errors"
SEED = 5


def dataset(numbers: int = 300) -> list[PhoneNumber]:
    emulator = Emulator(numbers, seed=SEED)
    return [emulator.number(phone_number_id) for phone_number_id in emulator.ids]


def ids_of(numbers: list[PhoneNumber]) -> list[str]:
    return [number.phone_number_id for number in numbers]


@pytest.mark.parametrize(
    ("page_size", "sizes"), [(1_000, [250]), (250, [250]), (249, [249, 1]), (100, [100, 100, 50])]
)
async def test_pages_are_full_but_for_the_last(page_size: int, sizes: list[int]) -> None:
    async with Emulator(250) as emulator:
        followed = await pages(emulator, page_size=page_size)
        assert [len(page.ids) for page in followed] == sizes
        assert [phone_number_id for page in followed for phone_number_id in page.ids] == list(emulator.ids)
        assert emulator.stats.answered == len(sizes)


async def test_a_page_has_100_numbers_by_default() -> None:
    async with Emulator(101) as emulator:
        assert [len(page.ids) for page in await pages(emulator)] == [100, 1]


async def test_an_element_is_the_answer_to_its_lookup() -> None:
    async with Emulator(300) as emulator:
        body = (await ask_for_page(emulator, page_size=300)).body
        elements = msgspec.json.decode(body, type=dict[str, msgspec.Raw])["phone_numbers"]
        for phone_number_id, element in zip(
            emulator.ids, msgspec.json.decode(elements, type=list[msgspec.Raw]), strict=True
        ):
            assert bytes(element) == encode(emulator.number(phone_number_id))


AGENT = next(n.assigned_agent for n in dataset() if n.assigned_agent and n.assigned_agent.branch_id)
FILTERS: list[tuple[dict[str, str], Callable[[PhoneNumber], bool]]] = [
    ({"provider": "twilio"}, lambda n: n.provider == "twilio"),
    ({"provider": "sip_trunk"}, lambda n: n.provider == "sip_trunk"),
    ({"provider": "exotel"}, lambda n: n.provider == "exotel"),
    ({"supports_outbound": "true"}, lambda n: n.supports_outbound),
    ({"supports_outbound": "False"}, lambda n: not n.supports_outbound),
    ({"supports_outbound": "0"}, lambda n: not n.supports_outbound),
    ({"label": "LINE"}, lambda n: "line" in n.label.lower()),
    ({"label": "Billing & coll"}, lambda n: "Billing & coll" in n.label),
    ({"label": "staging #2"}, lambda n: n.label.startswith("staging #2")),
    ({"label": "SHIFT + w"}, lambda n: "shift + w" in n.label),
    ({"label": "20% o"}, lambda n: "20% off" in n.label),
    ({"label": "München"}, lambda n: "München" in n.label),
    ({"label": "オフィス"}, lambda n: "オフィス" in n.label),
    ({"label": "🚀"}, lambda n: "🚀" in n.label),
    ({"label": " "}, lambda n: " " in n.label),
    ({"search": "sales –"}, lambda n: "Sales –" in n.label),
    ({"search": "+4420"}, lambda n: "+4420" in n.phone_number),
    ({"search": "ОТДЕЛ"}, lambda n: "Отдел" in n.label),
    (
        {"agent_id": AGENT.agent_id},
        lambda n: n.assigned_agent is not None and n.assigned_agent.agent_id == AGENT.agent_id,
    ),
    (
        {"branch_id": str(AGENT.branch_id)},
        lambda n: n.assigned_agent is not None and n.assigned_agent.branch_id == AGENT.branch_id,
    ),
    (
        {"provider": "twilio", "label": "line", "supports_outbound": "true"},
        lambda n: n.provider == "twilio" and "line" in n.label and n.supports_outbound,
    ),
]


@pytest.mark.parametrize(("parameters", "matches"), FILTERS, ids=[urlencode(p) for p, _ in FILTERS])
async def test_filters(parameters: dict[str, str], matches: Callable[[PhoneNumber], bool]) -> None:
    expected = ids_of([number for number in dataset() if matches(number)])
    assert 0 < len(expected) < 300
    async with Emulator(300, seed=SEED) as emulator:
        assert await ids_listed(emulator, page_size=7, **parameters) == expected


async def test_a_phone_number_is_found_by_all_its_digits_alone() -> None:
    number = next(number for number in dataset() if number.phone_number.startswith("+"))
    expected = ids_of([other for other in dataset() if other.phone_number == number.phone_number])
    async with Emulator(300, seed=SEED) as emulator:
        assert await ids_listed(emulator, phone_number=number.phone_number) == expected
        assert await ids_listed(emulator, phone_number=number.phone_number[:-1]) == []


async def test_search_finds_a_whole_id_and_no_part_of_one() -> None:
    async with Emulator(300, seed=SEED) as emulator:
        assert await ids_listed(emulator, search=emulator.ids[7]) == [emulator.ids[7]]
        assert await ids_listed(emulator, search=emulator.ids[7][:-1]) == []


async def test_nothing_found_is_an_empty_last_page() -> None:
    async with Emulator(10) as emulator:
        reply = await ask_for_page(emulator, search="nothing like this")
        assert reply.body == b'{"phone_numbers":[],"next_cursor":null,"has_more":false}'


@pytest.mark.parametrize("sort_by", ["label", "phone_number"])
async def test_sorting(sort_by: str) -> None:
    async with Emulator(300, seed=SEED) as emulator:
        for direction, descending in (("asc", False), ("desc", True)):
            listed = await ids_listed(emulator, page_size=40, sort_by=sort_by, sort_direction=direction)
            keys = [getattr(emulator.number(phone_number_id), sort_by) for phone_number_id in listed]
            assert keys == sorted(keys, reverse=descending)
            assert sorted(listed) == sorted(emulator.ids)
        upwards = await ids_listed(emulator, page_size=300, sort_by=sort_by)
        assert upwards == await ids_listed(emulator, page_size=300, sort_by=sort_by, sort_direction="asc")
        assert await ids_listed(emulator, sort_direction="desc") == list(emulator.ids)


async def test_cursors_are_the_same_each_time_and_the_seeds_own() -> None:
    async def cursors(seed: int) -> list[str | None]:
        async with Emulator(20, seed=seed) as emulator:
            return [page.next_cursor for page in await pages(emulator, page_size=5)]

    first = await cursors(1)
    assert len(set(first)) == 4
    assert await cursors(1) == first
    assert set(await cursors(2)) & set(first) == {None}


async def test_cursors_need_percent_encoding() -> None:
    async with Emulator(200) as emulator:
        cursors = {page.next_cursor for page in await pages(emulator, page_size=1)} - {None}
    assert len(cursors) == 199
    for special in "&+#%=":
        assert any(special in str(cursor) for cursor in cursors)


async def test_a_cursor_allows_another_page_size_and_no_other_query() -> None:
    async with Emulator(30) as emulator:
        cursor = (await ask_for_page(emulator, page_size=10)).page.next_cursor
        assert (await ask_for_page(emulator, cursor=cursor, page_size=3)).page.ids == list(
            emulator.ids[10:13]
        )
        for parameters in ({"provider": "twilio"}, {"sort_by": "label"}, {"search": ""}):
            assert (await ask_for_page(emulator, cursor=cursor, **parameters)).code == "invalid_cursor"


BAD_CURSORS = ("", "0", "00000", "abc" * 7, "é", "\0", "~" * 20, "x" * 5_000)


@pytest.mark.parametrize("cursor", BAD_CURSORS)
async def test_an_invalid_cursor(cursor: str) -> None:
    async with Emulator(3) as emulator:
        reply = await ask_for_page(emulator, cursor=cursor)
        newer = json.loads((CAPTURED / "400_docs_new_envelope.json").read_text(encoding="utf-8"))["detail"]
        assert reply.status == 400
        assert reply.detail == {
            "type": newer["type"],
            "code": "invalid_cursor",
            "message": "The cursor is invalid or expired.",
            "status": "invalid_cursor",
            "request_id": reply.headers["request-id"],
            "param": "cursor",
        }
        assert (emulator.stats.requests, emulator.stats.answered, emulator.stats.faults) == (1, 0, 0)


@given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=20))
@settings(max_examples=10)
async def test_only_cursors_that_were_given_out_are_accepted(texts: list[str]) -> None:
    async with Emulator(3) as emulator, client(emulator) as session:
        for text in texts:
            reply = await ask_for_page(emulator, session, cursor=text)
            assert (reply.status, reply.code) == (400, "invalid_cursor")


@pytest.mark.parametrize("page_size", [0, -1, 1_001, 10**30])
async def test_a_page_size_out_of_range(page_size: int) -> None:
    async with Emulator(3) as emulator:
        reply = await ask_for_page(emulator, page_size=page_size)
        assert (reply.status, reply.code) == (400, "invalid_page_size")
        assert (reply.detail["param"], reply.detail["code"]) == ("page_size", "invalid_page_size")
        assert "between 1 and 1000" in str(reply.detail["message"])


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("page_size", "ten", "int_parsing"),
        ("page_size", "", "int_parsing"),
        ("page_size", "9" * 5_000, "int_parsing"),
        ("provider", "vonage", "enum"),
        ("provider", "", "enum"),
        ("supports_outbound", "maybe", "bool_parsing"),
        ("sort_by", "provider", "enum"),
        ("sort_direction", "DESC", "enum"),
    ],
)
async def test_a_parameter_of_a_wrong_type(name: str, value: str, kind: str) -> None:
    async with Emulator(3) as emulator:
        reply = await ask_for_page(emulator, **{name: value})
    assert reply.status == 422
    (problem,) = msgspec.convert(reply.document["detail"], list[dict[str, object]])
    assert (problem["type"], problem["loc"], problem["input"]) == (kind, ["query", name], value)


async def test_every_wrong_parameter_is_named() -> None:
    async with Emulator(3) as emulator:
        reply = await ask_for_page(emulator, provider="vonage", sort_by="id", page_size="x")
    problems = msgspec.convert(reply.document["detail"], list[dict[str, object]])
    assert [problem["loc"] for problem in problems] == [
        ["query", "provider"],
        ["query", "sort_by"],
        ["query", "page_size"],
    ]
    assert problems[0]["ctx"] == {"expected": "'twilio', 'sip_trunk' or 'exotel'"}


async def test_unknown_parameters_are_ignored_and_the_last_of_two_counts() -> None:
    async with Emulator(9) as emulator:
        reply = await ask(emulator, "?page_size=1&color=red&page_size=2", route=PAGE_ROUTE)
        assert reply.page.ids == list(emulator.ids[:2])


async def test_the_older_route_lists_all_in_one_array() -> None:
    async with Emulator(300, seed=SEED) as emulator:
        reply = await ask(emulator, "", route=LIST_ROUTE)
        assert reply.status == 200
        assert reply.body == b"[" + b",".join(encode(emulator.number(i)) for i in emulator.ids) + b"]"


async def test_the_older_route_has_three_filters() -> None:
    agent_id, branch_id = AGENT.agent_id, AGENT.branch_id
    expected = [
        number.phone_number_id
        for number in dataset()
        if number.provider == "twilio"
        and number.assigned_agent is not None
        and number.assigned_agent.agent_id == agent_id
    ]
    assert len(expected) > 1
    async with Emulator(300, seed=SEED) as emulator:

        async def listed(query: str) -> list[str]:
            reply = await ask(emulator, f"?{query}", route=LIST_ROUTE)
            array = msgspec.json.decode(reply.body, type=list[dict[str, object]])
            return [str(number["phone_number_id"]) for number in array]

        assert await listed(f"provider=twilio&agent_id={agent_id}") == expected
        assert await listed(f"provider=twilio&agent_id={agent_id}&page_size=0&search=nothing") == expected
        assert len(await listed(f"branch_id={branch_id}")) == sum(
            number.assigned_agent is not None and number.assigned_agent.branch_id == branch_id
            for number in dataset()
        )
        assert (await ask(emulator, "?provider=vonage", route=LIST_ROUTE)).status == 422


async def test_the_key_and_the_method_are_checked_on_every_route() -> None:
    async with Emulator(3, record=True) as emulator:
        for route in (LIST_ROUTE, PAGE_ROUTE):
            assert (await ask(emulator, "", route=route, key="wrong")).code == "invalid_api_key"
            assert (await ask(emulator, "?cursor=x", route=route, method="POST")).status == 405
        assert [request.phone_number_id for request in emulator.requests] == [None] * 4
        assert emulator.requests[-1].path == f"{PAGE_ROUTE}?cursor=x"
