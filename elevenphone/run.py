"""`Run`: a bulk run, as `client.stream` returns it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import Literal, Self

from msgspec.structs import replace

from elevenphone._bulk.caller import BulkCaller
from elevenphone._bulk.equal_ids import EqualIds
from elevenphone._bulk.results import AsCompleted, InOrder
from elevenphone._bulk.signal import Signal
from elevenphone._bulk.source import BREATH_IDS, Source
from elevenphone._limits.slots import Lane, Slot
from elevenphone._lookup.dispatcher import Dispatcher
from elevenphone._lookup.job import Job, Terms
from elevenphone._lookup.watchdog import Watched
from elevenphone._meaning import meaning_of
from elevenphone._protocol.requests import path_segment, text_of
from elevenphone.errors import ElevenPhoneError, InvalidPhoneNumberIdError
from elevenphone.lookups import Failed, Found, Lookup
from elevenphone.models import PhoneNumber, decode

# Most positions that a stream holds: read from the input, but not yet delivered to the consumer.
WINDOW = 2_000
# Answers kept for equal ids that come later.
REMEMBERED = 1_000
# Most workers, unless the limit of concurrency is higher: those with a request in flight, and those
# that wait for a retry.
_MAX_WORKERS = 1_000
# New ids are read ahead: twice as many as requests in flight, and at least this many.
_LEAST_AHEAD = 2
# If the server gives no good answer for this part of a lookup's deadline, it is down or refuses everything.
_AWAY_SHARE = 0.9


class Run(AsyncIterator[Lookup]):
    """A bulk run: an async context manager, and the async iterator of its lookups.

    `PhoneNumberClient.stream` returns it. When you leave the block, the run cancels
    all its requests and waits until they have ended.

    Example:
        ```python
        async with client.stream(ids) as lookups:
            async for lookup in lookups:
                print(lookup.phone_number_id, isinstance(lookup, Found))
        ```
    """

    def __init__(
        self,
        ids: Iterable[str] | AsyncIterable[str],
        dispatcher: Dispatcher,
        terms: Terms,
        *,
        ordered: bool = False,
        remembered: int | None = REMEMBERED,
        window: float = WINDOW,
    ) -> None:
        self._ids = ids
        self._dispatcher = dispatcher
        self._terms = terms
        self._window = window
        self._state: Literal["new", "entered", "left"] = "new"
        self._new_ids: deque[Job[PhoneNumber]] = deque()
        self._equal_ids = EqualIds(remembered)
        self._results = InOrder() if ordered else AsCompleted()
        self._read = self._settled = self._handed_over = 0
        self._pause_at: float = 0
        self._breathe_at = BREATH_IDS
        self._is_reading = True
        self._room, self._progress, self._completion = Signal(), Signal(), Signal()
        self._workers: set[asyncio.Task[None]] = set()
        self._standby: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._closed_by: ElevenPhoneError | None = None
        self._refused_in_a_row = 0
        self._source: Source
        self._lane: Lane
        self._caller: BulkCaller
        self._reader: asyncio.Task[None]

    # The public part

    async def __aenter__(self) -> Self:
        """Start the run.

        Raises:
            RuntimeError: The run was entered before.
            ConfigurationError: The client is closed, or belongs to another event loop.
            TypeError: `ids` is not an iterable or async iterable.
        """
        if self._state != "new":
            raise RuntimeError("this stream was entered before: call client.stream for another one")
        self._dispatcher.bind()
        self._source = Source(self._ids)
        self._state = "entered"
        self._lane = self._dispatcher.slots.open_lane(self._new_ids)
        self._caller = BulkCaller(self._dispatcher, self._lane)
        self._dispatcher.runs.add(self)
        self._reader = asyncio.create_task(self._read_ids())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cancel all requests, and wait until they have ended."""
        if self._state != "entered":
            return
        self._state = "left"
        self._source.is_abandoned = True
        tasks = [self._reader, *self._workers]
        for task in tasks:
            task.cancel()
        self._new_ids.clear()
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._dispatcher.runs.discard(self)
            self._dispatcher.slots.close_lane(self._lane)

    async def __anext__(self) -> Lookup:
        """Wait for the next lookup, and return it.

        Raises:
            StopAsyncIteration: There are no more lookups.
            RuntimeError: The run is used outside of its `async with` block.
            Exception: The exception that reading `ids` raised, after the lookups of the
                ids before it.
        """
        if self._state != "entered":
            when = "before it was entered" if self._state == "new" else "after its block was left"
            raise RuntimeError(f"this stream was read {when}: use it inside of async with client.stream(ids)")
        while (lookup := self._results.take()) is None:
            if self._is_complete():
                if self._failure is not None:
                    raise self._failure
                raise StopAsyncIteration
            await self._progress.wait()
        self._handed_over += 1
        self._wake_reader()
        return lookup

    async def collect(self) -> list[Lookup]:
        """Wait for all lookups of an ordered run, without a bound on their number.

        Returns:
            The lookups, in the order of the input.
        """
        while not self._is_complete():
            await self._completion.wait()  # one wake-up for all lookups
        if self._failure is not None:
            raise self._failure
        return self._results.take_all()

    @property
    def stopped_by(self) -> ElevenPhoneError | None:
        """The error that stopped the run early, or `None`.

        The ids for which nothing had been sent by then are `Failed` with this error.
        """
        return None if self._state == "new" else self._caller.stopped_by

    def stop(self, error: ElevenPhoneError) -> None:
        """Stop the run: requests in flight end normally, and the remaining ids are `Failed`.

        Args:
            error: The error of the remaining ids, and of `stopped_by`.
        """
        if self._caller.stopped_by is not None:
            return
        self._caller.stopped_by = error
        self._dispatcher.watchdog.end(error, self._is_waiting)
        while self._new_ids:
            job = self._new_ids.popleft()
            phone_number_id = job.phone_number_id or ""
            self._settle(phone_number_id, Failed(job.index, phone_number_id, 0, 0.0, error))
        self._room.wake()

    def _is_waiting(self, lookup: Watched) -> bool:
        """Whether it is a lookup of this run that has no request in flight."""
        return isinstance(lookup, Job) and lookup.caller is self._caller and not lookup.sending

    def close(self, error: ElevenPhoneError) -> None:
        """Stop, and do not wait for ids that the source does not have ready."""
        self.stop(error)
        self._closed_by = error
        self._source.end()

    def __repr__(self) -> str:
        return (
            f"<Run {self._state}, {self._settled} of {self._read} ids answered, "
            f"{self._lane.in_flight if self._state != 'new' else 0} in flight>"
        )

    # Reading: one task, from the first id to the last

    async def _read_ids(self) -> None:
        time = self._dispatcher.loop.time
        try:
            for phone_number_id in self._source.plain:
                self._accept(phone_number_id)
                if self._read >= self._pause_at or time() >= self._source.breathe_at:
                    await self._pause()
            async for phone_number_id in self._source:
                self._accept(phone_number_id)
                if self._read >= self._pause_at or time() >= self._source.breathe_at:
                    await self._pause()
        except (Exception, asyncio.CancelledError) as error:
            if self._state == "left":
                raise
            self._failure = self._failure or error  # for the consumer, after the lookups in flight
        finally:
            await self._source.aclose()
        if self._source.is_cut and isinstance(self._failure, asyncio.CancelledError | None):
            self._failure = self._closed_by
        self._is_reading = False
        if self._is_complete():
            self._end()

    async def _pause(self) -> None:
        """Wait for room for the next ids; after many, or a long time, let other tasks use the event loop."""
        is_due = self._read >= self._breathe_at or self._dispatcher.loop.time() >= self._source.breathe_at
        if is_due and self._room_left() > 0:
            await self._source.pause(asyncio.sleep(0))
        while self._room_left() <= 0:
            is_due = True
            await self._source.pause(self._room.wait())
        if is_due:
            self._breathe_at = self._read + BREATH_IDS
        self._pause_at = min(self._read + self._room_left(), self._breathe_at)

    def _accept(self, phone_number_id: str) -> None:
        """Take an id: its result is known, or a worker will look it up."""
        index = self._read
        self._read += 1
        try:
            url = self._terms.prefix + path_segment(phone_number_id)
        except InvalidPhoneNumberIdError as error:
            failed = Failed(index, text_of(phone_number_id), 0, 0.0, error.with_traceback(None))
            self._put(failed)
        else:
            if not self._equal_ids.is_new(phone_number_id):
                if (known := self._equal_ids.known(phone_number_id, index)) is not None:
                    self._put(replace(known, index=index))
            elif (reason := self._caller.stopped_by) is not None:
                self._settle(phone_number_id, Failed(index, phone_number_id, 0, 0.0, reason))
            else:
                _, timeout, deadline, retry = self._terms
                job = Job(self._caller, phone_number_id, url, decode, timeout, deadline, retry, index)
                self._new_ids.append(job)
                if self._standby is None:
                    self._stand_by()

    def _room_left(self) -> float:
        """Return how many ids may be read now."""
        ahead = 2 * self._lane.in_flight or _LEAST_AHEAD
        return min(ahead - len(self._new_ids), self._window - self._read + self._handed_over)

    def _wake_reader(self) -> None:
        """Wake the reader, but not for each single id."""
        if (
            self._room.waiters
            and len(self._new_ids) <= self._lane.in_flight
            and self._read - self._handed_over < self._window
        ):
            self._room.wake()

    # Looking up: workers

    def _stand_by(self) -> None:
        """Let a worker wait for a slot, if there is an id for it."""
        if self._standby is None and self._new_ids:
            self._standby = asyncio.create_task(self._work())
            self._workers.add(self._standby)
            self._standby.add_done_callback(self._worker_done)
        most = max(_MAX_WORKERS, self._dispatcher.limits.concurrency_limit)
        self._lane.only_probes = len(self._workers) > most

    def _worker_done(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if self._state == "entered":
            self._stand_by()

    async def _work(self) -> None:
        """Wait for a slot; then look up ids as long as there are ids and slots."""
        slots, lane = self._dispatcher.slots, self._lane
        slot: Slot | None = None if lane.only_probes else slots.take_now(lane, fresh=True)
        slot = slot or await slots.take(lane, fresh=True)
        self._standby = None
        new_ids, look_up = self._new_ids, self._dispatcher.look_up
        try:
            while slot is not None and new_ids:
                job = new_ids.popleft()
                if self._standby is None:
                    self._stand_by()
                if self._room.waiters:
                    self._wake_reader()
                await look_up(job, slot)
                self._finish(job)
                slot = slots.take_now(lane, fresh=True) if new_ids else None
            if slot is not None:
                slot.give_back()  # another worker has taken the id
        except BaseException as error:
            if self._state == "entered":
                self._break_off(error)
            raise

    def _finish(self, job: Job[PhoneNumber]) -> None:
        phone_number_id = job.phone_number_id or ""  # every lookup of a run has an id
        if job.error is None:
            self._refused_in_a_row = 0
            lookup: Lookup = Found(job.index, phone_number_id, job.attempts, job.elapsed, job.result)
        else:
            lookup = Failed(job.index, phone_number_id, job.attempts, job.elapsed, job.error)
            self._judge(job.error)
        self._settle(phone_number_id, lookup)

    def _judge(self, error: ElevenPhoneError) -> None:
        """Stop the run if every other id would fail in the same way, or the server is down for too long."""
        meaning = meaning_of(error)
        if meaning.scope == "account":
            self._refused_in_a_row += 1
            if self._refused_in_a_row >= meaning.proof:
                self.stop(error)
        elif meaning.strain != "none" and self._terms.deadline is not None:
            seconds = _AWAY_SHARE * self._terms.deadline
            if self._dispatcher.limits.is_away_for(seconds, self._dispatcher.loop.time()):
                self.stop(error)

    # Results

    def _settle(self, phone_number_id: str, lookup: Lookup) -> None:
        """Deliver the result of an id at each of its positions."""
        self._put(lookup)
        for index in self._equal_ids.settle(phone_number_id, lookup):
            self._put(replace(lookup, index=index))

    def _put(self, lookup: Lookup) -> None:
        self._results.put(lookup)
        self._settled += 1
        if self._progress.waiters:
            self._progress.wake()
        if not self._is_reading and self._settled == self._read:
            self._end()

    def _is_complete(self) -> bool:
        return not self._is_reading and self._settled == self._read

    def _end(self) -> None:
        """Wake the consumer for the last time, because no id is left for a worker."""
        if self._standby is not None:
            self._standby.cancel()
        self._progress.wake()
        self._completion.wake()

    def _break_off(self, error: BaseException) -> None:
        """Raise in the consumer an error that belongs to no lookup: a cancelled worker, or a bug."""
        self._failure = self._failure or error
        self._is_reading = False
        self._settled = self._read
        self._end()
