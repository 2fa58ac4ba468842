"""Rows 35 to 38: several bulk runs on one client, next to each other and inside each other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, cast

import pytest
from fault_helpers import ids, until
from stub_transport import After, Step, StubTransport, refused
from virtual_client import LATENCY, good, now, use_client

from elevenphone import Found, Lookup, PhoneNumberClient
from elevenphone.emulator import Emulator

if TYPE_CHECKING:
    import pyarrow

hangs = pytest.mark.xfail(strict=True, reason="runs on one client take the places in flight from each other")


def other_ids(count: int) -> list[str]:
    return [f"phnum_other_{number}" for number in range(count)]


def found_ids(lookups: list[Lookup]) -> list[str]:
    return [lookup.result().phone_number_id for lookup in lookups]


@pytest.mark.parametrize("empty_first", [pytest.param(True, marks=hangs), False])
def test_row_35_an_empty_run_next_to_another(empty_first: bool) -> None:
    async def use(client: PhoneNumberClient) -> None:
        inputs = [[], ids(10)] if empty_first else [ids(10), []]
        outputs = await asyncio.gather(*(client.gather(each) for each in inputs))
        assert [found_ids(lookups) for lookups in outputs] == inputs
        assert now() < 1.0

    use_client(good, use)


@hangs
@pytest.mark.parametrize("concurrency", [1, 2, 4])
def test_row_36_a_second_run_soon_after_the_first_gets_a_fair_share(concurrency: int) -> None:
    count = 100 * concurrency
    ended: list[float] = []
    started: dict[str, float] = {}

    def serve(url: str) -> Step:
        started.setdefault("other" if "other" in url else "first", now())
        return good(url)

    async def run(client: PhoneNumberClient, phone_number_ids: list[str]) -> None:
        assert found_ids(await client.gather(phone_number_ids)) == phone_number_ids
        ended.append(now())

    async def use(client: PhoneNumberClient) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(run(client, ids(count)))
            await asyncio.sleep(0.1)
            group.create_task(run(client, other_ids(count)))

    use_client(serve, use, concurrency=concurrency)
    ideal = 2 * count * LATENCY / concurrency
    assert started["other"] < 0.1 + 2 * LATENCY
    assert ended[1] < 1.1 * ideal
    assert ended[0] > 0.8 * ideal


@pytest.mark.parametrize("ordered", [False, True], ids=["as completed", "ordered"])
@pytest.mark.parametrize("concurrency", [*(pytest.param(number, marks=hangs) for number in (1, 2, 3)), 4])
def test_row_37_a_gather_inside_the_loop_of_a_stream(concurrency: int, ordered: bool) -> None:
    use_client(good, lambda client: nest(client, ordered), concurrency=concurrency)


@pytest.mark.parametrize("ordered", [False, True], ids=["as completed", "ordered"])
@pytest.mark.parametrize("limit", [1, pytest.param(2, marks=hangs)])
def test_row_37_a_gather_inside_the_loop_of_a_stream_at_the_limit_of_a_server(
    limit: int, ordered: bool
) -> None:
    def serve(url: str) -> Step:
        if transport.in_flight < limit:
            return good(url)
        return After(0.001, refused(429, "too_many_concurrent_requests"))

    transport = StubTransport(serve)
    use_client(transport, lambda client: nest(client, ordered))


async def nest(client: PhoneNumberClient, ordered: bool) -> None:
    outer: list[str] = []
    async with client.stream(ids(30), ordered=ordered) as lookups:
        async for lookup in lookups:
            outer.append(lookup.result().phone_number_id)
            inner = [f"{lookup.phone_number_id}_{number}" for number in range(3)]
            assert found_ids(await client.gather(inner)) == inner
    assert (outer if ordered else sorted(outer)) == (ids(30) if ordered else sorted(ids(30)))
    assert now() < 60.0


@hangs
@pytest.mark.parametrize("concurrency", [None, 2])
async def test_row_37_a_batch_lookup_called_from_several_threads(
    concurrency: int | None, emulator: Emulator
) -> None:
    arrow = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'elevenphone[arrow]'")
    from elevenphone.arrow import BatchLookup  # noqa: PLC0415 - needs pyarrow

    table = arrow.table({"phone_number_id": emulator.ids})
    look_up = BatchLookup(api_key=emulator.api_key, base_url=emulator.base_url, concurrency=concurrency)
    others_are_done = threading.Event()
    statuses: list[list[object]] = []

    def late() -> Iterator[pyarrow.RecordBatch]:
        others_are_done.wait()
        yield from table.to_batches()

    def call_late() -> None:
        (batch,) = look_up.batches(late())
        statuses.append(cast("list[object]", batch["status"].to_pylist()))

    def call() -> None:
        statuses.append(cast("list[object]", look_up(table)["status"].to_pylist()))

    threads = [threading.Thread(target=work, daemon=True) for work in (*[call_late] * 4, call)]
    try:
        for thread in threads[:4]:
            thread.start()
        await asyncio.sleep(0.02)  # for their runs to begin
        for thread in threads[4:]:
            thread.start()
        await until(lambda: len(statuses) == 1, "the end of the call that has its ids", 1_000)
        others_are_done.set()
        await until(lambda: len(statuses) == 5, "the end of the other calls")
    finally:
        others_are_done.set()
        await asyncio.to_thread(look_up.close)
        await until(lambda: not any(thread.is_alive() for thread in threads), "the end of all threads")
    assert statuses == [["found"] * len(emulator.ids)] * len(threads)


@pytest.mark.parametrize("idle", [1, pytest.param(2, marks=hangs), pytest.param(5, marks=hangs)])
def test_row_38_a_run_next_to_others_whose_sources_have_nothing_yet(idle: int) -> None:
    async def use(client: PhoneNumberClient) -> None:
        is_there = asyncio.Event()

        async def waiting(number: int) -> AsyncIterator[str]:
            await is_there.wait()
            yield f"phnum_late_{number}"

        idle_runs = [asyncio.create_task(client.gather(waiting(number))) for number in range(idle)]
        await asyncio.sleep(1.0)
        assert found_ids(await client.gather(ids(100))) == ids(100)
        assert now() < 1.0 + 3.0
        is_there.set()
        for late in await asyncio.gather(*idle_runs):
            assert [type(lookup) for lookup in late] == [Found]

    use_client(good, use)


@pytest.mark.parametrize("idle", [1, 2, pytest.param(5, marks=hangs)])
def test_row_38_a_run_next_to_others_whose_sources_pause_in_the_middle(idle: int) -> None:
    async def use(client: PhoneNumberClient) -> None:
        async def pausing() -> AsyncIterator[str]:
            for number in range(40):
                if number % 10 == 5:
                    await asyncio.sleep(100.0)
                yield f"phnum_{number}"

        pauses = [asyncio.create_task(client.gather(pausing())) for _ in range(idle)]
        await asyncio.sleep(1.0)
        for _ in range(5):
            before = now()
            assert found_ids(await client.gather(other_ids(40))) == other_ids(40)
            assert now() - before < 3.0
        for lookups in await asyncio.gather(*pauses):
            assert found_ids(lookups) == ids(40)

    use_client(good, use)
