from __future__ import annotations

import msgspec
import pytest
from emulator_helpers import LIST_ROUTE, PAGE_ROUTE, ask, ask_for_page, connect, pages, request_bytes

from elevenphone import DecodeError, decode
from elevenphone.emulator import Emulator

LISTING_FAULTS = ["expired_cursors", "repeated_cursors", "missing_cursors", "empty_pages", "faulty_elements"]


@pytest.mark.parametrize("name", LISTING_FAULTS)
async def test_a_listing_fault_does_not_affect_lookups(name: str) -> None:
    async with Emulator(3) as emulator:
        setattr(emulator, name, 1.0)
        assert (await ask(emulator, emulator.ids[0])).status == 200
        assert (emulator.stats.answered, emulator.stats.faults) == (1, 0)


async def test_an_expired_cursor() -> None:
    async with Emulator(10, expired_cursors=1.0) as emulator:
        first = (await ask_for_page(emulator, page_size=4)).page
        reply = await ask_for_page(emulator, cursor=first.next_cursor, page_size=4)
        assert (reply.status, reply.code) == (400, "invalid_cursor")
        assert (emulator.stats.answered, emulator.stats.faults) == (1, 1)
        emulator.expired_cursors = 0.0
        assert (await ask_for_page(emulator, cursor=first.next_cursor, page_size=4)).page.ids == list(
            emulator.ids[4:8]
        )


async def test_a_repeated_cursor() -> None:
    async with Emulator(10, repeated_cursors=1.0) as emulator:
        first = (await ask_for_page(emulator, page_size=3)).page
        second = (await ask_for_page(emulator, cursor=first.next_cursor, page_size=3)).page
        assert (second.next_cursor, second.has_more) == (first.next_cursor, True)
        assert second.ids == list(emulator.ids[3:6])
        emulator.repeated_cursors = 0.0
        cursors = [page.next_cursor for page in await pages(emulator, page_size=3)]
        emulator.repeated_cursors = 1.0
        last = (await ask_for_page(emulator, cursor=cursors[-2], page_size=3)).page
        assert (last.next_cursor, last.has_more) == (cursors[0], True)
        assert last.ids == list(emulator.ids[9:])


async def test_a_missing_cursor() -> None:
    async with Emulator(10, missing_cursors=1.0) as emulator:
        page = (await ask_for_page(emulator, page_size=4)).page
        assert (page.ids, page.next_cursor, page.has_more) == (list(emulator.ids[:4]), None, True)


async def test_an_empty_page_that_has_more() -> None:
    async with Emulator(10, empty_pages=1.0) as emulator:
        page = (await ask_for_page(emulator, page_size=6)).page
        assert (page.ids, page.has_more) == ([], True)
        emulator.empty_pages = 0.0
        assert (await ask_for_page(emulator, cursor=page.next_cursor)).page.ids == list(emulator.ids[6:])


async def test_an_empty_page_in_place_of_the_last_one() -> None:
    async with Emulator(3, empty_pages=1.0) as emulator:
        page = (await ask_for_page(emulator)).page
        assert (page.ids, page.has_more) == ([], True)
        emulator.empty_pages = 0.0
        after = (await ask_for_page(emulator, cursor=page.next_cursor)).page
        assert (after.ids, after.next_cursor, after.has_more) == ([], None, False)


@pytest.mark.parametrize("route", [LIST_ROUTE, PAGE_ROUTE])
async def test_one_faulty_element(route: str) -> None:
    async with Emulator(7, faulty_elements=1.0) as emulator:
        body = (await ask(emulator, "", route=route)).body
        array = (
            body
            if route == LIST_ROUTE
            else msgspec.json.decode(body, type=dict[str, msgspec.Raw])["phone_numbers"]
        )
        elements = [bytes(element) for element in msgspec.json.decode(array, type=list[msgspec.Raw])]
        faulty = elements.pop(3)
        with pytest.raises(DecodeError) as raised:
            decode(faulty)
        assert raised.value.path == "$.label"
        assert msgspec.json.decode(faulty)["phone_number_id"] == emulator.ids[3]
        assert [decode(element) for element in elements] == [
            emulator.number(phone_number_id)
            for phone_number_id in emulator.ids
            if phone_number_id != emulator.ids[3]
        ]
        assert (emulator.stats.answered, emulator.stats.faults) == (0, 1)


async def test_no_element_can_be_faulty_where_none_is_listed() -> None:
    async with Emulator(7, faulty_elements=1.0) as emulator:
        assert (await ask_for_page(emulator, search="nothing like this")).page.ids == []
        assert (emulator.stats.answered, emulator.stats.faults) == (1, 0)


@pytest.mark.parametrize("route", [LIST_ROUTE, PAGE_ROUTE])
async def test_every_other_fault_and_limit_strikes_listings_too(route: str) -> None:
    async with Emulator(20, slow_body_seconds=0.0, rate_limit=1e9) as emulator:
        whole = await ask(emulator, "", route=route)
        for fault, status in (
            ("busy", 429),
            ("server_errors", 503),
            ("html_errors", 502),
            ("redirects", 302),
        ):
            setattr(emulator, fault, 1.0)
            assert (await ask(emulator, "", route=route)).status == status
            setattr(emulator, fault, 0.0)
        emulator.malformed = 1.0
        assert (await ask(emulator, "", route=route)).body == whole.body[: len(whole.body) // 2]
        emulator.malformed = 0.0
        emulator.slow_bodies = 1.0
        assert (await ask(emulator, "", route=route)).body == whole.body
        emulator.slow_bodies = 0.0
        for limit, value, status in (
            ("concurrency_limit", 0, 429),
            ("quota", 0, 401),
            ("missing_permission", True, 401),
            ("outage", True, 503),
        ):
            usual = getattr(emulator, limit)
            setattr(emulator, limit, value)
            assert (await ask(emulator, "", route=route)).status == status
            setattr(emulator, limit, usual)


@pytest.mark.parametrize("fault", ["drops", "resets", "truncated"])
async def test_connections_break_on_listings_too(fault: str) -> None:
    async with Emulator(20) as emulator:
        whole = await ask_for_page(emulator)
        setattr(emulator, fault, 1.0)
        async with connect(emulator) as (reader, writer):
            writer.write(request_bytes(emulator, "", PAGE_ROUTE))
            if fault == "resets":
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            else:
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
                assert body == (whole.body if fault == "truncated" else b"")
                assert bool(head) == (fault == "truncated")


async def test_listing_faults_are_repeatable() -> None:
    async def run(seed: int) -> list[object]:
        outcomes: list[object] = []
        async with Emulator(
            30, seed=seed, missing_cursors=0.3, empty_pages=0.3, server_errors=0.1
        ) as emulator:
            for _ in range(40):
                reply = await ask_for_page(emulator, page_size=10)
                page = reply.page if reply.status == 200 else None
                outcomes.append((reply.status, page and page.next_cursor is None, page and not page.ids))
        return outcomes

    first = await run(3)
    assert len(set(first)) == 4
    assert await run(3) == first
    assert await run(4) != first
