"""The group of commands, and the one place where exceptions become exit codes."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Generator
from importlib import import_module

import click

from elevenphone import __version__
from elevenphone.cli._exit_codes import ExitCode, OutputError, Refusal
from elevenphone.cli._text import printable
from elevenphone.errors import ElevenPhoneError

# Name of the command to its line in the help. `elevenphone.cli._<name>` has it as `command`, and is imported
# when the command is asked for: the help alone shall not take the time of all of them.
_COMMANDS = {
    "demo": "Look 2,000 numbers up without a key, on an emulator.",
    "get": "Look one or several numbers up by id.",
    "fetch": "Look a list of numbers up, however long.",
    "doctor": "Check the key, the way to the server, and one lookup.",
    "emulator": "Run the API on this machine, until Ctrl-C.",
    "completion": "Print what makes a shell complete commands.",
}


class _PipeClosedError(Exception):
    """Standard output's reader went away; no `OSError`, as click would make exit code 1 of that."""


@contextlib.contextmanager
def _pipe_watched() -> Generator[None]:
    try:
        yield
    except BrokenPipeError:
        raise _PipeClosedError from None


class LazyGroup(click.Group):
    """A group that imports a command when it is asked for."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: object,
    ) -> click.Context:
        """Parse the command line, which may print a help text."""
        with _pipe_watched():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        with _pipe_watched():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """List the commands in the order in which a newcomer needs them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"elevenphone.cli._{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands in the help, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def elevenphone() -> None:
    """Look ElevenLabs phone numbers up by id.

    The key is read from ELEVENLABS_API_KEY, or from a file (--api-key-file).

    \b
    Examples:
      elevenphone demo                        try it, without a key
      elevenphone get phnum_01jxaeyg3feh...   look one number up
      elevenphone fetch ids.txt -o out.csv    a list of them, however long
      elevenphone doctor                      why it does not work
      elevenphone emulator --port 8011        the API on this machine

    \b
    Exit codes:
      0    everything was found
      1    some numbers were not found, or failed
      2    wrong usage: an option, an id, a setting
      3    the key was refused
      4    the output could not be written
      130  interrupted
      141  the reader of the output went away
    """  # noqa: D301 - click wants the character itself


def run() -> int:
    """Run the command line, and turn whatever it raises into one line and a code.

    Returns:
        The exit code.
    """
    _never_fail_at_encoding()
    try:
        code = elevenphone.main(prog_name="elevenphone", standalone_mode=False)
        _flush_output()
    except (click.Abort, KeyboardInterrupt) as error:
        return _fail("interrupted", ExitCode.INTERRUPTED, error.__cause__ or error)
    except Refusal as error:
        return _fail(error.message, error.exit_code, error)
    except click.ClickException as error:
        error.show()
        _show_notes(error)
        return error.exit_code
    except ElevenPhoneError as error:
        from elevenphone.cli._explanations import exit_code_of_error, explained  # noqa: PLC0415 - seldom needed

        return _fail(explained(error), exit_code_of_error(error), error)
    except OutputError as error:
        return _fail(str(error), ExitCode.OUTPUT_FAILED, error)
    except (BrokenPipeError, _PipeClosedError):
        _discard_output()
        return ExitCode.PIPE_CLOSED
    except OSError as error:
        _discard_output()
        return _fail(f"cannot write: {error.strerror or error}", ExitCode.OUTPUT_FAILED, error)
    return code if isinstance(code, int) else ExitCode.ALL_FOUND


def _fail(message: str, code: int, error: BaseException) -> int:
    click.echo(f"elevenphone: {printable(message)}", err=True)
    _show_notes(error)
    return code


def _show_notes(error: BaseException) -> None:
    """Say what a command added to an error on its way here: what is kept, what to do."""
    for note in getattr(error, "__notes__", ()):
        click.echo(note, err=True)


def _never_fail_at_encoding() -> None:
    """Let a terminal that lacks a script see escapes rather than an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush_output() -> None:
    # Here, where a full disk or a closed pipe still becomes an exit code.
    if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] - closed by the caller (>&-)
        sys.stdout.flush()


def _discard_output() -> None:
    """Point standard output at nothing, so that the interpreter's last flush cannot fail."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
