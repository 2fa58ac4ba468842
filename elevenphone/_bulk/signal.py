"""A signal that wakes waiting tasks."""

from __future__ import annotations

import asyncio


class Signal:
    """Wakes all tasks that wait for it. Unlike `asyncio.Event`, it has no state.

    Attributes:
        waiters: The futures of the waiting tasks.
    """

    def __init__(self) -> None:
        self.waiters: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Wait until the next `wake`."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter in self.waiters:
                self.waiters.remove(waiter)
            raise

    def wake(self) -> None:
        """Wake all waiting tasks."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.waiters.clear()
