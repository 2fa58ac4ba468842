"""The most memory that a process has had."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def peak_bytes() -> int:
    """Say how much memory this process has had at most, since it began to run its own program."""
    if _STATUS.exists():
        # What getrusage tells begins with the size of the process that started this one.
        return peak_in(_STATUS.read_text())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_in(status: str) -> int:
    """Read the peak from the text of /proc/self/status; 0 where it is not there."""
    found = _PEAK.search(status)
    return int(found[1]) * 1024 if found else 0
