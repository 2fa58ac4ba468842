"""A single lookup, which its caller awaits."""

from __future__ import annotations

import math
from typing import TypeVar

from elevenphone._limits.slots import Patience, Slot
from elevenphone._lookup.dispatcher import Dispatcher
from elevenphone._lookup.job import Job
from elevenphone.errors import DeadlineExceededError, ElevenPhoneError

_T = TypeVar("_T")


class SingleCaller:
    """The caller of single lookups: they come before bulk, and each has its policy's attempts."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.lane = dispatcher.slots.singles
        self._dispatcher = dispatcher

    async def may_begin(self, job: Job[_T]) -> Slot:
        """Wait for a slot, but not for a pause that ends after the deadline."""
        slots = self._dispatcher.slots
        fresh = not job.attempts
        if (slot := slots.take_now(self.lane, fresh=fresh)) is not None:
            return slot
        return await slots.take(self.lane, fresh=fresh, patience=self.patience(job))

    def next_wait(self, job: Job[_T], error: ElevenPhoneError) -> float | None:
        """Follow the policy, as long as the deadline and the retries of all single lookups allow."""
        if isinstance(error, DeadlineExceededError):
            return None  # the clock may still show a time before it: uvloop's counts milliseconds
        wait = job.retry.wait(error, job.attempts)
        if wait is None or self._dispatcher.loop.time() + wait >= self.patience(job).expires:
            return None
        return wait if self._dispatcher.quota.take() else None

    def patience(self, job: Job[_T]) -> Patience:
        """Return the longest pause of the server that the lookup accepts."""
        return Patience(job.expires, math.inf if job.deadline is None else job.deadline)
