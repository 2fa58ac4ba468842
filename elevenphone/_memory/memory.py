"""`Memory`: answers `get` from memory if the cache allows it, and otherwise looks the number up."""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import suppress

from msgspec.structs import replace

from elevenphone._bulk.caller import BulkCaller
from elevenphone._limits.slots import Lane
from elevenphone._lookup.dispatcher import Dispatcher
from elevenphone._lookup.job import Caller, Job, Terms
from elevenphone._lookup.single import SingleCaller
from elevenphone._lookup.store import Remembered, Store
from elevenphone._meaning import meaning_of
from elevenphone._memory.shared import SharedLookup
from elevenphone._protocol.requests import path_segment
from elevenphone.cache import Cache
from elevenphone.errors import ConfigurationError, ElevenPhoneError
from elevenphone.models import PhoneNumber, decode
from elevenphone.retry import RetryPolicy
from elevenphone.stats import ClientStats

_log = logging.getLogger("elevenphone")
# Seconds between two probes while the server is away and answers come from memory.
_PROBE_EVERY = 1.0


class Memory:
    """Answers `get` in a client that has a cache.

    Args:
        cache: For how long an answer may be used.
        dispatcher: Looks numbers up. Every lookup reports its result to the store.
        terms: The client's settings.
    """

    def __init__(self, cache: Cache, dispatcher: Dispatcher, terms: Terms) -> None:
        self._max_age = cache.max_age
        self._oldest_while_revalidating = cache.max_age + cache.stale_while_revalidate
        self._oldest_if_error = cache.max_age + cache.stale_if_error
        self._dispatcher = dispatcher
        self._terms = terms
        self._store = dispatcher.store = Store(cache.entries)
        self._shared: dict[str, SharedLookup] = {}
        self._refreshes: dict[str, asyncio.Task[None]] = {}
        self._lane: Lane | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._to_be_remembered: set[Job[PhoneNumber]] = set()
        self._next_probe = -math.inf
        self._hits = self._stale = self._joined = 0

    # Answers from memory

    def answer(self, phone_number_id: str) -> PhoneNumber | None:
        """Return a remembered answer if the cache allows it, or `None`; then call `ask`."""
        if not isinstance(phone_number_id, str):
            return None
        remembered = self._store.use(phone_number_id)
        if remembered is None:
            return None
        age = self._age(remembered)
        if age < self._max_age:
            self._hits += 1
            if _log.isEnabledFor(logging.DEBUG):
                _log.debug("%s: from memory, %.1f s old", phone_number_id, age)
            return remembered.number
        if age < self._oldest_while_revalidating:
            self._refresh(phone_number_id, probe=False)
            return self._answer_stale(phone_number_id, remembered, "a refresh is under way")
        if age < self._oldest_if_error and self._dispatcher.limits.server_is_away:
            self._probe(phone_number_id)
            return self._answer_stale(phone_number_id, remembered, "the server is away")
        return None

    def _answer_instead_of(self, error: ElevenPhoneError, phone_number_id: str) -> PhoneNumber | None:
        """Return the last known answer after a transient error, unless it is too old."""
        if meaning_of(error).strain == "none":
            return None
        remembered = self._store.use(phone_number_id)
        if remembered is None or self._age(remembered) >= self._oldest_if_error:
            return None
        return self._answer_stale(phone_number_id, remembered, str(error))

    def _answer_stale(self, phone_number_id: str, remembered: Remembered, why: str) -> PhoneNumber:
        self._hits += 1
        self._stale += 1
        _log.debug("%s: from memory, %.1f s old, stale: %s", phone_number_id, self._age(remembered), why)
        return remembered.number

    def _age(self, remembered: Remembered) -> float:
        return self._dispatcher.loop.time() - remembered.asked

    # Lookups that a caller awaits

    async def ask(self, phone_number_id: str, terms: Terms, *, fresh: bool) -> PhoneNumber:
        """Look up a number, in a lookup shared with other callers if their terms allow it.

        Args:
            phone_number_id: The id.
            terms: The settings of this call. With its own timeout or policy it shares no lookup.
            fresh: Whether to share no lookup, and to accept no older answer.

        Returns:
            The number.

        Raises:
            ElevenPhoneError: As `PhoneNumberClient.get` does.
        """
        url = terms.prefix + path_segment(phone_number_id)
        alone = fresh or terms._replace(deadline=self._terms.deadline) != self._terms
        try:
            if alone:
                return await self._ask_alone(phone_number_id, url, terms)
            return await self._ask_together(phone_number_id, url, terms.deadline)
        except ElevenPhoneError as error:
            if fresh or (number := self._answer_instead_of(error, phone_number_id)) is None:
                raise
            return number

    async def _ask_alone(self, phone_number_id: str, url: str, terms: Terms) -> PhoneNumber:
        _, timeout, deadline, retry = terms
        caller = SingleCaller(self._dispatcher)
        job = Job(caller, phone_number_id, url, decode, timeout, deadline, retry, remember=True)
        self._to_be_remembered.add(job)
        try:
            await self._dispatcher.look_up(job)
        finally:
            self._to_be_remembered.discard(job)
        return job.outcome()

    async def _ask_together(self, phone_number_id: str, url: str, deadline: float | None) -> PhoneNumber:
        lookup = self._shared.get(phone_number_id)
        if lookup is None:
            lookup = self._begin(phone_number_id, url)
        else:
            self._joined += 1
            _log.debug("%s: joined the lookup that is under way", phone_number_id)
        try:
            return await lookup.wait(deadline)
        finally:
            if lookup.is_abandoned:
                lookup.task.cancel()
                self._let_go(phone_number_id, lookup)

    def _begin(self, phone_number_id: str, url: str) -> SharedLookup:
        if (refresh := self._refreshes.get(phone_number_id)) is not None:
            refresh.cancel()  # it waits as bulk does, but now a caller waits for the answer
        lookup = SharedLookup(self._dispatcher, phone_number_id, url, self._terms, self._is_hopeless)

        def ended() -> None:
            self._let_go(phone_number_id, lookup)
            lookup.settle()

        self._shared[phone_number_id] = lookup
        self._to_be_remembered.add(lookup.job)
        lookup.task = self._start(lookup.job)
        lookup.task.add_done_callback(lambda _task: ended())
        return lookup

    def _let_go(self, phone_number_id: str, lookup: SharedLookup) -> None:
        """Let no other caller join a lookup."""
        self._to_be_remembered.discard(lookup.job)
        if self._shared.get(phone_number_id) is lookup:
            del self._shared[phone_number_id]

    def _is_hopeless(self, phone_number_id: str) -> bool:
        """Return whether the server is away, so that an older answer is good enough."""
        if not self._dispatcher.limits.server_is_away:
            return False
        remembered = self._store.use(phone_number_id)
        return remembered is not None and self._age(remembered) < self._oldest_if_error

    # Lookups in the background

    def _probe(self, phone_number_id: str) -> None:
        """Probe now and then whether the server is back."""
        now = self._dispatcher.loop.time()
        if now >= self._next_probe:
            self._next_probe = now + _PROBE_EVERY
            self._refresh(phone_number_id, probe=True)

    def _refresh(self, phone_number_id: str, *, probe: bool) -> None:
        """Refresh an answer. A probe makes one attempt at once; a normal refresh waits as bulk does."""
        if phone_number_id in self._refreshes or phone_number_id in self._shared:
            return
        prefix, timeout, deadline, retry = self._terms
        caller: Caller = SingleCaller(self._dispatcher)
        if probe:
            retry = RetryPolicy.none()
        else:
            if self._lane is None:
                self._lane = self._dispatcher.slots.open_lane(())
                self._lane.fresh = self._lane.starts  # refreshes that have not begun wait there
            caller = BulkCaller(self._dispatcher, self._lane)
        url = prefix + path_segment(phone_number_id)
        task = self._start(Job(caller, phone_number_id, url, decode, timeout, deadline, retry))
        self._refreshes[phone_number_id] = task
        task.add_done_callback(lambda _task: self._refreshed(phone_number_id))

    def _refreshed(self, phone_number_id: str) -> None:
        del self._refreshes[phone_number_id]
        if not self._refreshes and self._lane is not None:
            self._dispatcher.slots.close_lane(self._lane)
            self._lane = None

    # Tasks

    def _start(self, job: Job[PhoneNumber]) -> asyncio.Task[None]:
        # Not by the loop, whose task factory may be eager: the caller must be waiting before it begins.
        task = asyncio.Task(self._look_up(job), loop=self._dispatcher.loop)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _look_up(self, job: Job[PhoneNumber]) -> None:
        try:
            self._dispatcher.bind()  # the client may have been closed since the task was made
        except ConfigurationError as error:
            job.error = error
            return
        # The wait of a refresh has an end, too; a shared lookup runs while a caller waits.
        with suppress(TimeoutError):
            async with asyncio.timeout(job.deadline):
                await self._dispatcher.look_up(job)

    # For the client

    def forget(self, phone_number_id: str | None) -> None:
        """Drop one number, or all if `None`; answers in flight are not remembered either."""
        self._store.forget(phone_number_id)
        for job in list(self._to_be_remembered):
            if phone_number_id in (None, job.phone_number_id):
                job.remember = False
        for each in list(self._shared) if phone_number_id is None else [phone_number_id]:
            self._shared.pop(each, None)

    def counted(self, stats: ClientStats) -> ClientStats:
        """Add the counters."""
        return replace(stats, cache_hits=self._hits, cache_stale=self._stale, joined=self._joined)

    async def aclose(self) -> None:
        """Forget everything, and wait for the tasks, which end as the client is closed."""
        self.forget(None)
        here = asyncio.get_running_loop()
        tasks = [task for task in self._tasks if task.get_loop() is here]
        await asyncio.gather(*tasks, return_exceptions=True)
