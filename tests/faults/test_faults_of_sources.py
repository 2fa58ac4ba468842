"""Rows 42 to 44: sources of ids that use asyncio's own timeouts, cancellations and task groups."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from fault_helpers import ids
from virtual_client import good, use_client

from elevenphone import Lookup, PhoneNumberClient

Source = Callable[[], AsyncIterator[str]]
How = Callable[[PhoneNumberClient, Source, list[Lookup]], Awaitable[None]]


class ProducerError(Exception):
    """What the producer of a source may raise."""


class Consumed:
    """What a consumer got from a run, and how the run ended."""

    def __init__(self) -> None:
        self.lookups: list[Lookup] = []
        self.error: BaseException | None = None

    @property
    def found(self) -> list[str]:
        return sorted(lookup.result().phone_number_id for lookup in self.lookups)


async def gather(client: PhoneNumberClient, source: Source, got: list[Lookup]) -> None:
    got.extend(await client.gather(source()))


async def stream(client: PhoneNumberClient, source: Source, got: list[Lookup]) -> None:
    async with client.stream(source()) as lookups:
        async for lookup in lookups:
            got.append(lookup)  # noqa: PERF401 - what came before an error is kept


async def ordered_stream(client: PhoneNumberClient, source: Source, got: list[Lookup]) -> None:
    async with client.stream(source(), ordered=True) as lookups:
        async for lookup in lookups:
            assert lookup.index == len(got)
            got.append(lookup)


def consume(source: Source, how: How) -> Consumed:
    """Look up what a source yields, in a task of its own, so that its cancellation is an outcome too."""

    async def use(client: PhoneNumberClient) -> Consumed:
        consumed = Consumed()
        run = asyncio.ensure_future(how(client, source, consumed.lookups))
        (end,) = await asyncio.gather(run, return_exceptions=True)
        consumed.error = end if isinstance(end, BaseException) else None
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert client.stats.in_flight == 0
        return consumed

    return use_client(good, use)


in_each_way = pytest.mark.parametrize("how", [gather, stream, ordered_stream])


# Row 42


@in_each_way
def test_row_42_a_timeout_around_each_id(how: How) -> None:
    async def source() -> AsyncIterator[str]:
        for phone_number_id in ids(200):
            async with asyncio.timeout(1.0):
                await asyncio.sleep(0.001)
                yield phone_number_id

    consumed = consume(source, how)
    assert consumed.error is None
    assert consumed.found == sorted(ids(200))


@in_each_way
def test_row_42_a_timeout_around_all_ids(how: How) -> None:
    async def source() -> AsyncIterator[str]:
        async with asyncio.timeout(1_000.0):
            for phone_number_id in ids(200):
                await asyncio.sleep(0.02)
                yield phone_number_id

    consumed = consume(source, how)
    assert consumed.error is None
    assert consumed.found == sorted(ids(200))


@in_each_way
def test_row_42_a_timeout_that_the_source_handles(how: How) -> None:
    async def source() -> AsyncIterator[str]:
        for number, phone_number_id in enumerate(ids(200)):
            try:
                async with asyncio.timeout(1.0):
                    await asyncio.sleep(5.0 if number % 50 == 7 else 0.0)
            except TimeoutError:
                continue
            yield phone_number_id

    consumed = consume(source, how)
    assert consumed.error is None
    assert consumed.found == sorted(each for number, each in enumerate(ids(200)) if number % 50 != 7)


@in_each_way
def test_row_42_a_timeout_that_passes_while_the_source_waits_for_an_id(how: How) -> None:
    async def source() -> AsyncIterator[str]:
        for phone_number_id in ids(100):
            async with asyncio.timeout(1.0):
                await asyncio.sleep(5.0 if phone_number_id == "phnum_99" else 0.0)
                yield phone_number_id

    consumed = consume(source, how)
    assert type(consumed.error) is TimeoutError
    assert consumed.found == ([] if how is gather else sorted(ids(99)))


@in_each_way
def test_row_42_a_timeout_that_passes_between_two_ids(how: How) -> None:
    async def source() -> AsyncIterator[str]:
        async with asyncio.timeout(0.5):
            for phone_number_id in ids(20_000):
                yield phone_number_id

    consumed = consume(source, how)
    assert type(consumed.error) is TimeoutError
    assert len(set(consumed.found)) == len(consumed.found)
    assert how is gather or 100 < len(consumed.found) < 20_000


# Row 43


@in_each_way
def test_row_43_a_source_that_awaits_a_cancelled_task(how: How) -> None:
    async def source() -> AsyncIterator[str]:
        for phone_number_id in ids(100):
            yield phone_number_id
        cancelled = asyncio.ensure_future(asyncio.sleep(1.0))
        cancelled.cancel()
        await cancelled
        for phone_number_id in ids(200)[100:]:
            yield phone_number_id

    consumed = consume(source, how)
    assert isinstance(consumed.error, asyncio.CancelledError)
    assert consumed.found == ([] if how is gather else sorted(ids(100)))


@in_each_way
def test_row_43_a_source_that_handles_the_cancellation_of_a_task(how: How) -> None:
    async def source() -> AsyncIterator[str]:
        for phone_number_id in ids(200):
            cancelled = asyncio.ensure_future(asyncio.sleep(1.0))
            cancelled.cancel()
            await asyncio.gather(cancelled, return_exceptions=True)
            yield phone_number_id

    consumed = consume(source, how)
    assert consumed.error is None
    assert consumed.found == sorted(ids(200))


# Row 44


def grouped(produce: Callable[[asyncio.Queue[str]], Awaitable[None]]) -> Source:
    """Make a source that reads what a task of its own group puts into a queue."""

    async def source() -> AsyncIterator[str]:
        queue: asyncio.Queue[str] = asyncio.Queue(5)

        async def work() -> None:
            await produce(queue)

        async with asyncio.TaskGroup() as group:
            group.create_task(work())
            while (phone_number_id := await queue.get()) != "end":
                yield phone_number_id

    return source


@in_each_way
def test_row_44_a_source_with_a_task_group(how: How) -> None:
    async def produce(queue: asyncio.Queue[str]) -> None:
        for phone_number_id in [*ids(200), "end"]:
            await queue.put(phone_number_id)

    consumed = consume(grouped(produce), how)
    assert consumed.error is None
    assert consumed.found == sorted(ids(200))


@in_each_way
@pytest.mark.parametrize("count", [0, 1, 37])
@pytest.mark.parametrize("pause", [0.0, 3.0])
def test_row_44_a_source_with_a_task_group_whose_producer_fails(pause: float, count: int, how: How) -> None:
    async def produce(queue: asyncio.Queue[str]) -> None:
        for phone_number_id in ids(count):
            await queue.put(phone_number_id)
        await asyncio.sleep(pause)
        raise ProducerError

    consumed = consume(grouped(produce), how)
    with pytest.raises(ExceptionGroup) as caught:
        raise consumed.error or AssertionError("no error reached the caller")
    assert [type(error) for error in caught.value.exceptions] == [ProducerError]
    if pause and how is not gather:
        assert consumed.found == sorted(ids(count))
    assert set(consumed.found) <= set(ids(count))
