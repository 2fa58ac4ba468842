"""Results written into a file, by way of a journal."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from elevenphone.cli.errors import OutputError
from elevenphone.cli.fetch.background import BatchWriter
from elevenphone.cli.fetch.journal import Journal
from elevenphone.cli.fetch.order import Order
from elevenphone.cli.formats.columns import Selection
from elevenphone.cli.formats.files import whole_file
from elevenphone.cli.formats.lines import decode_line
from elevenphone.cli.formats.rows import rows_of
from elevenphone.lookups import Failed, Lookup

# Answers that wait for the answer to an earlier id.
_MOST_EARLY = 2_000


class FileSink(BatchWriter[Lookup]):
    """Keeps answers in a journal, and makes the output and the file of what failed.

    The files appear when they are whole. As long as the answers come nearly in the order of the input,
    they are written at once, which is cheaper than to read them from the journal at the end. The rest,
    and those of an earlier run, are read from there.

    Args:
        journal: The journal, which has begun.
        order: What to write, and where to.

    Raises:
        OutputError: A file cannot be written.
    """

    def __init__(self, journal: Journal, order: Order) -> None:
        super().__init__()
        self._journal = journal
        self._order = order
        self._follows = not journal.kept
        self._early: dict[int, tuple[Lookup, bytes]] = {}
        self._files: contextlib.ExitStack | None = self._open()

    def _open(self) -> contextlib.ExitStack:
        order = self._order
        self._next = 0
        with contextlib.ExitStack() as files:
            failures = order.failures
            self._failed = None if failures is None else files.enter_context(self._whole(failures))
            self._file = files.enter_context(self._whole(order.target.file))
            self._rows = files.enter_context(rows_of(order.target.format, self._file, order.selection))
            return files.pop_all()

    @contextlib.contextmanager
    def _whole(self, path: Path) -> Generator[BinaryIO]:
        """Make a file of the run, and note that the run may replace it from now on."""
        journal = self._journal
        with whole_file(path, replace=journal.may_replace(path), mark=journal.mark) as file:
            yield file
            journal.note_unfinished(path, file)
        journal.note_made(path)

    def has(self, index: int, phone_number_id: str) -> bool:
        """Tell whether an id was answered in an earlier run; see `Journal.has`."""
        return self._journal.has(index, phone_number_id)

    def write(self, batch: list[Lookup]) -> None:
        """Keep answers, and write those whose turn it is; see `BatchWriter`."""
        try:
            kept = self._journal.keep(batch)
        except OutputError:  # the room that the journal lacks may be that of the unfinished files
            if self._files is None:
                raise
            self.close()
            kept = self._journal.keep(batch)
        for lookups, lines in kept:
            if self._follows:
                self._follow(lookups, lines.splitlines(keepends=True))

    def _follow(self, lookups: list[Lookup], lines: list[bytes]) -> None:
        for lookup, line in zip(lookups, lines, strict=True):
            self._early[lookup.index] = lookup, line
        try:
            while (answer := self._early.pop(self._next, None)) is not None:
                self._export(*answer)
        except OSError:  # such as a full disk; the journal has the answers, so `complete` begins again
            self.close()
        if len(self._early) > _MOST_EARLY:
            self._stop_following()

    def _stop_following(self) -> None:
        self._follows = False
        self._early.clear()

    def complete(self, count: int) -> None:
        """Write the answers that have not been written, and move the files to their places.

        Args:
            count: How many ids there are.

        Raises:
            OutputError: They cannot be written.
            ChangedError: One is missing.
            Refusal: Another file has appeared in such a place.
        """
        order = self._order
        files, self._files = self._files or self._open(), None
        with files:
            lines = self._journal.in_order(count, self._next)
            if order.target.format == "jsonl" and order.selection == Selection() and not order.failures:
                self._file.writelines(lines)  # as they are
                return
            for line in lines:
                self._export(decode_line(line), line)

    def close(self) -> None:
        """Delete the files if they are not complete."""
        self._stop_following()
        files, self._files = self._files, None
        if files is not None:
            with contextlib.suppress(OutputError):
                files.__exit__(OSError, OSError(), None)

    def _export(self, lookup: Lookup, line: bytes) -> None:
        self._next += 1
        if self._order.selection.takes(lookup):
            self._rows.add(lookup, line)
        if self._failed is not None and isinstance(lookup, Failed):
            self._failed.write(line)
