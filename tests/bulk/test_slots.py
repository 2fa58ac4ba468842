"""Who may start the next request: single lookups, retries of a run, and new ids of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
import virtual_time
from hypothesis import given
from hypothesis import strategies as st
from stub_transport import Step, StubTransport

from elevenphone import ElevenPhoneError, PhoneNumberClient, RateLimitError
from elevenphone._limits.limits import Limits
from elevenphone._limits.permit import Permit
from elevenphone._limits.slots import Lane, Slot, Slots


def now() -> float:
    return asyncio.get_running_loop().time()


class Queue:
    """Slots, and the order in which requests got them."""

    def __init__(self, *, concurrency: int | None = 1, rate: float | None = None) -> None:
        self.limits = Limits(concurrency=concurrency, rate=rate)
        self.slots = Slots(self.limits, asyncio.get_running_loop())
        self.run = self.slots.open_lane([])
        self.admitted: list[tuple[str, float]] = []

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.admitted]

    async def take(self, *, bulk: bool = False, fresh: bool = False, run: Lane | None = None) -> Slot:
        """Take a slot as soon as one is free."""
        lane = run or (self.run if bulk else self.slots.singles)
        return self.slots.take_now(lane, fresh=fresh) or await self.slots.take(lane, fresh=fresh)

    async def use(
        self,
        name: str,
        *,
        bulk: bool = False,
        fresh: bool = False,
        run: Lane | None = None,
        takes: float = 1.0,
    ) -> None:
        """Wait for a slot, and hold it for a while."""
        slot = await self.take(bulk=bulk, fresh=fresh, run=run)
        try:
            self.admitted.append((name, virtual_time.elapsed()))
            await asyncio.sleep(takes)
            slot.found(now(), None)
        finally:
            slot.give_back()


def fail(slot: Slot, error: ElevenPhoneError) -> None:
    """End a request with an error."""
    slot.failed(now(), error, None)


async def begin(*uses: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    """Start tasks one after another, and let each reach its first wait."""
    tasks: list[asyncio.Task[None]] = []
    for use in uses:
        tasks.append(asyncio.create_task(use))
        await asyncio.sleep(0)
    return tasks


def test_requests_get_slots_in_order_of_arrival() -> None:
    async def main() -> Queue:
        queue = Queue(concurrency=2)
        await asyncio.gather(*(queue.use(str(n)) for n in range(10)))
        return queue

    queue = virtual_time.run(main())
    assert queue.admitted == [(str(n), n // 2) for n in range(10)]


def test_single_lookups_go_before_bulk_lookups_that_came_earlier() -> None:
    async def main() -> Queue:
        queue = Queue()
        tasks = await begin(
            queue.use("bulk 1", bulk=True),
            queue.use("bulk 2", bulk=True),
            queue.use("bulk 3", bulk=True),
            queue.use("single 1"),
            queue.use("single 2"),
        )
        await asyncio.gather(*tasks)
        return queue

    assert virtual_time.run(main()).names == ["bulk 1", "single 1", "single 2", "bulk 2", "bulk 3"]


def test_a_new_request_does_not_overtake_those_that_wait() -> None:
    async def main() -> Queue:
        queue = Queue()
        first = await queue.take()
        waiting = await begin(queue.use("waiting"))
        first.found(now(), None)
        late = asyncio.create_task(queue.use("late"))
        await asyncio.gather(*waiting, late)
        return queue

    assert virtual_time.run(main()).names == ["waiting", "late"]


@pytest.mark.parametrize("bulk", [True, False])
def test_a_request_that_gets_its_slot_just_before_its_cancellation_gives_it_back(bulk: bool) -> None:
    async def main() -> Queue:
        queue = Queue()
        first = await queue.take()
        unlucky, lucky = await begin(queue.use("unlucky", bulk=bulk), queue.use("lucky", bulk=bulk))
        first.found(now(), None)  # gives the slot to the unlucky one, which has not run since
        unlucky.cancel()
        await lucky
        return queue

    queue = virtual_time.run(main())
    assert queue.admitted == [("lucky", 0.0)]
    assert queue.limits.in_flight == 0


def test_a_request_cancelled_just_before_it_gets_a_slot_gives_it_back() -> None:
    async def main() -> Queue:
        queue = Queue()
        first = await queue.take()
        unlucky, lucky = await begin(queue.use("unlucky"), queue.use("lucky"))
        unlucky.cancel()
        first.found(now(), None)
        await lucky
        return queue

    queue = virtual_time.run(main())
    assert queue.admitted == [("lucky", 0.0)]
    assert queue.limits.in_flight == 0


def test_waiting_requests_start_when_the_pause_ends() -> None:
    async def main() -> Queue:
        queue = Queue(concurrency=3)
        permit = await queue.take(bulk=True)
        fail(permit, RateLimitError(429, retry_after=5.0, kind="busy"))
        await asyncio.gather(queue.use("bulk", bulk=True), queue.use("single"))
        return queue

    assert virtual_time.run(main()).admitted == [("single", 5.0), ("bulk", 5.0)]


def test_a_longer_pause_holds_waiting_requests_longer() -> None:
    async def main() -> Queue:
        queue = Queue(concurrency=3)
        permits = [await queue.take(bulk=True) for _ in range(2)]
        fail(permits[0], RateLimitError(429, retry_after=5.0, kind="busy"))
        tasks = await begin(queue.use("bulk", bulk=True))
        await asyncio.sleep(1.0)
        fail(permits[1], RateLimitError(429, retry_after=10.0, kind="busy"))
        await asyncio.gather(*tasks)
        return queue

    assert virtual_time.run(main()).admitted == [("bulk", 11.0)]


def test_a_fixed_rate_starts_requests_one_by_one() -> None:
    async def main() -> Queue:
        queue = Queue(concurrency=100, rate=4.0)
        await asyncio.gather(*(queue.use(str(n)) for n in range(5)))
        return queue

    assert [at for _, at in virtual_time.run(main()).admitted] == [0.0, 0.25, 0.5, 0.75, 1.0]


@given(
    concurrency=st.integers(1, 4),
    users=st.lists(
        st.tuples(
            st.booleans(), st.sampled_from([0.0, 0.5, 1.0, 2.0]), st.sampled_from([None, 0.0, 0.5, 1.0, 2.5])
        ),
        min_size=1,
        max_size=25,
    ),
)
def test_cancellations_lose_no_slot_and_delay_nobody(
    concurrency: int, users: list[tuple[bool, float, float | None]]
) -> None:
    async def main() -> tuple[Queue, list[bool]]:
        queue = Queue(concurrency=concurrency)
        tasks = [
            asyncio.create_task(queue.use(str(n), bulk=bulk, takes=takes))
            for n, (bulk, takes, _) in enumerate(users)
        ]
        for task, (_, _, cancelled_at) in zip(tasks, users, strict=True):
            if cancelled_at is not None:
                asyncio.get_running_loop().call_later(cancelled_at, task.cancel)
        await asyncio.wait(tasks)
        return queue, [task.cancelled() for task in tasks]

    queue, cancelled = virtual_time.run(main())
    assert queue.limits.in_flight == 0
    assert len(queue.admitted) >= cancelled.count(False)
    for (_, _, cancelled_at), was_cancelled in zip(users, cancelled, strict=True):
        assert cancelled_at is not None or not was_cancelled


def test_a_permit_starts_when_it_is_given_not_when_it_is_requested() -> None:
    async def main() -> Permit:
        queue = Queue()
        tasks = await begin(queue.use("first", takes=3.0))
        slot = await queue.take()
        await asyncio.gather(*tasks)
        return slot

    assert virtual_time.run(main()).started == virtual_time.START + 3.0


# Runs


def test_within_a_run_retries_come_before_new_ids() -> None:
    async def main() -> Queue:
        queue = Queue()
        tasks = await begin(
            queue.use("first", bulk=True),
            queue.use("new", bulk=True, fresh=True),
            queue.use("retry", bulk=True),
        )
        await asyncio.gather(*tasks)
        return queue

    assert virtual_time.run(main()).names == ["first", "retry", "new"]


def test_the_run_with_the_fewest_slots_comes_first() -> None:
    async def main() -> Queue:
        queue = Queue(concurrency=4)
        late = queue.slots.open_lane([])
        tasks = await begin(
            *(queue.use(f"early {n}", bulk=True, fresh=True, takes=1.0 + n) for n in range(8)),
            *(queue.use(f"late {n}", run=late, fresh=True, takes=9.0) for n in range(4)),
        )
        await asyncio.gather(*tasks)
        return queue

    names = virtual_time.run(main()).names
    assert names[:6] == ["early 0", "early 1", "early 2", "early 3", "late 0", "late 1"]


def test_a_worker_can_take_its_freed_slot_again_before_new_ids() -> None:
    async def main() -> Queue:
        queue = Queue()
        slot = await queue.take(bulk=True, fresh=True)
        waiting = await begin(queue.use("waiting", bulk=True, fresh=True))
        slot.found(now(), None)
        again = queue.slots.take_now(queue.run, fresh=True)
        assert again is not None
        queue.admitted.append(("again", virtual_time.elapsed()))
        await asyncio.sleep(1.0)
        again.found(now(), None)
        await asyncio.gather(*waiting)
        return queue

    assert virtual_time.run(main()).names == ["again", "waiting"]


class EndOfAllError(BaseException):
    """Ends more than a request, so that the lookup neither succeeds nor fails."""


def test_the_slot_of_a_lookup_that_neither_succeeds_nor_fails_is_given_back() -> None:
    def end(_url: str) -> Step:
        raise EndOfAllError

    async def main() -> int:
        async with PhoneNumberClient(transport=StubTransport(end)) as client:
            with pytest.raises(EndOfAllError):
                await client.get("phnum_1")
            return client.stats.in_flight

    assert virtual_time.run(main()) == 0


def test_forty_thousand_waiters_can_be_cancelled_one_by_one() -> None:
    async def main() -> tuple[int, int]:
        queue = Queue()
        first = await queue.take()
        tasks = [asyncio.create_task(queue.use(str(n))) for n in range(40_000)]
        await asyncio.sleep(0)
        for task in reversed(tasks):
            task.cancel()
        await asyncio.wait(tasks)
        waiting = len(queue.slots.singles.retries)
        first.give_back()
        return waiting, queue.limits.in_flight

    assert virtual_time.run(main()) == (0, 0)
