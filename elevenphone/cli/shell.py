"""Where a command runs: its arguments, variables and streams as one object, and its event loop."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, TextIO, TypeVar, cast

from elevenphone.cli.errors import OutputError
from elevenphone.cli.text import printable, wrapped

if TYPE_CHECKING:
    import asyncio

_USUAL_WIDTH = 80
# Rows, help and progress cannot be read in less.
_LEAST_WIDTH = 20
# uvloop opens as many to begin with.
_DESCRIPTORS_OF_A_LOOP = 10
_T = TypeVar("_T")


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
        self.errors.write(f"{wrapped(text, self.width) if self.errors.isatty() else text}\n")
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
    """Standard error; what cannot be written to it is dropped, because no result is."""

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


def run(main: Coroutine[object, object, _T]) -> _T:
    """Run a coroutine as `asyncio.run` does, on uvloop's event loop if that is installed.

    Raises:
        OSError: The process may open no more files.
    """
    import asyncio  # noqa: PLC0415 - help needs no event loop

    try:
        _require_descriptors()
        with asyncio.Runner(loop_factory=_loop_factory()) as opened:
            return opened.run(main)
    finally:
        main.close()  # it has not begun where no loop could be made


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory; `None`, for asyncio's own, where uvloop cannot be imported."""
    try:
        # By its name, as types are checked where it is not installed too.
        factory: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return factory


def _require_descriptors() -> None:
    """Fail here if the process may open too few files: uvloop then fails with a traceback of its own."""
    with contextlib.ExitStack() as opened:
        for _ in range(_DESCRIPTORS_OF_A_LOOP):
            opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
