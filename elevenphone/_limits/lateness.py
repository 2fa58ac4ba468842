"""How late this process is, so that its own work is not mistaken for a queue at the server."""

from __future__ import annotations

import asyncio

from elevenphone._limits.limits import Limits

_SECONDS_BETWEEN_LOOKS = 0.05
# Seconds after the last start after which nothing is measured, even if a request has no answer.
_LONGEST_WATCH = 60.0


class Lateness:
    """Measures, while requests are in flight, by how much the event loop runs a timer late.

    An answer that has arrived waits for its turn in the loop as long as the timer does.
    """

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self._limits = limits
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._due = self._last_start = 0.0

    def watch(self, now: float) -> None:
        """Measure from now, when a request starts, until no request is in flight."""
        self._last_start = now
        if self._timer is None:
            self._set_timer(now)

    def _set_timer(self, now: float) -> None:
        self._due = now + _SECONDS_BETWEEN_LOOKS
        self._timer = self._loop.call_at(self._due, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        self._limits.concurrency.loop_late(max(0.0, now - self._due), now)
        self._timer = None
        if self._limits.in_flight and now < self._last_start + _LONGEST_WATCH:
            self._set_timer(now)

    def close(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
