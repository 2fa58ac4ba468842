"""How exceptions become exit codes."""

from __future__ import annotations

import click

from elevenphone.cli.exit_codes import ExitCode, OutputError
from elevenphone.errors import ElevenPhoneError


def exit_code_of_exception(error: BaseException) -> ExitCode:
    """Choose the exit code of a command that ends with an exception."""
    match error:
        case click.Abort() | KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case click.ClickException():
            return ExitCode(error.exit_code) if error.exit_code != 1 else ExitCode.USAGE
        case ElevenPhoneError():
            from elevenphone.cli.show.verdicts import exit_code_of_error  # noqa: PLC0415 - `--help` needs it not

            return exit_code_of_error(error)
        case BrokenPipeError():
            return ExitCode.PIPE_CLOSED
        case OutputError() | OSError():
            return ExitCode.OUTPUT_FAILED
        case _:
            raise error
