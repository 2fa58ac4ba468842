"""Results written as they come, to standard output or to whatever else is not a file."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

from elevenphone.cli.exit_codes import OutputError
from elevenphone.cli.fetch.background import in_background
from elevenphone.cli.formats.columns import Selection
from elevenphone.cli.formats.files import Target
from elevenphone.cli.formats.lines import encode_line
from elevenphone.cli.formats.rows import text_form
from elevenphone.cli.shell import Shell
from elevenphone.cli.show.verdicts import Complaints
from elevenphone.lookups import Failed, Lookup

# Lines that wait; whoever makes more has to wait too.
_MOST_WAITING = 5_000


class LineWriter:
    """Appends lines to a file in batches; `write` may be called from any thread.

    Args:
        descriptor: The file.
        name: What it is called in a message.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self._name = name
        self._waiting: deque[bytes] = deque()
        self._writing = threading.Lock()

    @property
    def is_full(self) -> bool:
        """Whether so many lines wait that they should be written first."""
        return len(self._waiting) >= _MOST_WAITING

    def add(self, line: bytes) -> None:
        """Let a line wait for the next batch."""
        self._waiting.append(line)

    def write(self) -> None:
        """Write all lines that wait, after those that another thread is writing.

        Raises:
            OutputError: They cannot be written.
            BrokenPipeError: Nobody reads the file any longer.
        """
        with self._writing:
            lines: list[bytes] = []
            while self._waiting:
                lines.append(self._waiting.popleft())
            rest = memoryview(b"".join(lines))
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

    Attributes:
        complaints: What failed, and what to do.

    Raises:
        OutputError: One of them cannot be opened.
    """

    def __init__(self, shell: Shell, target: Target, selection: Selection, failures: Path | None) -> None:
        self.complaints = Complaints()
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
        if isinstance(lookup, Failed):
            self.complaints.add(lookup)
            if self._failed is not None:
                self._failed.add(encode_line(lookup))

    async def flush(self) -> None:
        """Write the answers that wait."""
        await in_background(self.finish)

    def finish(self) -> None:
        """Write the answers that wait, however long that takes."""
        self._writer.write()
        if self._failed is not None:
            self._failed.write()
