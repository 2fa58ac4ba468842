"""What the command line's exit codes mean, and the errors that have one of their own."""

from __future__ import annotations

from enum import IntEnum

import click


class ExitCode(IntEnum):
    """How a command ended."""

    ALL_FOUND = 0
    SOME_FAILED = 1
    USAGE = 2
    KEY_REFUSED = 3
    OUTPUT_FAILED = 4
    INTERRUPTED = 130
    PIPE_CLOSED = 141


class OutputError(Exception):
    """Something cannot be written.

    Args:
        name: What, as it is to be shown.
        error: Why.
    """

    def __init__(self, name: str, error: OSError | str) -> None:
        reason = error if isinstance(error, str) else error.strerror or str(error)
        super().__init__(f"cannot write {name}: {reason}")


class Refusal(click.ClickException):
    """What was asked for cannot be, as things are; the command's use is not what is wrong."""

    exit_code = ExitCode.USAGE
