"""How many requests are served at once, and how many a second."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

from elevenphone.emulator._settings import Settings
from elevenphone.emulator._stats import Counters


class Places:
    """The places where requests are served, and the queue in front of them.

    Requests get a place in order of arrival.

    Args:
        settings: `concurrency_limit` and `queue` are read whenever they are needed.
        counters: Where requests being served, and waiting, are counted.
    """

    def __init__(self, settings: Settings, counters: Counters) -> None:
        self._settings = settings
        self._counters = counters
        self._waiting: OrderedDict[asyncio.Future[bool], None] = OrderedDict()

    @property
    def full(self) -> bool:
        """Whether the next request finds neither a place nor room in the queue."""
        return not self._free and self._counters.waiting >= self._settings.queue

    @property
    def _free(self) -> bool:
        limit = self._settings.concurrency_limit
        return limit is None or self._counters.in_flight < limit

    async def enter(self, client_gone: asyncio.Future[None]) -> bool:
        """Take a place, and wait for it if none is free.

        Args:
            client_gone: Done once the client has closed its connection.

        Returns:
            Whether there is a place; `False` if the client left before its turn came.
        """
        if self._free:  # nobody waits then: `fill` gives every free place away
            self._counters.enter()
            return True
        return await self._wait(client_gone)

    async def _wait(self, client_gone: asyncio.Future[None]) -> bool:
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def give_up(_: object) -> None:
            if self._forget(turn):
                turn.set_result(False)

        self._waiting[turn] = None
        self._counters.wait()
        client_gone.add_done_callback(give_up)
        began = time.monotonic()
        try:
            return await asyncio.shield(turn)  # the turn itself is never cancelled
        except asyncio.CancelledError:
            if not self._forget(turn) and turn.result():
                self.leave()  # its turn came just before the cancellation
            raise
        finally:
            self._counters.seconds_waited += time.monotonic() - began
            client_gone.remove_done_callback(give_up)

    def leave(self) -> None:
        """Give a place back."""
        self._counters.leave()
        self.fill()

    def fill(self) -> None:
        """Give free places to the requests that have waited longest."""
        while self._waiting and self._free:
            turn = next(iter(self._waiting))
            self._forget(turn)
            self._counters.enter()
            turn.set_result(True)

    def _forget(self, turn: asyncio.Future[bool]) -> bool:
        """Take a request out of the queue; tell whether it was in there."""
        if turn not in self._waiting:
            return False
        del self._waiting[turn]
        self._counters.waiting -= 1
        return True


class TokenBucket:
    """Admits a rate, and a burst above it."""

    def __init__(self) -> None:
        self._tokens: float | None = None
        self._filled_at = 0.0

    def take(self, now: float, rate: float, burst: float) -> bool:
        """Take one token if there is one.

        Args:
            now: A monotonic time in seconds.
            rate: Tokens that come back each second.
            burst: Most tokens the bucket holds; it starts full.

        Returns:
            Whether there was one.
        """
        tokens = burst if self._tokens is None else self._tokens + (now - self._filled_at) * rate
        tokens = min(tokens, burst)
        self._filled_at = now
        admitted = tokens >= 1
        self._tokens = tokens - 1 if admitted else tokens
        return admitted
