"""Rows 53 and 54: many ids do not keep the event loop from others.

Nothing here is timed. Row 54 counts how many ids are read within one turn of the
loop, row 53 how often those who wait are compared while they are cancelled.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import cast

import pytest
from fault_helpers import ids
from stub_transport import Hang, Step, StubTransport, refused
from stub_transport import found as found_step
from virtual_client import id_of, use_client
from virtual_time import VirtualTimeLoop

from elevenphone import (
    AuthenticationError,
    Failed,
    Found,
    InvalidPhoneNumberIdError,
    Lookup,
    PhoneNumberClient,
)

COUNT = 10_000
MOST_IN_A_TURN = 200
"""Ids that may be settled within one turn of the loop, which takes about a millisecond then."""


# Row 54


class Turns:
    """Counts the turns of the event loop, and the ids that are read within each."""

    def __init__(self) -> None:
        self.number = 0
        self.ids_read: Counter[int] = Counter()

    async def count(self) -> None:
        # The clock stands still while this runs; nothing below needs it to go on.
        for self.number in range(100_000):
            await asyncio.sleep(0)

    def watch(self, phone_number_ids: Iterable[str]) -> Iterator[str]:
        for phone_number_id in phone_number_ids:
            self.ids_read[self.number] += 1
            yield phone_number_id


async def gather(client: PhoneNumberClient, phone_number_ids: Iterable[str]) -> list[Lookup]:
    return await client.gather(phone_number_ids)


async def stream(client: PhoneNumberClient, phone_number_ids: Iterable[str]) -> list[Lookup]:
    async with client.stream(phone_number_ids) as lookups:
        return [lookup async for lookup in lookups]


def look_up_in_turns(phone_number_ids: Iterable[str], step: Callable[[str], Step], how: str) -> list[Lookup]:
    """Look ids up next to somebody who wants to run in each turn of the loop."""
    turns = Turns()

    async def use(client: PhoneNumberClient) -> list[Lookup]:
        other = asyncio.create_task(turns.count())
        lookups = await (gather if how == "gather" else stream)(client, turns.watch(phone_number_ids))
        other.cancel()
        return lookups

    lookups = use_client(step, use)
    assert max(turns.ids_read.values()) <= MOST_IN_A_TURN
    return lookups


in_both_ways = pytest.mark.parametrize("how", ["gather", "stream"])


@in_both_ways
def test_row_54_invalid_ids_do_not_block_the_loop(how: str) -> None:
    invalid = [f"invalid\n{number}" for number in range(COUNT)]
    lookups = look_up_in_turns(invalid, lambda _url: Hang(), how)
    assert len(lookups) == COUNT
    for lookup in lookups:
        assert isinstance(lookup, Failed)
        assert isinstance(lookup.error, InvalidPhoneNumberIdError)


@in_both_ways
def test_row_54_the_rest_of_a_stopped_run_does_not_block_the_loop(how: str) -> None:
    lookups = look_up_in_turns(ids(COUNT), lambda _url: refused(401, "invalid_api_key"), how)
    assert len(lookups) == COUNT
    for lookup in lookups:
        assert isinstance(lookup, Failed)
        assert isinstance(lookup.error, AuthenticationError)
    assert sum(lookup.attempts for lookup in lookups) < 100


@in_both_ways
def test_row_54_known_answers_do_not_block_the_loop(how: str) -> None:
    equal = ["phnum_1"] * COUNT
    lookups = look_up_in_turns(equal, lambda url: found_step(id_of(url)), how)
    assert sorted(lookup.index for lookup in lookups) == list(range(COUNT))
    assert {type(lookup) for lookup in lookups} == {Found}


# Row 53


class Comparisons:
    """Counts how often the futures of waiters are compared with each other."""

    def __init__(self) -> None:
        self.count = 0

    def compare(self, one: object, other: object) -> bool:
        self.count += 1
        return one is other

    def make_loop(self) -> asyncio.AbstractEventLoop:
        """Make a loop whose futures count."""
        compare = self.compare

        class Future(asyncio.Future[object]):
            def __hash__(self) -> int:
                return id(self)

            def __eq__(self, other: object) -> bool:
                return compare(self, other)

        class Loop(VirtualTimeLoop):
            def create_future(self) -> asyncio.Future[object]:
                return Future(loop=self)

        return Loop()

    def count_in_classes_of_the_client(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the futures of the client's own classes count, too."""
        compare = self.compare

        def equal(one: object, other: object) -> bool:  # a plain function, so that it becomes a method
            return compare(one, other)

        kinds = cast("list[type[object]]", asyncio.Future.__subclasses__())
        for kind in kinds:
            kinds.extend(kind.__subclasses__())
            if kind.__module__.startswith("elevenphone"):
                monkeypatch.setattr(kind, "__eq__", equal, raising=False)


class NeighbourError(Exception):
    """What a task next to many lookups may raise."""


def test_row_53_cancelling_all_who_wait_takes_a_number_of_steps_linear_in_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = 1_000
    comparisons = Comparisons()
    comparisons.count_in_classes_of_the_client(monkeypatch)

    async def fail_later() -> None:
        await asyncio.sleep(1.0)
        comparisons.count = 0
        raise NeighbourError

    async def look_up_all(client: PhoneNumberClient) -> None:
        shuffled = ids(count)
        random.Random(53).shuffle(shuffled)
        async with asyncio.TaskGroup() as group:
            for phone_number_id in shuffled:
                group.create_task(client.get(phone_number_id))
            group.create_task(fail_later())

    async def main() -> None:
        transport = StubTransport(lambda _url: Hang())
        async with PhoneNumberClient(transport=transport, concurrency=1) as client:
            with pytest.raises(ExceptionGroup) as caught:
                await look_up_all(client)
            assert [type(error) for error in caught.value.exceptions] == [NeighbourError]
            assert client.stats.in_flight == 0
            assert transport.requests == 1

    with asyncio.Runner(loop_factory=comparisons.make_loop) as runner:
        runner.run(main())
    assert comparisons.count < 10 * count
