"""Who may start a request next: waiters in order of arrival, single lookups before bulk."""

from __future__ import annotations

import asyncio
import math
from collections import deque

from elevenphone._limits import Limits, Permit
from elevenphone.errors import ElevenPhoneError


class Admission:
    """A queue before `Limits`.

    A lookup of a bulk run waits behind every single one, so that a service that
    answers calls is not held up by an export that runs beside it.
    """

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self._limits = limits
        self._loop = loop
        self._singles: deque[asyncio.Future[Permit]] = deque()
        self._bulk: deque[asyncio.Future[Permit]] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    async def enter(self, *, bulk: bool) -> Permit:
        """Wait until one more request may start.

        Args:
            bulk: Whether it belongs to a bulk run.

        Returns:
            What `leave` takes back.
        """
        queue = self._bulk if bulk else self._singles
        now = self._loop.time()
        if not queue and not (bulk and self._singles) and self._limits.ready_at(bulk=bulk) <= now:
            return self._limits.start(now, bulk=bulk)
        waiter: asyncio.Future[Permit] = self._loop.create_future()
        queue.append(waiter)
        self._admit()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.withdraw()  # given in the same moment as the cancellation
            elif waiter in queue:
                queue.remove(waiter)
            raise

    def leave(self, permit: Permit, error: ElevenPhoneError | None) -> None:
        """Give a permit back, with what came of it.

        Args:
            permit: What `enter` gave.
            error: What the server answered with; `None` for an answer that shows no strain.
        """
        self._limits.end(permit, self._loop.time(), error)
        if self._singles or self._bulk:
            self._admit()

    def withdraw(self) -> None:
        """Give a permit back from which nothing can be learned: its request was called off."""
        self._limits.withdraw()
        self._admit()

    def _admit(self) -> None:
        """Let in all who may start now, and set the alarm for the next."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        now = self._loop.time()
        for queue, bulk in ((self._singles, False), (self._bulk, True)):
            while queue:
                ready_at = self._limits.ready_at(bulk=bulk)
                if ready_at > now:
                    if ready_at < math.inf:
                        self._alarm = self._loop.call_at(ready_at, self._admit)
                    return
                waiter = queue.popleft()
                if not waiter.done():
                    waiter.set_result(self._limits.start(now, bulk=bulk))
