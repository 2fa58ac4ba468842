"""The order of the results of a bulk run, how far it reads ahead, and its workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
import virtual_time
from bulk_run_helpers import LookUps, Source, found_ids, make_run, read, read_all, use
from hypothesis import given
from hypothesis import strategies as st
from simulated_server import number_of
from stub_transport import After, Step, StubTransport, refused

from elevenphone import Failed, PhoneNumberClient
from elevenphone.run import WINDOW


@given(
    ids=st.lists(st.integers(0, 20).map(str), max_size=60),
    ordered=st.booleans(),
    remembered=st.none() | st.integers(0, 10),
    window=st.integers(1, 10),
    slots=st.integers(1, 8),
    failing=st.sets(st.integers(0, 20).map(str)),
    asynchronous=st.booleans(),
)
def test_each_input_has_one_result(
    ids: list[str],
    ordered: bool,
    remembered: int | None,
    window: int,
    slots: int,
    failing: set[str],
    asynchronous: bool,
) -> None:
    async def asynchronous_ids() -> AsyncGenerator[str]:
        for phone_number_id in ids:
            await asyncio.sleep(0.3)
            yield phone_number_id

    look_ups = LookUps(
        slots=slots,
        takes=lambda phone_number_id: 1.0 + int(phone_number_id) * 7 % 5,
        errors={phone_number_id: refused(404) for phone_number_id in failing},
    )
    lookups, _ = read_all(
        asynchronous_ids() if asynchronous else ids,
        look_ups,
        ordered=ordered,
        remembered=remembered,
        window=window,
    )
    indices = [lookup.index for lookup in lookups]
    assert (indices if ordered else sorted(indices)) == list(range(len(ids)))
    for lookup in lookups:
        assert lookup.phone_number_id == ids[lookup.index]
        assert isinstance(lookup, Failed) == (lookup.phone_number_id in failing)
    assert look_ups.peak <= slots
    if remembered is None:
        assert sorted(look_ups.requested) == sorted(set(ids))


def test_lookups_come_as_they_complete() -> None:
    lookups, _ = read_all(["3", "1", "2"], LookUps(takes=float))
    assert found_ids(lookups) == ["1", "2", "3"]
    assert [lookup.index for lookup in lookups] == [1, 2, 0]


def test_ordered_lookups_come_in_the_order_of_the_input() -> None:
    lookups, _ = read_all(["3", "1", "2"], LookUps(takes=float), ordered=True)
    assert found_ids(lookups) == ["3", "1", "2"]


def test_each_lookup_is_delivered_as_soon_as_it_completes() -> None:
    async def main() -> list[float]:
        async with make_run(["1", "2", "5"], LookUps(takes=float)) as run:
            return [virtual_time.elapsed() async for _ in run]

    assert use(main) == [1.0, 2.0, 5.0]


def test_an_empty_source_gives_no_lookups() -> None:
    assert read_all([])[0] == []
    assert read_all(Source(0).asynchronous())[0] == []


def test_all_slots_are_used() -> None:
    async def main() -> tuple[float, int]:
        look_ups = LookUps(slots=50)
        await read(make_run(map(str, range(500)), look_ups))
        return virtual_time.elapsed(), look_ups.peak

    assert use(main) == (10.0, 50)


# The source is read as needed


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_run_reads_at_most_a_window_ahead_of_a_slow_consumer(asynchronous: bool, ordered: bool) -> None:
    async def main() -> None:
        source = Source(100_000)
        ids = source.asynchronous() if asynchronous else source.synchronous()
        async with make_run(ids, LookUps(slots=100, takes=0.001), ordered=ordered, window=200) as run:
            handed_over = 0
            async for _ in run:
                handed_over += 1
                await asyncio.sleep(1.0)
                assert source.taken - handed_over <= 200
                if handed_over == 500:
                    break
            assert source.taken >= 600

    use(main)


def test_an_ordered_run_reads_at_most_a_window_ahead_of_a_slow_first_lookup() -> None:
    async def main() -> tuple[int, int]:
        source = Source(1_000)
        look_ups = LookUps(takes=lambda phone_number_id: 1_000.0 if phone_number_id == "0" else 0.01)
        async with make_run(source.synchronous(), look_ups, ordered=True, window=50) as run:
            await asyncio.sleep(999)
            before = source.taken
            return before, len([lookup async for lookup in run])

    assert use(main) == (50, 1_000)


def test_a_run_reads_nothing_before_it_is_entered_and_little_before_a_slot_is_free() -> None:
    async def main() -> tuple[int, int]:
        source = Source(10_000)
        run = make_run(source.synchronous(), LookUps(slots=3, takes=1_000.0))
        before = source.taken
        async with run:
            await asyncio.sleep(1)
            return before, source.taken

    before, after = use(main)
    assert before == 0
    assert 3 <= after <= 3 * 3 + 1


def test_the_default_window_is_a_few_thousand_ids() -> None:
    async def main() -> int:
        source = Source(100_000)
        async with make_run(source.synchronous(), LookUps(takes=0.001)):
            await asyncio.sleep(1_000)
            return source.taken

    assert use(main) == WINDOW <= 5_000


def test_a_slow_source_does_not_delay_finished_lookups() -> None:
    async def main() -> list[float]:
        async with make_run(Source(4, every=10.0).asynchronous(), LookUps(takes=1.0)) as run:
            return [virtual_time.elapsed() async for _ in run]

    assert use(main) == [11.0, 21.0, 31.0, 41.0]


# Workers


def test_a_run_has_only_as_many_workers_as_it_needs() -> None:
    def script(url: str) -> Step:
        # The first 300 are refused once and wait, without a slot, for their retry.
        phone_number_id = url.rpartition("/")[2]
        if phone_number_id in waiting:
            waiting.remove(phone_number_id)
            return After(0.1, refused(429, "too_many_concurrent_requests", retry_after="50"))
        return After(0.1, number_of(phone_number_id))

    async def main() -> tuple[int, int, int]:
        async with (
            PhoneNumberClient(transport=StubTransport(script), concurrency=8) as client,
            client.stream(map(str, range(20_000))) as run,
        ):
            at_first = len(asyncio.all_tasks())
            with_waits, afterwards = [
                len(asyncio.all_tasks())
                async for lookup in run
                if lookup.index in (2_000, 19_000)  # after 25 and 240 seconds
            ]
        return at_first, with_waits, afterwards

    waiting = {str(n) for n in range(300)}
    at_first, with_waits, afterwards = use(main)
    assert at_first <= 2
    assert 300 <= with_waits <= 330
    assert afterwards <= 20
