"""Who may start a request next: waiters in order of arrival, single lookups before bulk."""

from __future__ import annotations

import asyncio
import math
from collections import deque

from elevenphone._limits import Limits, Permit
from elevenphone.errors import ElevenPhoneError


class _Waiter(asyncio.Future[Permit]):
    """One who waits, and until when he waits for a pause to end."""

    def __init__(self, until: float, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.until = until


class Admission:
    """A queue before `Limits`.

    A lookup of a bulk run waits behind every single one, so that a service that
    answers calls is not held up by an export that runs beside it.
    """

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self._limits = limits
        self._loop = loop
        self._singles: deque[_Waiter] = deque()
        self._bulk: deque[_Waiter] = deque()
        self._spare: deque[asyncio.Future[None]] = deque()
        self._look_is_due = False
        self._alarm: asyncio.TimerHandle | None = None

    def enter_now(self, now: float, bulk: bool) -> Permit | None:
        """Start one more request, if it may start at once; most may.

        Args:
            now: The event loop's time.
            bulk: Whether it belongs to a bulk run.

        Returns:
            What `leave` takes back, or `None`: it has to wait.
        """
        if self._singles or (bulk and self._bulk) or self._limits.ready_at(bulk) > now:
            return None
        return self._limits.start(now, bulk)

    async def enter(self, *, bulk: bool, until: float = math.inf) -> Permit:
        """Wait until one more request may start.

        Args:
            bulk: Whether it belongs to a bulk run.
            until: A moment; a pause that goes on beyond it is not waited for.

        Returns:
            What `leave` takes back.

        Raises:
            TimeoutError: The server has asked for a pause beyond `until`.
        """
        if self._limits.asked_until > until:
            raise TimeoutError
        queue = self._bulk if bulk else self._singles
        waiter = _Waiter(until, loop=self._loop)
        queue.append(waiter)
        self._admit()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.withdraw(waiter.result())  # given in the same moment as the cancellation
            elif waiter in queue:
                queue.remove(waiter)
            raise

    async def vacancy(self) -> None:
        """Wait until a bulk request could start that nobody waits for yet.

        Whoever ends a request and starts another in the same step comes before: so
        a worker keeps its place while it has work, and none is passed around.
        """
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._spare.append(waiter)
        self._look_soon()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter in self._spare:
                self._spare.remove(waiter)
            raise

    def leave(self, permit: Permit, now: float, error: ElevenPhoneError | None) -> None:
        """Give a permit back, with what came of it.

        Args:
            permit: What `enter` gave.
            now: The event loop's time.
            error: What the server answered with; `None` for an answer that shows no strain.
        """
        self._limits.end(permit, now, error)
        if error is not None:
            self._dismiss()
        if self._singles or self._bulk:
            self._admit()
        elif self._spare:
            self._look_soon()

    def withdraw(self, permit: Permit) -> None:
        """Give a permit back from which nothing can be learned: its request was called off."""
        self._limits.withdraw(permit)
        self._look_soon()

    def _dismiss(self) -> None:
        """Turn away who would wait too long for a pause that may have begun."""
        for waiter in self._singles:
            if waiter.until < self._limits.asked_until and not waiter.done():
                waiter.set_exception(TimeoutError())

    def _look_soon(self) -> None:
        if not self._look_is_due:
            self._look_is_due = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        """Let in all who may start now; then tell one who is spare of a place that is left."""
        self._look_is_due = False
        self._admit()
        if not self._spare or self._singles or self._bulk:
            return
        ready_at = self._limits.ready_at(bulk=True)
        if ready_at > self._loop.time():
            self._set_alarm(ready_at)
            return
        waiter = self._spare.popleft()
        if not waiter.done():
            waiter.set_result(None)

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
                    self._set_alarm(ready_at)
                    return
                waiter = queue.popleft()
                if not waiter.done():
                    waiter.set_result(self._limits.start(now, bulk=bulk))

    def _set_alarm(self, moment: float) -> None:
        if moment < math.inf:
            self._alarm = self._loop.call_at(moment, self._look)
