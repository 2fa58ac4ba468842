"""Who may start next: the queue before the limits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
import virtual_time
from hypothesis import given
from hypothesis import strategies as st

from elevenphone import RateLimitError
from elevenphone._admission import Admission
from elevenphone._limits import Limits, Permit

START = virtual_time.START


def now() -> float:
    return asyncio.get_running_loop().time()


class Queue:
    """An admission, and the order in which it let them in."""

    def __init__(self, *, concurrency: int | None = 1, rate: float | None = None) -> None:
        self.limits = Limits(concurrency=concurrency, rate=rate)
        self.admission = Admission(self.limits, asyncio.get_running_loop())
        self.admitted: list[tuple[str, float]] = []

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.admitted]

    async def use(self, name: str, *, bulk: bool = False, takes: float = 1.0) -> None:
        """Wait for a place, and keep it for a while."""
        permit = await self.admission.enter(bulk=bulk)
        self.admitted.append((name, now() - START))
        try:
            await asyncio.sleep(takes)
        except asyncio.CancelledError:
            self.admission.withdraw(permit)
            raise
        self.admission.leave(permit, now(), None)


async def begin(*uses: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    """Start some tasks, one after the other, and let each come to its first wait."""
    tasks: list[asyncio.Task[None]] = []
    for use in uses:
        tasks.append(asyncio.create_task(use))
        await asyncio.sleep(0)
    return tasks


def test_they_are_let_in_in_order_of_arrival() -> None:
    async def main() -> Queue:
        queue = Queue(concurrency=2)
        await asyncio.gather(*(queue.use(str(n)) for n in range(10)))
        return queue

    queue = virtual_time.run(main())
    assert queue.admitted == [(str(n), n // 2) for n in range(10)]


def test_single_lookups_go_before_bulk_ones_that_came_earlier() -> None:
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


def test_nobody_overtakes_those_who_wait() -> None:
    async def main() -> Queue:
        queue = Queue()
        first = await queue.admission.enter(bulk=False)
        waiting = await begin(queue.use("waiting"))
        queue.admission.leave(first, now(), None)
        late = asyncio.create_task(queue.use("late"))
        await asyncio.gather(*waiting, late)
        return queue

    assert virtual_time.run(main()).names == ["waiting", "late"]


@pytest.mark.parametrize("bulk", [True, False])
def test_one_cancelled_in_the_moment_of_being_let_in_loses_no_place(bulk: bool) -> None:
    async def main() -> Queue:
        queue = Queue()
        first = await queue.admission.enter(bulk=False)
        unlucky, lucky = await begin(queue.use("unlucky", bulk=bulk), queue.use("lucky", bulk=bulk))
        queue.admission.leave(first, now(), None)  # lets the unlucky one in, who has not run since
        unlucky.cancel()
        await lucky
        return queue

    queue = virtual_time.run(main())
    assert queue.admitted == [("lucky", 0.0)]
    assert queue.limits.in_flight == 0


def test_one_let_in_in_the_moment_of_its_cancellation_loses_no_place() -> None:
    async def main() -> Queue:
        queue = Queue()
        first = await queue.admission.enter(bulk=False)
        unlucky, lucky = await begin(queue.use("unlucky"), queue.use("lucky"))
        unlucky.cancel()
        queue.admission.leave(first, now(), None)
        await lucky
        return queue

    queue = virtual_time.run(main())
    assert queue.admitted == [("lucky", 0.0)]
    assert queue.limits.in_flight == 0


def test_those_who_wait_wake_when_the_pause_ends() -> None:
    async def main() -> Queue:
        queue = Queue(concurrency=3)
        permit = await queue.admission.enter(bulk=True)
        queue.admission.leave(permit, now(), RateLimitError(429, retry_after=5.0, kind="busy"))
        await asyncio.gather(queue.use("bulk", bulk=True), queue.use("single"))
        return queue

    assert virtual_time.run(main()).admitted == [("single", 5.0), ("bulk", 5.0)]


def test_a_pause_made_longer_while_they_wait_holds_them_longer() -> None:
    async def main() -> Queue:
        queue = Queue(concurrency=3)
        permits = [await queue.admission.enter(bulk=True) for _ in range(2)]
        queue.admission.leave(permits[0], now(), RateLimitError(429, retry_after=5.0, kind="busy"))
        tasks = await begin(queue.use("bulk", bulk=True))
        await asyncio.sleep(1.0)
        queue.admission.leave(permits[1], now(), RateLimitError(429, retry_after=10.0, kind="busy"))
        await asyncio.gather(*tasks)
        return queue

    assert virtual_time.run(main()).admitted == [("bulk", 11.0)]


def test_a_fixed_rate_lets_them_in_one_by_one() -> None:
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
def test_whoever_is_cancelled_and_when_all_others_get_in_and_no_place_is_lost(
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


def test_a_permit_tells_when_it_was_given_and_not_when_it_was_asked_for() -> None:
    async def main() -> Permit:
        queue = Queue()
        tasks = await begin(queue.use("first", takes=3.0))
        permit = await queue.admission.enter(bulk=False)
        await asyncio.gather(*tasks)
        return permit

    assert virtual_time.run(main()).started == START + 3.0
