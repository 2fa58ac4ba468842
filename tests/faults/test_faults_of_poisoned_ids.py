"""Rows 45 to 48 and 59: ids that never get a good answer, next to ids that do."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple, cast

import pytest
from commands import ONCE_FOR_COMMANDS, run
from fault_helpers import Serve, ids
from misbehaving_server import Wire, found, send, whole
from stub_transport import After, Hang, Step, StubTransport, refused
from virtual_client import LATENCY, good, id_of, now, use_client

from elevenphone import (
    ConnectionFailedError,
    Failed,
    Found,
    InvalidPhoneNumberIdError,
    Lookup,
    PhoneNumberClient,
    RetryPolicy,
)

ATTEMPTS = RetryPolicy().attempts
TIMEOUT = 10.0
FIRST_LIMIT = 8
"""Requests in flight with which a client begins."""


class Outcome(NamedTuple):
    """What became of a run.

    Attributes:
        lookups: Its lookups.
        seconds: How long it took.
        peak: The most requests in flight.
    """

    lookups: list[Lookup]
    seconds: float
    peak: int

    @property
    def failed(self) -> list[Failed]:
        return [lookup for lookup in self.lookups if isinstance(lookup, Failed)]


def gather(count: int, poisoned: Collection[int], poison: Step, concurrency: int | None = None) -> Outcome:
    """Look up so many ids; those at some positions always fail."""

    def serve(url: str) -> Step:
        return poison if int(id_of(url).removeprefix("phnum_")) in poisoned else good(url)

    async def use(client: PhoneNumberClient) -> Outcome:
        lookups = await client.gather(ids(count))
        return Outcome(lookups, now(), transport.peak_in_flight)

    transport = StubTransport(serve)
    return use_client(transport, use, concurrency=concurrency)


def assert_only_the_poisoned_ids_fail(outcome: Outcome, poisoned: Collection[int]) -> None:
    assert {lookup.index for lookup in outcome.failed} == set(poisoned)
    assert {lookup.attempts for lookup in outcome.failed} <= {ATTEMPTS}
    for index, lookup in enumerate(outcome.lookups):
        assert lookup.index == index
        if isinstance(lookup, Found):
            assert lookup.number.phone_number_id == f"phnum_{index}"


class Poison(NamedTuple):
    """How a poisoned id fails.

    Attributes:
        step: What becomes of each request for it.
        seconds: How long that takes.
    """

    step: Step
    seconds: float


POISONS = {
    "500": Poison(After(LATENCY, refused(500, "internal")), LATENCY),
    "a dropped connection": Poison(After(0.01, ConnectionFailedError("reset")), 0.01),
}
SCATTERED = frozenset(random.Random(46).sample(range(1_000), 500))
NOBODY: frozenset[int] = frozenset()


# Rows 45 and 48: few ids, which may cost no more than their attempts and ten seconds


@pytest.mark.parametrize("concurrency", [None, 4])
@pytest.mark.parametrize("poison", POISONS.values(), ids=list(POISONS))
@pytest.mark.parametrize("start", [0, 1_490, 2_980], ids=["at the start", "in the middle", "at the end"])
def test_row_45_twenty_ids_of_three_thousand(start: int, poison: Poison, concurrency: int | None) -> None:
    poisoned = range(start, start + 20)
    outcome = gather(3_000, poisoned, poison.step, concurrency)
    assert_only_the_poisoned_ids_fail(outcome, poisoned)
    healthy = gather(2_980, NOBODY, poison.step, concurrency)
    their_attempts = 20 * ATTEMPTS * poison.seconds / outcome.peak
    assert outcome.seconds < healthy.seconds + their_attempts + 10.0


@pytest.mark.parametrize("concurrency", [None, 4, 30])
@pytest.mark.parametrize(
    ("count", "start"),
    [(3_000, 0), (3_000, 1_490), (3_000, 2_980), (20, 0)],
    ids=["at the start", "in the middle", "at the end", "alone"],
)
def test_row_45_twenty_ids_that_never_get_an_answer(count: int, start: int, concurrency: int | None) -> None:
    poisoned = range(start, start + 20)
    outcome = gather(count, poisoned, Hang(), concurrency)
    assert_only_the_poisoned_ids_fail(outcome, poisoned)
    healthy = gather(count - 20, NOBODY, Hang(), concurrency)
    slots = min(concurrency or FIRST_LIMIT, 20)
    assert outcome.seconds < healthy.seconds + 20 * ATTEMPTS * TIMEOUT / slots + 10.0


def test_row_45_an_id_whose_turn_went_to_a_probe_comes_before_later_ids() -> None:
    poisoned = range(1_490, 1_510)

    async def use(client: PhoneNumberClient) -> None:
        await client.gather(ids(3_000))

    transport = StubTransport(
        lambda url: Hang() if int(id_of(url).removeprefix("phnum_")) in poisoned else good(url)
    )
    use_client(transport, use, concurrency=2)
    first_asked = [int(id_of(url).removeprefix("phnum_")) for url in dict.fromkeys(transport.urls)]
    assert all(abs(place - number) < 30 for place, number in enumerate(first_asked))


@pytest.mark.parametrize("poison", POISONS.values(), ids=list(POISONS))
@pytest.mark.parametrize(("count", "first"), [(1, 0), (2, 0), (20, 0), (3_000, 2_999)])
def test_row_48_ids_that_always_fail_have_their_attempts_and_no_more(
    count: int, first: int, poison: Poison
) -> None:
    poisoned = range(first, count)
    outcome = gather(count, poisoned, poison.step)
    assert_only_the_poisoned_ids_fail(outcome, poisoned)
    healthy = gather(count - len(poisoned), NOBODY, poison.step)
    assert outcome.seconds < healthy.seconds + len(poisoned) * ATTEMPTS * poison.seconds + 10.0


def test_row_45_an_id_at_the_start_of_a_run_long_after_one_that_found_nothing() -> None:
    async def use(client: PhoneNumberClient) -> None:
        await client.gather(ids(1))
        await asyncio.sleep(3_600.0)
        lookups = await client.gather(ids(20))
        assert [isinstance(lookup, Found) for lookup in lookups] == [False] + [True] * 19

    def serve(url: str) -> Step:
        return After(0.01, refused(500, "internal")) if id_of(url) == "phnum_0" else good(url)

    use_client(serve, use, retry=RetryPolicy.none())


# Row 46: many ids


@pytest.mark.parametrize("concurrency", [None, 4])
@pytest.mark.parametrize("poison", POISONS.values(), ids=list(POISONS))
@pytest.mark.parametrize(
    ("count", "poisoned"),
    [(1_000, range(450, 550)), (60, range(20, 32)), (60, range(0, 60, 5)), (1_000, SCATTERED)],
    ids=["100 in the middle", "12 in the middle", "12 scattered", "half of all, scattered"],
)
def test_row_46_many_ids(
    count: int, poisoned: Collection[int], poison: Poison, concurrency: int | None
) -> None:
    outcome = gather(count, poisoned, poison.step, concurrency)
    assert_only_the_poisoned_ids_fail(outcome, poisoned)
    assert outcome.seconds < 60.0


# Row 47


@ONCE_FOR_COMMANDS
async def test_row_47_fetch_passes_a_block_of_poisoned_ids(tmp_path: Path, serve_plain: Serve) -> None:
    pytest.importorskip("click", reason="the command needs it: pip install 'elevenphone[cli]'")
    poisoned = ids(120)[:8]
    (tmp_path / "ids.txt").write_text("".join(f"{each}\n" for each in ids(120)))

    async def answer(wire: Wire) -> None:
        await (send(whole(500)) if wire.request.phone_number_id in poisoned else found)(wire)

    server = await serve_plain(answer)
    command = ("fetch", "ids.txt", "-o", "out.jsonl", "-q", "--deadline", "5")
    await run(server.base_url, tmp_path, *command)
    asked = {request.phone_number_id for request in server.requests}
    assert asked == set(ids(120))
    server.behaviour = found
    server.requests.clear()
    resumed = await run(server.base_url, tmp_path, *command, "--resume")
    assert resumed.code == 0, resumed.shown
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [line["phone_number_id"] for line in lines] == ids(120)
    assert {line["status"] for line in lines} == {"found"}
    assert {request.phone_number_id for request in server.requests} == set(poisoned)


# Row 59


class NoText:
    """What has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


NO_IDS = {"5,001 digits": 10**5_000, "no text": NoText()}


@pytest.mark.parametrize("how", ["gather", "stream"])
@pytest.mark.parametrize("no_id", NO_IDS.values(), ids=list(NO_IDS))
def test_row_59_an_id_whose_text_cannot_be_shown(no_id: object, how: str) -> None:
    given = cast("list[str]", ["phnum_1", no_id, "phnum_2", no_id])

    async def use(client: PhoneNumberClient) -> list[Lookup]:
        with pytest.raises(InvalidPhoneNumberIdError):
            await client.get(given[1])
        if how == "gather":
            return await client.gather(given)
        async with client.stream(given, ordered=True) as lookups:
            return [lookup async for lookup in lookups]

    lookups = use_client(good, use)
    assert [type(lookup) for lookup in lookups] == [Found, Failed, Found, Failed]
    for lookup in lookups:
        if isinstance(lookup, Failed):
            assert isinstance(lookup.error, InvalidPhoneNumberIdError)
            assert isinstance(lookup.phone_number_id, str)
