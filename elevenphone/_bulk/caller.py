"""The lookups of a bulk run: they may wait for longer than a single lookup."""

from __future__ import annotations

from typing import TypeVar

from elevenphone._limits.slots import Lane, Slot
from elevenphone._lookup.dispatcher import Dispatcher
from elevenphone._lookup.job import Job
from elevenphone._meaning import meaning_of
from elevenphone.errors import DeadlineExceededError, ElevenPhoneError

_T = TypeVar("_T")


class BulkCaller:
    """The caller of all lookups of one run.

    A 429, or a request that did not reach the server, says nothing about the id, so it
    uses up no attempt. Another failure does, if it concerns this id alone: no id is
    lost while the server fails for all ids, and on a healthy server an id that always
    fails gets the attempts of its policy.

    Attributes:
        lane: The lane of the run.
        stopped_by: The error that stopped the run, or `None`.
    """

    def __init__(self, dispatcher: Dispatcher, lane: Lane) -> None:
        self.lane = lane
        self.stopped_by: ElevenPhoneError | None = None
        self._dispatcher = dispatcher

    async def may_begin(self, job: Job[_T]) -> Slot:
        """Wait for a slot.

        Raises:
            ElevenPhoneError: The job's own error, if it has turned out to be final.
        """
        slots = self._dispatcher.slots
        fresh = not job.attempts and not job.has_probed  # after its first turn it goes before new ids
        while True:
            slot = slots.take_now(self.lane, fresh=fresh) or await slots.take(self.lane, fresh=fresh)
            if not job.in_doubt or slot.probe_url is not None or job.error is None:
                return slot
            verdict = self._dispatcher.limits.verdict(job, job.retry.attempts, self._dispatcher.loop.time())
            if verdict == "try again":
                job.in_doubt = False
                return slot
            slot.give_back()
            if verdict == "give up":
                raise job.error

    def next_wait(self, job: Job[_T], error: ElevenPhoneError) -> float | None:
        """Return the wait before the next attempt; a lookup may exceed the attempts of its policy."""
        meaning = meaning_of(error)
        if not meaning.retryable:
            return None
        if self.stopped_by is not None:
            raise self.stopped_by  # this id fails with the rest of the run
        now, limits = self._dispatcher.loop.time(), self._dispatcher.limits
        if meaning.strain != "throttled" and job.retry.attempts == 1:
            return None
        if job.deadline is not None and limits.is_away_for(job.deadline, now):
            return None  # lookups that began earlier have failed, and with this one the run stops
        wait = job.retry.backoff(error, job.attempts)
        if meaning.strain == "failing" and meaning.sent:
            match limits.verdict(job, job.retry.attempts, now):
                case "give up":
                    return None
                case "find out":
                    job.in_doubt = True
                    wait = 0.0
                case "try again":
                    pass
        # The clock may still show a time before the deadline, because uvloop's counts milliseconds.
        return wait if now + wait < job.expires and not isinstance(error, DeadlineExceededError) else None
