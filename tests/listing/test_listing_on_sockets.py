"""Listings over real sockets, on a server that shares nothing with the emulator."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import pytest
from listing_helpers import read
from paging_server import PagingServer, Trouble

from elevenphone import PhoneNumberClient, RetryPolicy, StatusError

IDS = [f"phnum_{i}" for i in range(60)]
# A real retry would wait too long for a test.
SOON = RetryPolicy(wait_initial=0.001, wait_max=0.005)
FILTERS = {
    "search": "+1 (212) & #5",
    "label": "Büro=100% 🚀",
    "phone_number": "+12125550100",
    "agent_id": "a/b?c",
}


def connect(server: PagingServer, form: str) -> PhoneNumberClient:
    assert form in {"httptools", "aiohttp"}
    return PhoneNumberClient("key", base_url=server.base_url, retry=SOON)


@pytest.mark.parametrize("seed", range(8))
async def test_every_number_comes_once_with_any_cursors(seed: int, http: str) -> None:
    async with PagingServer(IDS, seed) as server, connect(server, http) as client:
        assert await read(client.list()) == (IDS, [], None)
        assert len(server.queries) >= len(IDS) / 9
        assert {query["page_size"] for query in server.queries} == {"100"}


async def test_filters_arrive_as_they_were_given_with_every_page(http: str) -> None:
    async with PagingServer(IDS, 1) as server, connect(server, http) as client:
        assert (await read(client.list(**FILTERS, page_size=3)))[0] == IDS  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - all are texts
        for query in server.queries:
            query.pop("cursor", None)
            assert query == FILTERS | {"page_size": "3"}


TROUBLES: list[Trouble] = ["503", "drop", "reset", "cut", "close-delimited cut"]


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("times", [1, 4])
async def test_a_fault_between_pages_loses_and_repeats_nothing(
    trouble: Trouble, times: int, http: str
) -> None:
    async with PagingServer(IDS, 2) as server, connect(server, http) as client:
        listing = client.list()
        ids = [(await anext(listing)).phone_number_id]
        server.troubles.extend(itertools.repeat(trouble, times))
        rest, faulty, error = await read(listing)
        assert ([*ids, *rest], faulty, error) == (IDS, [], None)
        assert not server.troubles
        assert client.stats.in_flight == 0


@pytest.mark.parametrize("seed", range(4))
async def test_all_kinds_of_faults_at_every_page(seed: int, http: str) -> None:
    async with PagingServer(IDS, seed) as server, connect(server, http) as client:
        kinds: Iterator[Trouble] = itertools.cycle([*TROUBLES[seed:], *TROUBLES[:seed]])
        listing = client.list()
        ids: list[str] = []
        async for number in listing:
            ids.append(number.phone_number_id)
            if not server.troubles:
                server.troubles.append(next(kinds))
        assert ids == IDS


async def test_a_cursor_of_another_listing_is_refused_with_a_hint(http: str) -> None:
    async with PagingServer(IDS, 3) as server, connect(server, http) as client:
        listing = client.list()
        await anext(listing)
        server._positions = {None: 0}  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - it has forgotten its cursors
        _, _, error = await read(listing)
        assert isinstance(error, StatusError)
        assert error.code == "invalid_cursor"
        assert "call `list` again" in str(error)
        assert (await read(client.list()))[0] == IDS


async def test_a_page_that_is_cancelled_can_be_requested_again(http: str) -> None:
    async with PagingServer(IDS, 4) as server, connect(server, http) as client:
        listing = client.list()
        ids: list[str] = []
        for attempt in itertools.count():
            step = asyncio.ensure_future(anext(listing))
            for _ in range(attempt % 7):
                await asyncio.sleep(0)
            if attempt % 3:
                step.cancel()
            try:
                ids.append((await step).phone_number_id)
            except asyncio.CancelledError:
                assert client.stats.in_flight == 0
            except StopAsyncIteration:
                break
        assert ids == IDS
