"""The ids of a run, read by one task, as a plain loop would read them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Iterable, Iterator
from typing import Self, cast

# Most ids, and seconds, that are read before other tasks may use the event loop.
BREATH_IDS = 100
_BREATH_SECONDS = 0.002


class Source(AsyncIterator[str]):
    """An iterable or an async iterable, read in the task that first asks for an id.

    The ids of an iterable are in `plain`; iterating over a `Source` gives those of an async iterable.

    A timeout or a task group inside an async generator cancels the task that runs
    the generator, even between two ids. `pause` hands such a cancellation to it.

    Args:
        ids: The iterable or async iterable.

    Attributes:
        plain: The ids of an iterable, which can be read without waiting.
        is_abandoned: Whether the run was left, so that a cancellation comes from the run.
        is_cut: Whether it was ended while it had no id ready.
        breathe_at: The time from which other tasks should get to use the event loop.

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
        self._waiting: asyncio.Task[object] | None = None  # the reader, while it waits in the source
        self.breathe_at = self._loop.time() + _BREATH_SECONDS

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        if self._asynchronous is None:
            raise StopAsyncIteration
        cancellation, self._cancellation = self._cancellation, None
        self._waiting = asyncio.current_task(self._loop)
        if self._is_ended:
            self._loop.call_soon(self._cut)  # has no effect if an id is ready
        try:
            if cancellation is not None and isinstance(self._asynchronous, AsyncGenerator):
                generator = cast("AsyncGenerator[str]", self._asynchronous)
                phone_number_id = await generator.athrow(cancellation)
            else:
                phone_number_id = await anext(self._asynchronous)
        finally:
            self._waiting = None
        if self.is_abandoned:
            raise StopAsyncIteration  # the source has ignored its cancellation
        return phone_number_id

    def end(self) -> None:
        """Read the ids that are ready, but wait for none: a source without a ready id is cancelled."""
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
        self.breathe_at = self._loop.time() + _BREATH_SECONDS

    async def aclose(self) -> None:
        """Close an async generator, in the task that ran it."""
        if isinstance(self._asynchronous, AsyncGenerator):
            await cast("AsyncGenerator[str]", self._asynchronous).aclose()
