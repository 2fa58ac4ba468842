"""Consoles of rich on the streams of a shell."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console

from elevenphone.cli.shell import Shell


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # exit codes are decided in one place, which is not here


def output_console(shell: Shell) -> Console:
    """Make a console on standard output."""
    return _console(shell, shell.output)


def error_console(shell: Shell) -> Console:
    """Make a console on standard error."""
    return _console(shell, shell.errors)


def _console(shell: Shell, stream: TextIO) -> Console:
    return _Console(file=stream, markup=False, highlight=False, emoji=False, _environ=shell.environment)
