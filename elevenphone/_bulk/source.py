"""The ids of a run, read one by one by one task, as a plain loop would read them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Iterable, Iterator
from typing import Self, cast

# Ids, and seconds, that are read at most before others may use the event loop.
_BREATH_IDS, _BREATH_SECONDS = 100, 0.002


class Source(AsyncIterator[str]):
    """An iterable or an async iterable, read in the task that first asks for an id.

    Of an iterable, all ids are in `plain`; to iterate over this one has those of an async iterable.

    A timeout or a task group inside an async generator cancels the task that runs
    the generator, even between two ids. `pause` hands such a cancellation to it.

    Args:
        ids: What to read.

    Attributes:
        plain: The ids of an iterable, which can be had without waiting.
        is_abandoned: Whether the run has been left, so that a cancellation is the run's.
        is_cut: Whether it had no id at hand when it was ended.

    Raises:
        TypeError: The ids cannot be iterated over.
    """

    def __init__(self, ids: Iterable[str] | AsyncIterable[str]) -> None:
        self.is_abandoned = self.is_cut = False
        self._asynchronous: AsyncIterator[str] | None = None
        self.plain: Iterator[str] = iter(())
        if isinstance(ids, AsyncIterable):
            self._asynchronous = aiter(ids)
        else:
            self.plain = iter(ids)
        self._cancellation: asyncio.CancelledError | None = None
        self._loop = asyncio.get_running_loop()
        self._is_ended = False
        self._waiting: asyncio.Task[object] | None = None  # the reader, inside of the source
        self._taken = 0
        self._breathe_at = 0.0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        if self._asynchronous is None:
            raise StopAsyncIteration
        cancellation, self._cancellation = self._cancellation, None
        self._waiting = asyncio.current_task(self._loop)
        if self._is_ended:
            self._loop.call_soon(self._cut)  # comes too late if an id is at hand
        try:
            if cancellation is not None and isinstance(self._asynchronous, AsyncGenerator):
                return await cast("AsyncGenerator[str]", self._asynchronous).athrow(cancellation)
            return await anext(self._asynchronous)
        finally:
            self._waiting = None

    def end(self) -> None:
        """Take what is at hand, but wait for no id any more: a source that has none is cancelled."""
        self._is_ended = True
        self._cut()

    def _cut(self) -> None:
        if self._waiting is not None:
            self.is_cut = True
            self._waiting.cancel()

    async def pause(self, until: Awaitable[None]) -> None:
        """Wait between two ids."""
        try:
            await until
        except asyncio.CancelledError as error:
            if self.is_abandoned or not isinstance(self._asynchronous, AsyncGenerator):
                raise
            self._cancellation = error

    async def aclose(self) -> None:
        """Close an async generator, in the task that ran it."""
        if isinstance(self._asynchronous, AsyncGenerator):
            await cast("AsyncGenerator[str]", self._asynchronous).aclose()

    def needs_breath(self) -> bool:
        """Say whether enough was read without a break that others should use the event loop."""
        self._taken += 1
        now = self._loop.time()
        if self._taken < _BREATH_IDS and now < self._breathe_at:
            return False
        is_late = self._taken > 1
        self._taken = 0
        self._breathe_at = now + _BREATH_SECONDS
        return is_late
