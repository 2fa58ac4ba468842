"""Blocking work in threads, which delays neither the event loop nor the end of the program."""

from __future__ import annotations

import asyncio
import contextlib
import threading
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
        ended: Whether all batches have been iterated over.
    """

    def __init__(self, source: IdSource) -> None:
        self.ended = False
        self._source = source
        self._loop = asyncio.get_running_loop()
        # `None` is the end.
        self._batches: asyncio.Queue[list[str] | Exception | None] = asyncio.Queue()
        self._room = threading.Semaphore(_PIECES_AHEAD)
        self._stopped = False
        threading.Thread(target=self._read, daemon=True).start()

    def stop(self) -> None:
        """Let the iteration end at once."""
        self._stopped = True
        self._batches.put_nowait(None)

    async def batches(self) -> AsyncIterator[list[str]]:
        """Iterate over the ids, as many at a time as have been read.

        Raises:
            InputError: The rest cannot be read.
        """
        while (batch := await self._batches.get()) is not None and not self._stopped:
            if isinstance(batch, Exception):
                raise batch
            self._room.release()
            yield batch
        self.ended = not self._stopped

    def _read(self) -> None:
        batch: list[str] = []

        def hand_over() -> None:
            nonlocal batch
            if batch:
                self._room.acquire()
                self._put(batch)
                batch = []

        with contextlib.suppress(RuntimeError):  # the loop has been closed
            try:
                for phone_number_id in self._source.ids(hand_over):
                    batch.append(phone_number_id)
                    if len(batch) >= _LARGEST_BATCH:
                        hand_over()
                hand_over()
            except Exception as error:
                self._put(error)
            else:
                self._put(None)

    def _put(self, batch: list[str] | Exception | None) -> None:
        self._loop.call_soon_threadsafe(self._batches.put_nowait, batch)
