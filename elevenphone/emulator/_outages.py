"""Outages: switched on and off by hand, or planned."""

from __future__ import annotations

import asyncio

from elevenphone.emulator._listener import Listener
from elevenphone.emulator._settings import Settings


class Outages:
    """Follows the settings whose names begin with `outage`.

    Attributes:
        unavailable: Whether everything is answered 503 now.
    """

    def __init__(self, settings: Settings, listener: Listener) -> None:
        self.unavailable = False
        self._settings = settings
        self._listener = listener
        self._started_at = asyncio.get_running_loop().time()
        self._under_way = 0
        self._timers: list[asyncio.TimerHandle] = []
        self.reschedule()

    def reschedule(self) -> None:
        """Plan the outages of the settings; their times count from the start of the emulator."""
        self.cancel()
        self._under_way = 0
        loop = asyncio.get_running_loop()
        for start, duration in self._settings.outages:
            begin = self._started_at + start
            if begin + duration > loop.time():
                self._timers.append(loop.call_at(begin, self._shift, 1))
                self._timers.append(loop.call_at(begin + duration, self._shift, -1))
        self.follow()

    def follow(self) -> None:
        """Begin or end an outage if the settings say so."""
        active = self._settings.outage or self._under_way > 0
        refused = active and self._settings.outage_kind == "refused"
        self.unavailable = active and not refused
        if refused:
            self._listener.refuse()
        else:
            self._listener.resume()

    def _shift(self, change: int) -> None:
        self._under_way += change
        self.follow()

    def cancel(self) -> None:
        """Cancel the outages that are planned."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
