"""What the exit codes mean, and the two errors that have no class in the library."""

from __future__ import annotations

from enum import IntEnum

import click


class ExitCode(IntEnum):
    """How a command ended."""

    ALL_FOUND = 0
    NOT_FOUND = 1
    USAGE = 2
    KEY_REFUSED = 3
    OUTPUT_FAILED = 4
    SOME_FAILED = 5
    QUOTA = 6
    SERVER_AWAY = 7
    INTERRUPTED = 130
    PIPE_CLOSED = 141


MEANINGS = {
    ExitCode.ALL_FOUND: "all found",
    ExitCode.NOT_FOUND: "some not found",
    ExitCode.USAGE: "wrong usage",
    ExitCode.KEY_REFUSED: "key refused",
    ExitCode.OUTPUT_FAILED: "output not written",
    ExitCode.SOME_FAILED: "some failed",
    ExitCode.QUOTA: "quota used up",
    ExitCode.SERVER_AWAY: "server away",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.PIPE_CLOSED: "reader gone",
}
"""Each code in a few words."""


class OutputError(Exception):
    """Something cannot be written.

    Args:
        name: What, as people read it: a path in quotes, or `standard output`.
        error: Why.
    """

    def __init__(self, name: str, error: OSError | str) -> None:
        reason = error if isinstance(error, str) else error.strerror or str(error)
        super().__init__(f"cannot write {name}: {reason}")


class Refusal(click.ClickException):
    """The command is used correctly, but the state of files or of the input forbids to go on."""

    exit_code = ExitCode.USAGE
