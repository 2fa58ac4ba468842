"""The results of `gather` and `stream`, and the calls that they refuse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
import virtual_time
from bulk_client_helpers import found_at_once, id_of, use
from simulated_server import ids, names, number_of
from stub_transport import After, StubTransport

from elevenphone import (
    ConfigurationError,
    Failed,
    Found,
    InvalidPhoneNumberIdError,
    Lookup,
    PhoneNumberClient,
)


def test_gather_keeps_the_order_of_the_input() -> None:
    transport = StubTransport(lambda url: After(len(url) % 7, number_of(id_of(url))))
    wanted = ["b" * n for n in range(1, 50)]
    lookups = use(transport, lambda client: client.gather(wanted))
    assert names(lookups) == wanted
    assert [lookup.index for lookup in lookups] == list(range(49))
    assert all(lookup.attempts == 1 for lookup in lookups)


@pytest.mark.parametrize("ordered", [False, True])
def test_stream_has_one_result_for_each_input(ordered: bool) -> None:
    transport = StubTransport(lambda url: After(len(url) * 7 % 5, number_of(id_of(url))))
    wanted = ["b" * n for n in range(1, 50)]

    async def use_it(client: PhoneNumberClient) -> list[Lookup]:
        async with client.stream(wanted, ordered=ordered) as lookups:
            return [lookup async for lookup in lookups]

    lookups = use(transport, use_it)
    if not ordered:
        assert names(lookups) != wanted
        lookups.sort(key=lambda lookup: lookup.index)
    assert names(lookups) == wanted


def test_gather_accepts_an_asynchronous_iterable() -> None:
    async def source() -> AsyncGenerator[str]:
        for phone_number_id in ids(20):
            await asyncio.sleep(1.0)
            yield phone_number_id

    lookups = use(StubTransport(found_at_once), lambda client: client.gather(source()))
    assert names(lookups) == ids(20)


def test_gather_requests_equal_ids_once_even_far_apart() -> None:
    transport = StubTransport(found_at_once)
    wanted = ["same", *ids(10_000), "same"]
    lookups = use(transport, lambda client: client.gather(wanted))
    assert names(lookups) == wanted
    assert transport.requests == 10_001


def test_stream_requests_equal_ids_once_if_they_are_near() -> None:
    transport = StubTransport(lambda url: After(1.0, number_of(id_of(url))))
    wanted = ["same", "same", *ids(1_000), "same"]

    async def use_it(client: PhoneNumberClient) -> int:
        async with client.stream(wanted) as lookups:
            return len([lookup async for lookup in lookups])

    assert use(transport, use_it) == 1_003
    assert transport.requests == 1_001


# Ids and clients that are refused


def test_an_invalid_id_fails_alone_and_sends_nothing() -> None:
    transport = StubTransport(found_at_once)
    wanted: list[str] = ["a", "", "..", None, 5, "b"]  # type: ignore[list-item]  # pyright: ignore[reportAssignmentType]
    lookups = use(transport, lambda client: client.gather(wanted))
    assert [isinstance(lookup, Found) for lookup in lookups] == [True, False, False, False, False, True]
    for lookup in lookups[1:5]:
        assert isinstance(lookup, Failed)
        assert isinstance(lookup.error, InvalidPhoneNumberIdError)
        assert lookup.attempts == 0
    assert transport.requests == 2


@pytest.mark.parametrize("single", ["phnum_1", b"phnum_1"])
def test_gather_refuses_a_single_id(single: str) -> None:
    async def use_it(client: PhoneNumberClient) -> None:
        with pytest.raises(ConfigurationError, match="call get"):
            await client.gather(single)

    transport = StubTransport([])
    use(transport, use_it)
    assert transport.requests == 0


def test_the_error_of_a_stream_that_was_not_entered_says_what_to_do() -> None:
    async def use_it(client: PhoneNumberClient) -> None:
        with pytest.raises(RuntimeError, match=r"async with client\.stream"):
            await anext(client.stream(["a"]))

    use(StubTransport([]), use_it)


def test_a_closed_client_refuses_a_run() -> None:
    async def use_it(client: PhoneNumberClient) -> None:
        await client.aclose()
        with pytest.raises(ConfigurationError, match="closed"):
            await client.gather(ids(10))

    use(StubTransport([]), use_it)


# A fixed limit


def test_a_fixed_concurrency_is_never_exceeded() -> None:
    transport = StubTransport(lambda url: After(1.0, number_of(id_of(url))))

    async def use_it(client: PhoneNumberClient) -> float:
        await client.gather(ids(100))
        return virtual_time.elapsed()

    assert use(transport, use_it, concurrency=4) == 25.0
    assert transport.peak_in_flight == 4
