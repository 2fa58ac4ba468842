"""Cancelled after every single step: no task, no slot and no complaint is left."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVarTuple

import pytest
import virtual_time
from simulated_server import Outage, SimulatedServer, ids

from elevenphone import PhoneNumberClient

_Ts = TypeVarTuple("_Ts")
_NEVER = 1 << 30


class SteppedLoop(virtual_time.VirtualTimeLoop):
    """Calls a function after this many steps.

    Attributes:
        steps: Callbacks, steps of tasks included, that have been scheduled so far.
        complaints: What asyncio would have logged as errors.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.complaints: list[dict[str, Any]] = []
        self._due = _NEVER
        self._act: Callable[[], object] = lambda: None
        super().__init__()
        self.set_exception_handler(lambda _loop, context: self.complaints.append(context))

    def after_steps(self, steps: int, act: Callable[[], object]) -> None:
        self._due = self.steps + steps
        self._act = act

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        self.steps += 1
        if self.steps >= self._due:
            self._due = _NEVER
            super().call_soon(self._act)
        return super().call_soon(callback, *args, context=context)


async def get(client: PhoneNumberClient) -> None:
    await asyncio.gather(*(client.get(phone_number_id) for phone_number_id in ids(3)), return_exceptions=True)


async def gather(client: PhoneNumberClient) -> None:
    await client.gather(ids(12))


async def stream(client: PhoneNumberClient) -> None:
    async def source() -> AsyncGenerator[str]:
        for phone_number_id in ids(6) + ids(6):
            await asyncio.sleep(0.01)
            yield phone_number_id

    async with client.stream(source(), ordered=True) as lookups:
        async for _ in lookups:
            await asyncio.sleep(0.005)


def faulty() -> SimulatedServer:
    """Make a server that puts lookups through every kind of wait."""
    return SimulatedServer(limit=2, rate=100.0, burst=4.0, failing=0.2, outages=[Outage(0.1, 0.3)])


def cancel_after(steps: int, use: Callable[[PhoneNumberClient], Coroutine[Any, Any, None]]) -> int:
    """Cancel after this many steps, check that nothing is left, and return the number of steps made."""
    loop = SteppedLoop()
    server = faulty()

    async def main() -> None:
        async with PhoneNumberClient(transport=server.connect()) as client:
            task = asyncio.create_task(use(client))
            loop.after_steps(steps, task.cancel)
            await asyncio.wait([task])
            assert client.stats.in_flight == server.in_flight == 0
            assert asyncio.all_tasks() == {asyncio.current_task()}
            if not task.cancelled():
                task.result()
            # There is a slot for the next lookup, not just a counter that says so.
            await asyncio.sleep(1.0)
            async with asyncio.timeout(30.0):
                await client.gather(["afterwards"])

    random.seed(3)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
    assert loop.complaints == []
    return loop.steps


@pytest.mark.parametrize("use", [get, gather, stream])
def test_a_cancellation_at_any_step_leaves_no_task_and_no_slot_taken(
    use: Callable[[PhoneNumberClient], Coroutine[Any, Any, None]],
) -> None:
    whole = cancel_after(_NEVER, use)
    assert whole > 30
    for steps in range(1, min(whole, 500)):
        cancel_after(steps, use)
    gc.collect()  # a coroutine that was never awaited, or an error that nobody saw, would show now
