"""What `soak.py` measures of its own process: how evenly the event loop beats, and memory."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import sys
import time
from array import array
from pathlib import Path
from statistics import fmean

HEARTBEAT = 0.01
PAGE = os.sysconf("SC_PAGE_SIZE")


class Series:
    """Values over time, kept in arrays so that keeping them makes nothing that would be measured."""

    def __init__(self) -> None:
        self._times, self._values = array("d"), array("d")

    @property
    def last_at(self) -> float:
        """When the last value was added."""
        return self._times[-1] if self._times else -math.inf

    def add(self, at: float, value: float) -> None:
        """Add a value."""
        self._times.append(at)
        self._values.append(value)

    def slope(self) -> float:
        """Fit a line through the last four fifths, and return what it rises by a minute."""
        late = slice(len(self._times) // 5, None)
        times, values = self._times[late], self._values[late]
        mean_time, mean_value = fmean(times), fmean(values)
        spread = sum((at - mean_time) ** 2 for at in times)
        rise = sum((at - mean_time) * (value - mean_value) for at, value in zip(times, values, strict=True))
        return 60 * rise / spread if spread else 0.0

    def each_minute(self) -> list[float]:
        """Pick the last value of each minute."""
        minutes = (int((at - self._times[0]) // 60) for at in self._times)
        return list(dict(zip(minutes, self._values, strict=True)).values())


class Pulse:
    """How evenly the event loop beats while a client lives, and how much memory the process holds.

    Attributes:
        worst: The longest that the loop was late, in seconds.
        worst_own: The most CPU time that this process used between two beats, in seconds.
        memory: Bytes resident.
        blocks: Blocks of memory alive when no client was.
    """

    def __init__(self) -> None:
        self.worst = self.worst_own = 0.0
        self.memory = Series()
        self.blocks = Series()

    async def beat(self) -> None:
        """Measure until cancelled."""
        while True:
            before, used = time.monotonic(), time.process_time()
            await asyncio.sleep(HEARTBEAT)
            now = time.monotonic()
            self.worst = max(self.worst, now - before - HEARTBEAT)
            self.worst_own = max(self.worst_own, time.process_time() - used)
            if now - self.memory.last_at >= 1:
                self.memory.add(now, resident_bytes())

    def rest(self) -> None:
        """Count what is alive between two clients."""
        gc.collect()
        self.blocks.add(time.monotonic(), sys.getallocatedblocks())


def resident_bytes() -> int:
    """Read the memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
