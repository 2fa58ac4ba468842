"""A client in a thread with its own event loop, and its runs as plain calls."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Sequence
from concurrent.futures import CancelledError
from typing import Self, TypeVar, cast

from elevenphone.client import PhoneNumberClient
from elevenphone.errors import ConfigurationError
from elevenphone.lookups import Failed, Lookup
from elevenphone.run import Run

_T = TypeVar("_T")


class Session:
    """Owns the client, the event loop and the thread.

    Attributes:
        process: The id of its process. A fork of that process does not have the thread.
    """

    def __init__(self, client: PhoneNumberClient) -> None:
        self.process = os.getpid()
        self._client = client
        self._loop: asyncio.AbstractEventLoop
        # Reentrant: garbage collection may close this while its own thread holds the lock.
        self._lock = threading.RLock()
        self._closed = False
        self._closing = asyncio.Event()
        running = threading.Event()
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._serve(running),), name="elevenphone", daemon=True
        )
        self._thread.start()
        running.wait()

    async def _serve(self, running: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        running.set()
        async with self._client:
            await self._closing.wait()

    def start_run(self, deadline: float | None) -> FedRun:
        """Start a bulk run that gets its ids by `feed`.

        Args:
            deadline: Seconds for each lookup, `None` for no deadline.
        """
        return FedRun(self, self._client, deadline)

    def call(self, coroutine: Coroutine[object, object, _T]) -> _T:
        """Run a coroutine in the loop, and return its result or raise its exception.

        Raises:
            ConfigurationError: The session was closed before the call or during it.
        """
        with self._lock:
            if self._closed:
                coroutine.close()
                raise ConfigurationError("this BatchLookup is closed: make a new one")
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise ConfigurationError("closed while lookups were under way") from None
        finally:
            future.cancel()  # has an effect only if the caller was interrupted

    def post(self, coroutine: Coroutine[object, object, object]) -> None:
        """Start a coroutine in the loop, and do not wait for it. A closed session ignores it."""
        with self._lock:
            if self._closed:
                coroutine.close()
            else:
                asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """Close the client, and cancel everything that is under way."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._loop.call_soon_threadsafe(self._closing.set)
        # Garbage collection may call this in any thread, also in the session's own.
        if threading.current_thread() is not self._thread:
            self._thread.join()


class FedRun:
    """A bulk run in order, fed and emptied by plain calls of one thread."""

    def __init__(self, session: Session, client: PhoneNumberClient, deadline: float | None) -> None:
        self._session = session
        self._ids = _FedIds()
        self._run: Run = session.call(self._enter(client, deadline))

    async def _enter(self, client: PhoneNumberClient, deadline: float | None) -> Run:
        return await client.stream(self._ids, ordered=True, deadline=deadline).__aenter__()

    def feed(self, ids: Sequence[str | None]) -> None:
        """Add ids to the input. The run refuses a null, as every id that is not text."""
        self._session.post(self._ids.feed(cast("Sequence[str]", ids)))

    def take(self, count: int) -> list[Lookup]:
        """Wait for the next lookups.

        Args:
            count: Their number. At least as many ids must have been fed and not yet taken.
        """
        return self._session.call(self._take(count))

    async def _take(self, count: int) -> list[Lookup]:
        lookups = [await anext(self._run) for _ in range(count)]
        for lookup in lookups:
            if isinstance(lookup, Failed) and isinstance(lookup.error, ConfigurationError):
                raise ConfigurationError("closed while lookups were under way")
        return lookups

    def leave(self) -> None:
        """Cancel everything that is under way, and do not wait: a generator may end in any thread."""
        self._session.post(self._run.__aexit__(None, None, None))


class _FedIds(AsyncIterator[str]):
    """An input without an end, which waits for more ids. Leaving the run ends it."""

    def __init__(self) -> None:
        self._ids: deque[str] = deque()
        self._fed = asyncio.Event()

    async def feed(self, ids: Sequence[str]) -> None:
        self._ids.extend(ids)
        self._fed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while not self._ids:
            self._fed.clear()
            await self._fed.wait()
        return self._ids.popleft()
