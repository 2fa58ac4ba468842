"""Temporary faults of every kind: each input still gets its result."""

from __future__ import annotations

import asyncio
import random

import virtual_time
from hypothesis import given
from hypothesis import strategies as st
from simulated_server import number_of
from stub_transport import After, Hang, Step, StubTransport, refused

from elevenphone import (
    ConnectionFailedError,
    Failed,
    Found,
    Lookup,
    NotFoundError,
    PhoneNumberClient,
    Response,
    RetryPolicy,
)

UNKNOWN = {f"phnum_{n}" for n in range(0, 40, 7)}

FAULTS: list[Step] = [
    refused(429, "too_many_concurrent_requests"),
    refused(429, "too_many_concurrent_requests", retry_after="1"),
    refused(429, "rate_limit_exceeded"),
    refused(429, "rate_limit_exceeded", retry_after="2"),
    refused(429, "system_busy"),
    refused(429, "system_busy", retry_after="3"),
    refused(429),
    refused(429, retry_after="1"),
    refused(500),
    refused(502),
    refused(503),
    refused(503, retry_after="2"),
    refused(408),
    ConnectionFailedError("reset"),
    Hang(),
]


def latency(chance: random.Random) -> float:
    return chance.choice([0.0, 0.001, 0.05, 0.2])


class Faulty:
    """Finds the first number, then plays a list of faults, and then answers correctly."""

    def __init__(self, faults: list[Step | None], seed: int) -> None:
        self._faults = iter(faults)
        self._random = random.Random(seed)
        self._begun = False

    def __call__(self, url: str) -> Step:
        phone_number_id = url.rpartition("/")[2]
        if not self._begun:
            self._begun = True
            return number_of(phone_number_id)
        answer: Response = refused(404) if phone_number_id in UNKNOWN else number_of(phone_number_id)
        return After(latency(self._random), next(self._faults, None) or answer)


def look_up(
    transport: StubTransport, ids: list[str], *, ordered: bool, attempts: int = 3
) -> tuple[list[Lookup], int]:
    """Look up one number, then the ids; return the lookups and the number of probes."""

    async def main() -> tuple[list[Lookup], int]:
        retry = RetryPolicy(attempts=attempts)
        async with PhoneNumberClient(transport=transport, retry=retry) as client:
            await client.get("known")
            async with client.stream(ids, ordered=ordered) as lookups:
                answered = [lookup async for lookup in lookups]
            assert client.stats.in_flight == transport.in_flight == 0
            assert asyncio.all_tasks() == {asyncio.current_task()}
            return answered, client.stats.probes

    return virtual_time.run(main())


@given(
    ids=st.lists(st.integers(0, 39).map("phnum_{}".format), min_size=1, max_size=60),
    faults=st.lists(st.none() | st.sampled_from(FAULTS), max_size=40),
    ordered=st.booleans(),
    seed=st.integers(0, 100),
)
def test_temporary_faults_lose_no_lookup(
    ids: list[str], faults: list[Step | None], ordered: bool, seed: int
) -> None:
    transport = StubTransport(Faulty(faults, seed))
    # The faults may all hit one id, and then nobody can tell that they are not its own.
    lookups, probes = look_up(transport, ids, ordered=ordered, attempts=len(faults) + 1)
    indices = [lookup.index for lookup in lookups]
    assert (indices if ordered else sorted(indices)) == list(range(len(ids)))
    for lookup in lookups:
        assert lookup.phone_number_id == ids[lookup.index]
        if lookup.phone_number_id in UNKNOWN:
            assert isinstance(lookup, Failed)
            assert isinstance(lookup.error, NotFoundError)
        else:
            assert isinstance(lookup, Found)
            assert lookup.number.phone_number_id == lookup.phone_number_id
    asked = sum({lookup.phone_number_id: lookup.attempts for lookup in lookups}.values())
    assert 1 + asked + probes == transport.requests


@given(fault=st.sampled_from(FAULTS), count=st.integers(1, 20), ids=st.integers(1, 40))
def test_a_row_of_equal_faults_loses_no_lookup(fault: Step, count: int, ids: int) -> None:
    known = [f"other_{n}" for n in range(ids)]
    transport = StubTransport(Faulty([fault] * count, seed=1))
    lookups, _ = look_up(transport, known, ordered=True)
    assert [type(lookup) for lookup in lookups] == [Found] * ids
