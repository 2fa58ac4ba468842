"""Results written as they come, to standard output or whatever else is no file."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from elevenphone.cli._background import in_background
from elevenphone.cli._exit_codes import OutputError
from elevenphone.cli._explanations import Complaints
from elevenphone.cli._lines import encode_line
from elevenphone.cli._output import LineWriter
from elevenphone.lookups import Failed, Lookup


class StreamSink:
    """Writes answers, and what failed of them to a file as well.

    Args:
        path: Where to; `None` for standard output.
        failures: That file, or `None`.

    Attributes:
        complaints: What failed, and what to do.

    Raises:
        OutputError: One of them cannot be opened.
    """

    def __init__(self, path: Path | None, failures: Path | None) -> None:
        self.complaints = Complaints()
        self._files = contextlib.ExitStack()
        self._writer = self._writer_to(path)
        self._failed = None if failures is None else self._writer_to(failures)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._files:
            # Neither where that is what failed, nor for somebody in a hurry: the reader may be asleep.
            if not isinstance(error, BrokenPipeError | OutputError | KeyboardInterrupt):
                self.finish()

    def _writer_to(self, path: Path | None) -> LineWriter:
        if path is None:
            return LineWriter(sys.stdout.fileno(), "standard output")
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
        """Say that nothing has been answered before."""
        return False

    def add(self, lookup: Lookup) -> None:
        """Let an answer wait for the next moment."""
        line = encode_line(lookup)
        self._writer.add(line)
        if isinstance(lookup, Failed):
            self.complaints.add(lookup)
            if self._failed is not None:
                self._failed.add(line)

    async def flush(self) -> None:
        """Write what waits."""
        await in_background(self.finish)

    def finish(self) -> None:
        """Write what waits, however long that takes."""
        self._writer.write()
        if self._failed is not None:
            self._failed.write()
