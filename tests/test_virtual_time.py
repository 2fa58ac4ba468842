from __future__ import annotations

import asyncio

import pytest
import virtual_time
from hypothesis import given
from hypothesis import strategies as st
from stub_transport import After, Hang, StubTransport, found


def test_a_virtual_day_takes_no_real_time_and_is_exact() -> None:
    async def main() -> float:
        started = asyncio.get_running_loop().time()
        await asyncio.sleep(86_400 * 3)
        return asyncio.get_running_loop().time() - started

    assert virtual_time.run(main()) == 86_400 * 3


@given(
    st.lists(
        st.integers(0, 1_000_000).map(lambda milliseconds: milliseconds / 1_000), min_size=1, max_size=10
    )
)
def test_sleepers_wake_in_order_and_never_early(delays: list[float]) -> None:
    async def sleep(delay: float, woken: list[float]) -> None:
        due = asyncio.get_running_loop().time() + delay
        await asyncio.sleep(delay)
        assert asyncio.get_running_loop().time() >= due
        woken.append(delay)

    async def main() -> list[float]:
        woken: list[float] = []
        await asyncio.gather(*(sleep(delay, woken) for delay in delays))
        return woken

    woken = virtual_time.run(main())
    assert woken == pytest.approx(sorted(delays), abs=1e-8)


def test_a_timeout_fires() -> None:
    async def main() -> None:
        async with asyncio.timeout(5):
            await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        virtual_time.run(main())


def test_a_deadlock_is_an_error_and_its_tasks_are_cancelled() -> None:
    ended: list[str] = []

    async def wait_for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def main() -> None:
        await asyncio.gather(wait_for_ever(), wait_for_ever())

    with pytest.raises(virtual_time.DeadlockError, match="no timer is set"):
        virtual_time.run(main())
    assert ended == ["cancelled", "cancelled"]


def test_the_stub_plays_its_script_and_counts() -> None:
    async def main() -> StubTransport:
        stub = StubTransport([found("a"), After(2.0, found("b")), OSError("broken"), Hang()])
        assert await stub.send("1") == found("a")
        assert await stub.send("2") == found("b")
        with pytest.raises(OSError, match="broken"):
            await stub.send("3")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stub.send("4"), 7)
        with pytest.raises(AssertionError, match="no step for request 5"):
            await stub.send("5")
        return stub

    stub = virtual_time.run(main())
    start = virtual_time.START
    assert stub.times == [start, start, start + 2, start + 2, start + 9]
    assert (stub.requests, stub.in_flight, stub.peak_in_flight) == (5, 0, 1)
