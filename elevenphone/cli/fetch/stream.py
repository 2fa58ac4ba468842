"""Results written as they come, to standard output or to whatever else is not a file."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from elevenphone.cli.errors import OutputError
from elevenphone.cli.fetch.background import BatchWriter, in_background
from elevenphone.cli.formats.columns import Selection
from elevenphone.cli.formats.files import Target
from elevenphone.cli.formats.lines import encode_line
from elevenphone.cli.formats.rows import text_form
from elevenphone.cli.shell import Shell
from elevenphone.lookups import Failed, Lookup


class LineWriter(BatchWriter[bytes]):
    """Appends lines to a file.

    Args:
        descriptor: The file.
        name: What it is called in a message.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._name = name

    def write(self, batch: list[bytes]) -> None:
        """Write lines; see `BatchWriter`.

        Raises:
            OutputError: They cannot be written.
            BrokenPipeError: Nobody reads the file any longer.
        """
        rest = memoryview(b"".join(batch))
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(self._name, error) from None


class StreamSink:
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
        self._selection = selection
        self._form = text_form(target.format, selection)
        self._files = contextlib.ExitStack()
        if target.path is None:
            shell.flush()
            self._writer = LineWriter(shell.output.fileno(), "standard output")
        else:
            self._writer = self._writer_to(target.path)
        self._failed = None if failures is None else self._writer_to(failures)
        if self._form.header:
            self._writer.add(self._form.header)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._files:
            # Not after a failed write, nor for somebody in a hurry: the reader may be asleep.
            if not isinstance(error, BrokenPipeError | OutputError | KeyboardInterrupt):
                self.finish()

    def _writer_to(self, path: Path) -> LineWriter:
        try:
            file = self._files.enter_context(path.open("wb", buffering=0))
        except OSError as error:
            raise OutputError(f"'{path}'", error) from None
        return LineWriter(file.fileno(), f"'{path}'")

    @property
    def is_full(self) -> bool:
        """Whether the reader is slower than the server."""
        return self._writer.is_full

    def has(self, index: int, phone_number_id: str) -> bool:  # noqa: ARG002 - as a journal
        """Say that nothing was answered by an earlier run."""
        return False

    def add(self, lookup: Lookup) -> None:
        """Let an answer wait for the next write."""
        if self._selection.takes(lookup):
            self._writer.add(self._form.encode(lookup))
        if self._failed is not None and isinstance(lookup, Failed):
            self._failed.add(encode_line(lookup))

    async def flush(self) -> None:
        """Write the answers that wait."""
        await in_background(self.finish)

    def finish(self) -> None:
        """Write the answers that wait, however long that takes."""
        self._writer.finish()
        if self._failed is not None:
            self._failed.finish()
