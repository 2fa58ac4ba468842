"""Blocking work in threads, which delays neither the event loop nor the end of the program."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable

from elevenphone.cli.formats.ids import IdSource

# Pieces read and not yet used.
_PIECES_AHEAD = 2
# For input that is not read in pieces, such as Parquet.
_LARGEST_BATCH = 5_000


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


class BackgroundIds:
    """Ids read in a thread of their own, for one pass within an event loop.

    Attributes:
        ended: Whether every id has been iterated over.
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

    async def __aiter__(self) -> AsyncIterator[str]:
        """Iterate over the ids.

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
            for phone_number_id in batch:
                if self._stopped:
                    return
                yield phone_number_id

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
