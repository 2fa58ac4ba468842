"""Bad ids that hold all slots of a client for a long time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fault_helpers import ids
from stub_transport import After, Hang, Step, StubTransport, found
from virtual_client import good, id_of, now, use_client

from elevenphone import DeadlineExceededError, Failed, Found, Lookup, PhoneNumberClient, RetryPolicy

_PATIENT = RetryPolicy(attempts=10)


@pytest.mark.parametrize("concurrency", [1, 2])
def test_ids_that_are_never_answered_do_not_end_a_run_while_the_server_is_there(concurrency: int) -> None:
    silent = {f"phnum_{n}" for n in range(20, 24)}

    async def use(client: PhoneNumberClient) -> list[Lookup]:
        return await client.gather(ids(60), deadline=30.0)

    def serve(url: str) -> Step:
        return Hang() if id_of(url) in silent else good(url)

    lookups = use_client(serve, use, concurrency=concurrency, retry=_PATIENT)
    assert {lookup.phone_number_id for lookup in lookups if isinstance(lookup, Failed)} == silent


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_server_that_falls_silent_ends_a_run_of_few_slots(concurrency: int) -> None:
    async def use(client: PhoneNumberClient) -> float:
        lookups = await client.gather(ids(60), deadline=30.0)
        assert [isinstance(lookup, Found) for lookup in lookups] == [True] * 20 + [False] * 40
        assert all(
            isinstance(lookup.error, DeadlineExceededError)
            for lookup in lookups
            if isinstance(lookup, Failed)
        )
        return now()

    def serve(url: str) -> Step:
        return good(url) if transport.requests <= 20 else Hang()

    transport = StubTransport(serve)
    assert use_client(transport, use, concurrency=concurrency, retry=_PATIENT) < 90.0


def test_a_probe_that_its_lookups_deadline_cuts_short_does_not_end_a_run() -> None:
    async def source() -> AsyncIterator[str]:
        for number, phone_number_id in enumerate(ids(30)):
            if number in (20, 21):
                await asyncio.sleep(60.0)  # so the silent id is the only one until it has failed
            yield phone_number_id

    def serve(url: str) -> Step:
        # Three attempts of ten seconds leave less than a second to the probe, whose answer takes five.
        return Hang() if id_of(url) == "phnum_20" else After(5.0, found(id_of(url)))

    async def use(client: PhoneNumberClient) -> list[Lookup]:
        return await client.gather(source(), deadline=31.0)

    lookups = use_client(serve, use)
    assert [lookup.index for lookup in lookups if isinstance(lookup, Failed)] == [20]
