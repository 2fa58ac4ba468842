"""Where a command runs: its arguments, its environment variables and its three streams, as one object."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO, cast

from elevenphone.cli.exit_codes import OutputError
from elevenphone.cli.text import printable, wrapped

_USUAL_WIDTH = 80
# Rows, help and progress cannot be read in less.
_LEAST_WIDTH = 20


class Shell:
    """The surroundings of one command.

    Args:
        arguments: The command line, without the program's name.
        environment: The environment variables.
        stdin: Descriptor of standard input; `None` where the caller closed it.
        stdout: Standard output; `None` where the caller closed it.
        stderr: Standard error; `None` where the caller closed it.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        stdin: int | None,
        stdout: TextIO | None,
        stderr: TextIO | None,
    ) -> None:
        self.arguments = arguments
        self.environment = dict(environment)
        if "COLUMNS" in environment:
            self.environment["COLUMNS"] = _usable_width(environment["COLUMNS"])
        self.stdin = stdin
        self.has_output = stdout is not None
        self._stdout = stdout
        # What writes to it needs no more of a stream than these methods.
        self.errors = cast("TextIO", _ErrorStream(stderr or io.StringIO()))

    @classmethod
    def of_process(cls) -> Shell:
        """Take what this process was started with."""
        stdin = None if sys.stdin is None else sys.stdin.fileno()  # pyright: ignore[reportUnnecessaryComparison] - closed by the caller (<&-)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # A terminal that lacks a script shows escapes instead of an error.
                stream.reconfigure(errors="backslashreplace")
        _fill_closed_descriptors()
        return cls(sys.argv[1:], os.environ, stdin, sys.stdout, sys.stderr)

    @property
    def output(self) -> TextIO:
        """Standard output.

        Raises:
            OutputError: The caller closed it.
        """
        if self._stdout is None:
            raise OutputError("standard output", "it is closed")
        return self._stdout

    @property
    def output_is_terminal(self) -> bool:
        """Whether a person reads standard output."""
        return self._stdout is not None and self._stdout.isatty()

    @property
    def errors_are_terminal(self) -> bool:
        """Whether a person reads standard error."""
        return self.errors.isatty()

    def print(self, text: str) -> None:
        """Write a line to standard output at once."""
        self.output.write(f"{printable(text)}\n")
        self.output.flush()

    def write(self, document: bytes) -> None:
        """Write bytes to standard output; `flush` sends them."""
        self.output.buffer.write(document)

    def flush(self) -> None:
        """Send what was written, where a full disk or a closed pipe still becomes an exit code."""
        if self._stdout is not None:
            self._stdout.flush()

    def say(self, text: str) -> None:
        """Write to standard error, broken at words where that is a terminal."""
        text = "\n".join(map(printable, text.split("\n")))
        self.errors.write(f"{wrapped(text, self.width) if self.errors_are_terminal else text}\n")
        self.errors.flush()

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        with contextlib.suppress(ValueError):
            return int(self.environment.get("COLUMNS", ""))
        for stream in (self.errors, self._stdout):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                return os.get_terminal_size(stream.fileno()).columns or _USUAL_WIDTH  # type: ignore[union-attr]
        return _USUAL_WIDTH

    def discard_output(self) -> None:
        """Point standard output at nothing."""
        if self._stdout is not None:
            _discard(self._stdout)


class _ErrorStream:
    """Standard error; what cannot be written to it is dropped, because no result is.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str, /) -> int:
        """Write a text."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Send what was written."""
        try:
            self._stream.flush()
        except OSError:
            _discard(self._stream)

    def isatty(self) -> bool:
        """Tell whether a person reads it."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return its descriptor."""
        return self._stream.fileno()


def _discard(stream: TextIO) -> None:
    """Point a stream at nothing, so that the interpreter's last flush cannot fail."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


def _usable_width(columns: str) -> str:
    """Return a width that commands can write in; an empty text for that of the terminal."""
    try:
        return str(max(int(columns), _LEAST_WIDTH)) if int(columns) > 0 else ""
    except ValueError:
        return ""


def _fill_closed_descriptors() -> None:
    """Keep files that are opened later from becoming standard input, output or error."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
