"""Bulk runs: workers over a lazy iterator. Knows order, backpressure and cancellation, and no HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from operator import attrgetter
from types import TracebackType
from typing import Protocol, Self

from elevenphone._answers import Answers, AsCompleted, InOrder
from elevenphone.errors import ElevenPhoneError
from elevenphone.lookups import Failed, Lookup

# Most positions pulled from the input and not yet handed to the consumer, which bounds all a run holds.
WINDOW = 2_000
# Answers kept for equal ids that come later; those in flight are joined whatever their number.
REMEMBERED = 1_000
# Workers that wait for a place in flight before the surplus retires: so few that none is made for each id.
_SPARE_WORKERS = 16
# Workers in all: those in flight, and those that wait before they ask again.
_MAX_WORKERS = 1_000


class Supervision:
    """What a run has to say in each of its lookups.

    Attributes:
        stopped_by: What has stopped the run.
        standing_by: Workers that have sent nothing for the id they have, or have none.
    """

    def __init__(self, none_stands_by: Callable[[], None]) -> None:
        self.stopped_by: ElevenPhoneError | None = None
        self.standing_by: int = 0
        self._none_stands_by = none_stands_by
        self._stopped = asyncio.Event()

    def stop(self, error: ElevenPhoneError) -> None:
        """Let nothing more be sent; the first reason counts."""
        self.stopped_by = self.stopped_by or error
        self._stopped.set()

    def before_attempt(self, first: bool) -> None:
        """Note that a request is about to be sent.

        Args:
            first: Whether it is its lookup's first.

        Raises:
            ElevenPhoneError: What has stopped the run.
        """
        if self.stopped_by is not None:
            raise self.stopped_by
        if first:
            self.standing_by -= 1
            if not self.standing_by:
                self._none_stands_by()

    async def sleep(self, seconds: float) -> None:
        """Sleep between attempts, but not on once the run has been stopped."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()


class LookUp(Protocol):
    """Looks one id up; what a run's workers await."""

    async def __call__(self, index: int, phone_number_id: str, supervision: Supervision) -> Lookup:
        """Look up.

        Args:
            index: Position in the input.
            phone_number_id: The id.
            supervision: To be told of each attempt, and to sleep with in between.

        Returns:
            What became of it; no `ElevenPhoneError` is raised.
        """
        ...


class Run(AsyncIterator[Lookup]):
    """One bulk run: an async context manager, and the async iterator of its lookups.

    One worker always stands by, without an id, for a place in flight that the others
    leave free; when it gets it, it makes the next. So there are as many workers as
    the limit lets be of use.
    """

    def __init__(
        self,
        ids: Iterable[str] | AsyncIterable[str],
        look_up: LookUp,
        vacancy: Callable[[], Awaitable[None]],
        stops: Callable[[ElevenPhoneError], bool],
        *,
        ordered: bool = False,
        remembered: int | None = REMEMBERED,
        window: int = WINDOW,
    ) -> None:
        self._ids = ids
        self._look_up = look_up
        self._vacancy = vacancy
        self._stops = stops
        self._window: float = window
        self._iterator: Iterator[str] | None = None
        self._async_iterator: AsyncIterator[str] | None = None
        self._pulling = asyncio.Lock()
        self._pulled = 0
        self._exhausted = False
        self._supervision = Supervision(self._none_stands_by)
        self._crash: BaseException | None = None
        self._answers = Answers(remembered)
        self._outbox = InOrder() if ordered else AsCompleted()
        self._collecting = False
        self._consumers: list[asyncio.Future[None]] = []
        self._handed_over = 0
        self._workers: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Start the first worker."""
        if isinstance(self._ids, AsyncIterable):
            self._async_iterator = aiter(self._ids)
        else:
            self._iterator = iter(self._ids)
        self._add_worker()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cancel what is under way, and wait until it has gone."""
        workers = list(self._workers)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def __anext__(self) -> Lookup:
        """Wait for the next lookup.

        Raises:
            StopAsyncIteration: Every id has been answered.
            RuntimeError: The run was not entered with `async with`.
        """
        if self._iterator is None and self._async_iterator is None:
            raise RuntimeError("enter the stream first: async with client.stream(ids) as lookups")
        while (lookup := self._outbox.take()) is None:
            if not await self._more_to_come():
                raise StopAsyncIteration
        self._handed_over += 1
        if self._pulled - self._handed_over == self._window - 1:
            self._room.set()
        return lookup

    async def collect(self) -> list[Lookup]:
        """Wait for all lookups, and hold them, however many.

        Returns:
            They, in the order of the input.
        """
        self._collecting = True  # nobody need be woken for each
        self._window = math.inf
        while await self._more_to_come():
            pass
        return sorted(iter(self._outbox.take, None), key=attrgetter("index"))

    async def _more_to_come(self) -> bool:
        """Wait until the consumer has been told of something; say whether there may be more."""
        if not self._workers:
            if self._crash is not None:
                raise self._crash
            return False
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._consumers.append(waiter)
        await waiter
        return True

    def _tell_consumers(self) -> None:
        for waiter in self._consumers:
            if not waiter.done():
                waiter.set_result(None)
        self._consumers.clear()

    def _add_worker(self) -> None:
        worker = asyncio.create_task(self._work())
        self._workers.add(worker)
        self._supervision.standing_by += 1
        worker.add_done_callback(self._worker_done)

    def _worker_done(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not worker.cancelled() and (error := worker.exception()) is not None:
            self._crash = self._crash or error
            self._exhausted = True
        self._tell_consumers()

    async def _work(self) -> None:
        await self._vacancy()
        supervision = self._supervision
        while (pulled := self._pull_now() or await self._pull()) is not None:
            index, phone_number_id = pulled
            if self._answers.must_ask(index, phone_number_id, self._emit):
                if (stopped_by := supervision.stopped_by) is not None:
                    lookup: Lookup = Failed(index, phone_number_id, 0, 0.0, stopped_by)
                else:
                    lookup = await self._look_up(index, phone_number_id, supervision)
                if isinstance(lookup, Failed) and self._stops(lookup.error):
                    supervision.stop(lookup.error)
                self._answers.settle(phone_number_id, lookup, self._emit)
                if lookup.attempts:
                    supervision.standing_by += 1
                if supervision.standing_by > _SPARE_WORKERS + len(self._workers) // 2:
                    break
        supervision.standing_by -= 1

    def _none_stands_by(self) -> None:
        if not self._exhausted and len(self._workers) < _MAX_WORKERS:
            self._add_worker()

    def _pull_now(self) -> tuple[int, str] | None:
        """Take the next id if that needs no waiting, as for most inputs it does not."""
        if self._iterator is None or self._exhausted or self._pulled - self._handed_over >= self._window:
            return None
        for phone_number_id in self._iterator:
            self._pulled += 1
            return self._pulled - 1, phone_number_id
        self._exhausted = True
        return None

    async def _pull(self) -> tuple[int, str] | None:
        """Take the next id from the input, in its turn and when there is room for its answer."""
        async with self._pulling:
            while self._pulled - self._handed_over >= self._window:
                self._room.clear()
                await self._room.wait()
            if self._exhausted:
                return None
            if self._async_iterator is None:
                return self._pull_now()
            try:
                phone_number_id = await anext(self._async_iterator)
            except StopAsyncIteration:
                self._exhausted = True
                return None
            self._pulled += 1
            return self._pulled - 1, phone_number_id

    def _emit(self, lookup: Lookup) -> None:
        self._outbox.put(lookup)
        if self._consumers and not self._collecting:
            self._tell_consumers()
