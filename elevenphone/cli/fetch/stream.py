"""Results written as they come, to standard output or to whatever else is not a file."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import ClassVar, NamedTuple, Self

from elevenphone.cli.errors import OutputError
from elevenphone.cli.fetch.background import BatchWriter
from elevenphone.cli.formats.columns import Selection
from elevenphone.cli.formats.files import Target
from elevenphone.cli.formats.lines import encode_lines
from elevenphone.cli.formats.rows import text_form
from elevenphone.cli.shell import Shell
from elevenphone.lookups import Failed, Lookup


class _Output(NamedTuple):
    """An open file, and what it is called in a message."""

    descriptor: int
    name: str

    def write(self, text: bytes) -> None:
        """Write all of a text.

        Raises:
            OutputError: It cannot be written.
            BrokenPipeError: Nobody reads the file any longer.
        """
        rest = memoryview(text)
        try:
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(self.name, error) from None


class StreamSink(BatchWriter[Lookup]):
    """Writes answers, and those that failed to a file as well.

    Args:
        shell: Where standard output is.
        target: Where to write; its path is `None` for standard output.
        selection: What to write of each.
        failures: That file, or `None`.

    Raises:
        OutputError: One of them cannot be opened.
    """

    may_block: ClassVar = True

    def __init__(self, shell: Shell, target: Target, selection: Selection, failures: Path | None) -> None:
        super().__init__()
        self._selection = selection
        self._form = text_form(target.format, selection)
        self._files = contextlib.ExitStack()
        if target.path is None:
            shell.flush()
            self._output = _Output(shell.output.fileno(), "standard output")
        else:
            self._output = self._opened(target.path)
        self._failed = None if failures is None else self._opened(failures)

    def __enter__(self) -> Self:
        self._output.write(self._form.header)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._files:
            # Not after a failed write, nor for somebody in a hurry: the reader may be asleep.
            if not isinstance(error, BrokenPipeError | OutputError | KeyboardInterrupt):
                self.finish()

    def _opened(self, path: Path) -> _Output:
        try:
            file = self._files.enter_context(path.open("wb", buffering=0))
        except OSError as error:
            raise OutputError(f"'{path}'", error) from None
        return _Output(file.fileno(), f"'{path}'")

    def has(self, index: int, phone_number_id: str) -> bool:  # noqa: ARG002 - as a file
        """Say that nothing was answered by an earlier run."""
        return False

    def write(self, batch: list[Lookup]) -> None:
        """Write answers; see `BatchWriter`."""
        taken = filter(self._selection.takes, batch)
        self._output.write(b"".join(map(self._form.encode, taken)))
        if self._failed is not None:
            self._failed.write(encode_lines(each for each in batch if isinstance(each, Failed)))
