"""What the command line's exit codes mean."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    ALL_FOUND = 0
    SOME_FAILED = 1
    USAGE = 2
    KEY_REFUSED = 3
    OUTPUT_FAILED = 4
    INTERRUPTED = 130
    PIPE_CLOSED = 141
