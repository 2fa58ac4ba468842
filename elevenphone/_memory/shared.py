"""One lookup for all callers that ask for the same id at the same time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from copy import copy
from typing import NamedTuple, TypeVar

from elevenphone._limits.slots import Patience, Slot
from elevenphone._lookup.dispatcher import Dispatcher
from elevenphone._lookup.job import Job, Terms
from elevenphone._lookup.single import SingleCaller
from elevenphone.errors import DeadlineExceededError, ElevenPhoneError
from elevenphone.models import PhoneNumber, decode

_T = TypeVar("_T")


class _Waiter(NamedTuple):
    timer: asyncio.Timeout
    deadline: float | None


class SharedLookup(SingleCaller):
    """A lookup in a separate task, so that the cancellation of one caller does not affect the others.

    It lasts until the deadline of the last caller. Each caller has a timer for its own
    deadline, which starts with the first attempt, or at once if that has begun.

    Attributes:
        job: The lookup.
        task: The task in which it runs.
    """

    task: asyncio.Task[None]

    def __init__(
        self,
        dispatcher: Dispatcher,
        phone_number_id: str,
        url: str,
        terms: Terms,
        is_hopeless: Callable[[str], bool],
    ) -> None:
        """Make the lookup; it runs once it has a task.

        Args:
            dispatcher: Looks up the id.
            phone_number_id: The id.
            url: The URL of the request.
            terms: Timeout and policy; the deadlines are those of the callers.
            is_hopeless: Decides after a failure whether another attempt is useless.
        """
        super().__init__(dispatcher)
        _, timeout, _, retry = terms
        self.job = Job(self, phone_number_id, url, decode, timeout, None, retry, remember=True)
        self._id = phone_number_id
        self._is_hopeless = is_hopeless
        self._waiters: dict[asyncio.Future[None], _Waiter] = {}

    @property
    def is_abandoned(self) -> bool:
        """Whether no caller waits any more."""
        return not self._waiters

    def settle(self) -> None:
        """Wake all callers, because the task has ended."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, deadline: float | None) -> PhoneNumber:
        """Wait for the answer.

        Args:
            deadline: Seconds, or `None`.

        Returns:
            The number.

        Raises:
            DeadlineExceededError: The caller's own deadline passed.
            ElevenPhoneError: The error of the lookup.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = asyncio.timeout(deadline if self.job.attempts else None)
        self._waiters[waiter] = _Waiter(timer, deadline)
        try:
            async with timer:
                await waiter
        except TimeoutError:
            if not self.task.done():
                if len(self._waiters) == 1:
                    self._dispatcher.failed += 1
                raise self._deadline_passed() from None
        finally:
            del self._waiters[waiter]
        self.task.result()  # raises if somebody has cancelled the task
        if self.job.error is not None:
            raise _own_copy(self.job.error)
        return self.job.outcome()

    def _deadline_passed(self) -> DeadlineExceededError:
        error = DeadlineExceededError("the lookup's deadline passed", self.job.error)
        error.history = self.job.history
        return error

    # Questions of the job

    async def may_begin(self, job: Job[_T]) -> Slot:
        """Wait for a slot. The first slot starts the deadlines of all callers.

        Raises:
            ElevenPhoneError: The job's own error, if its retry has become hopeless meanwhile.
        """
        if job.error is not None and self._is_hopeless(self._id):
            raise job.error
        while True:
            try:
                slot = await super().may_begin(job)
            except DeadlineExceededError:
                # A caller who accepts the pause may have joined while the others waited.
                limits = self._dispatcher.limits
                if self.patience(job).is_over(self._dispatcher.loop.time(), limits.resumes_at):
                    raise
            else:
                break
        if not job.attempts:
            for timer, deadline in self._waiters.values():
                if deadline is not None:
                    timer.reschedule(slot.started + deadline)
        return slot

    def next_wait(self, job: Job[_T], error: ElevenPhoneError) -> float | None:
        """Return the wait of the policy, unless a retry is useless."""
        return None if self._is_hopeless(self._id) else super().next_wait(job, error)

    def patience(self, job: Job[_T]) -> Patience:
        """Return the longest pause of the server that any of the callers accepts."""
        waiters = self._waiters.values()
        if not job.attempts:
            deadlines = (math.inf if deadline is None else deadline for _, deadline in waiters)
            return Patience(deadline=max(deadlines, default=0.0))
        ends = (math.inf if deadline is None else timer.when() or 0.0 for timer, deadline in waiters)
        return Patience(expires=max(ends, default=0.0))


def _own_copy(error: ElevenPhoneError) -> ElevenPhoneError:
    """Copy an error, so that each caller gets a separate traceback."""
    copied = copy(error)
    copied.__cause__ = error.__cause__
    copied.__suppress_context__ = error.__suppress_context__
    return copied
