"""Blocking work in threads, which delays neither the event loop nor the end of the program."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import ClassVar, Generic, TypeVar

from elevenphone.cli.formats.ids import IdSource

# Pieces read and not yet used.
_PIECES_AHEAD = 2
# For input that is not read in pieces, such as Parquet.
_LARGEST_BATCH = 5_000
# Items that wait to be written; whoever makes more has to wait too. A lookup takes a few KB.
_MOST_WAITING = 2_500
_T = TypeVar("_T")


async def in_background(function: Callable[[], None]) -> None:
    """Await a function in a daemon thread.

    The function may block for ever, as writing to a pipe that nobody reads does: when
    this is cancelled, the thread is left alone, and the program can end all the same.

    Raises:
        Exception: Whatever `function` raised.
    """
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def settle(error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def work() -> None:
        outcome = None
        try:
            function()
        except Exception as error:
            outcome = error
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=work, daemon=True).start()
    await done


class BatchWriter(ABC, Generic[_T]):
    """Writes what it is given in batches, into a file."""

    may_block: ClassVar = False

    def __init__(self) -> None:
        self._waiting: deque[_T] = deque()
        self._writing = threading.Lock()
        self._error: Exception | None = None

    @abstractmethod
    def write(self, batch: list[_T]) -> None:
        """Write a batch; may be called from any thread, but only from one at a time."""

    @property
    def is_full(self) -> bool:
        """Whether so much waits that it should be written first."""
        return len(self._waiting) >= _MOST_WAITING

    def add(self, item: _T, /) -> None:
        """Let an item wait for the next batch."""
        self._waiting.append(item)

    async def flush(self) -> None:
        """Write what waits, in a thread; see `finish`."""
        if self._waiting:
            await in_background(self.finish)

    def finish(self) -> None:
        """Write what waits, after what another thread is writing.

        Raises:
            OutputError: It cannot be written, or an earlier batch could not be.
        """
        with self._writing:
            # Whoever awaited the earlier batch may have been cancelled before its error came.
            if self._error is not None:
                raise self._error
            batch: list[_T] = []
            while self._waiting:
                batch.append(self._waiting.popleft())
            if batch:
                try:
                    self.write(batch)
                except Exception as error:
                    self._error = error
                    raise


class BackgroundIds:
    """Ids read in a thread of their own, for one pass within an event loop.

    Attributes:
        ended: Whether all batches have been iterated over.
    """

    def __init__(self, source: IdSource) -> None:
        self.ended = False
        self._loop = asyncio.get_running_loop()
        self._batches: deque[list[str] | Exception | None] = deque()
        self._changed = asyncio.Event()
        self._room = threading.Semaphore(_PIECES_AHEAD)
        self._stopped = False
        threading.Thread(target=self._read, args=(source,), daemon=True).start()

    def stop(self) -> None:
        """Let the iteration end at once."""
        self._stopped = True
        self._changed.set()

    async def batches(self) -> AsyncIterator[list[str]]:
        """Iterate over the ids, as many at a time as have been read.

        Raises:
            InputError: The rest cannot be read.
        """
        while not self._stopped:
            if not self._batches:
                self._changed.clear()
                await self._changed.wait()
                continue
            batch = self._batches.popleft()
            if batch is None:
                self.ended = True
                return
            if isinstance(batch, Exception):
                raise batch
            self._room.release()
            yield batch

    def _read(self, source: IdSource) -> None:
        batch: list[str] = []

        def hand_over() -> None:
            nonlocal batch
            if batch:
                self._room.acquire()
                self._put(batch)
                batch = []

        with contextlib.suppress(RuntimeError):  # the loop has been closed
            try:
                for phone_number_id in source.ids(hand_over):
                    batch.append(phone_number_id)
                    if len(batch) >= _LARGEST_BATCH:
                        hand_over()
                hand_over()
            except Exception as error:
                self._put(error)
            else:
                self._put(None)

    def _put(self, batch: list[str] | Exception | None) -> None:
        self._loop.call_soon_threadsafe(self._received, batch)

    def _received(self, batch: list[str] | Exception | None) -> None:
        self._batches.append(batch)
        self._changed.set()
