"""Listings on the emulator, with its faults, and as Arrow tables."""

from __future__ import annotations

import importlib

import pytest
from listing_helpers import ids_of, read

from elevenphone import DecodeError, PhoneNumberClient, RetryPolicy, StatusError
from elevenphone.emulator import Emulator

SOON = RetryPolicy(wait_initial=0.001, wait_max=0.005)


def connect(emulator: Emulator) -> PhoneNumberClient:
    return PhoneNumberClient(emulator.api_key, base_url=emulator.base_url, retry=SOON)


@pytest.mark.parametrize("page_size", [1, 7, 49, 50, 51, 1000])
async def test_a_listing_has_what_lookups_find(
    emulator: Emulator, client: PhoneNumberClient, page_size: int
) -> None:
    listed = [number async for number in client.list(page_size=page_size)]
    assert listed == [lookup.result() for lookup in await client.gather(emulator.ids)]
    assert emulator.stats.requests == -(-50 // page_size) + 50


async def test_the_largest_page_of_the_largest_numbers() -> None:
    async with Emulator(3_000) as emulator, connect(emulator) as client:
        numbers = [number async for number in client.list(page_size=1000, provider="sip_trunk")]
        assert len(numbers) > 1_000
        assert {number.provider for number in numbers} == {"sip_trunk"}


async def test_filters_and_order(emulator: Emulator, client: PhoneNumberClient) -> None:
    everything = [emulator.number(phone_number_id) for phone_number_id in emulator.ids]
    one = everything[7]
    agent = next(number.assigned_agent for number in everything if number.assigned_agent is not None)
    assert one in [number async for number in client.list(phone_number=one.phone_number)]
    assert one in [number async for number in client.list(label=one.label.strip()[:5])]
    assert [number async for number in client.list(search=one.phone_number_id)] == [one]
    assert [number async for number in client.list(agent_id=agent.agent_id)] == [
        number
        for number in everything
        if number.assigned_agent is not None and number.assigned_agent.agent_id == agent.agent_id
    ]
    assert [number async for number in client.list(supports_outbound=False)] == [
        number for number in everything if not number.supports_outbound
    ]
    by_label = [
        number.label async for number in client.list(sort_by="label", sort_direction="desc", page_size=9)
    ]
    assert by_label == sorted((number.label for number in everything), reverse=True)


@pytest.mark.parametrize("fault", ["server_errors", "drops", "resets", "truncated"])
async def test_a_listing_survives_faults(fault: str) -> None:
    async with Emulator(200) as emulator, connect(emulator) as client:
        setattr(emulator, fault, 0.3)
        assert await read(client.list(page_size=5)) == (list(emulator.ids), [], None)
        assert emulator.stats.requests > emulator.stats.answered == 40


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("repeated_cursors", "leads back"),
        ("missing_cursors", "no next_cursor"),
        ("empty_pages", "the page is empty"),
    ],
)
async def test_an_endless_listing_is_an_error(fault: str, message: str) -> None:
    async with Emulator(50) as emulator, connect(emulator) as client:
        setattr(emulator, fault, 1.0)
        ids, _, error = await read(client.list(page_size=10))
        assert isinstance(error, DecodeError)
        assert message in str(error)
        assert ids == list(emulator.ids[: len(ids)])
        assert emulator.stats.requests <= 2


async def test_an_expired_cursor(emulator: Emulator, client: PhoneNumberClient) -> None:
    emulator.expired_cursors = 1.0
    ids, _, error = await read(client.list(page_size=10))
    assert ids == list(emulator.ids[:10])
    assert isinstance(error, StatusError)
    assert "call `list` again" in str(error)


async def test_faulty_elements(emulator: Emulator, client: PhoneNumberClient) -> None:
    emulator.faulty_elements = 1.0
    ids, faulty, error = await read(client.list(page_size=10))
    missing = [emulator.ids[i] for i in range(5, 50, 10)]
    assert error is None
    assert [each.phone_number_id for each in faulty] == missing
    assert {each.path for each in faulty} == {"$.phone_numbers[5].label"}
    assert ids == [phone_number_id for phone_number_id in emulator.ids if phone_number_id not in missing]


async def test_a_listing_as_an_arrow_table(emulator: Emulator, client: PhoneNumberClient) -> None:
    pytest.importorskip("pyarrow", reason="needs the extra arrow")
    arrow = importlib.import_module("elevenphone.arrow")
    numbers = [number async for number in client.list()]
    table = arrow.to_table(numbers)
    assert table.schema == arrow.SCHEMA
    of_lookups = arrow.to_table(await client.gather(emulator.ids))
    own = ["attempts", "elapsed"]
    assert table.drop_columns(own).equals(of_lookups.drop_columns(own))
    assert table.column("attempts").to_pylist() == [0] * 50
    assert table.column("elapsed").to_pylist() == [0.0] * 50
    assert ids_of(numbers) == table.column("phone_number_id").to_pylist()
    assert arrow.record_batch(numbers).to_pylist() == table.to_pylist()
