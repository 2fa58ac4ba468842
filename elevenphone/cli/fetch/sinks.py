"""What takes the answers of a run: a file, by way of a journal, or a stream."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, ClassVar, NamedTuple, Self

from elevenphone.cli.errors import OutputError
from elevenphone.cli.fetch.background import in_background
from elevenphone.cli.fetch.journal import Journal
from elevenphone.cli.formats.columns import Selection
from elevenphone.cli.formats.files import Target, whole_file
from elevenphone.cli.formats.lines import decode_line, encode_lines
from elevenphone.cli.formats.rows import rows_of, text_form
from elevenphone.cli.shell import Shell
from elevenphone.lookups import Failed, Lookup

# Answers that wait to be written; whoever makes more has to wait too. An answer takes a few KB.
_MOST_WAITING = 2_500
# Answers that wait for the answer to an earlier id.
_MOST_EARLY = 2_000
_index = attrgetter("index")
# A disk is slow if it keeps the event loop waiting for more seconds than these, and more than this part.
_SHORT_WAITS, _SMALL_PART = 0.1, 0.05


class Sink(ABC):
    """Takes answers, and writes them in batches.

    Attributes:
        may_block: Whether writing may take for ever, as it does into a pipe that nobody reads.
    """

    may_block: ClassVar = False

    def __init__(self) -> None:
        self._waiting: deque[Lookup] = deque()
        self._writing = threading.Lock()
        self._error: Exception | None = None
        self._began = time.perf_counter()
        self._waited_for_disk = 0.0

    @abstractmethod
    def write(self, batch: list[Lookup]) -> None:
        """Write a batch; may be called from any thread, but only from one at a time."""

    def has(self, index: int, phone_number_id: str) -> bool:  # noqa: ARG002 - for a sink that goes on
        """Tell whether an id was answered in an earlier run."""
        return False

    @property
    def is_full(self) -> bool:
        """Whether so much waits that it should be written first."""
        return len(self._waiting) >= _MOST_WAITING

    def add(self, lookup: Lookup) -> None:
        """Let an answer wait for the next batch."""
        self._waiting.append(lookup)

    async def flush(self) -> None:
        """Write what waits; see `finish`.

        Into a file at once: a thread would wait for the interpreter after each row and each piece, longer
        than writing takes. What may block for ever is written in a thread, and so is a file on a slow disk.
        """
        if not self._waiting:
            return
        started, worked = time.perf_counter(), time.thread_time()
        if self.may_block or self._waited_for_disk > max(_SHORT_WAITS, _SMALL_PART * (started - self._began)):
            await in_background(self.finish)
        else:
            self.finish()
            self._waited_for_disk += time.perf_counter() - started - (time.thread_time() - worked)

    def finish(self) -> None:
        """Write what waits, after what another thread is writing.

        Raises:
            OutputError: It cannot be written, or an earlier batch could not be.
        """
        with self._writing:
            # Whoever awaited the earlier batch may have been cancelled before its error came.
            if self._error is not None:
                raise self._error
            batch: list[Lookup] = []
            while self._waiting:
                batch.append(self._waiting.popleft())
            if batch:
                try:
                    self.write(batch)
                except Exception as error:
                    self._error = error
                    raise


class FileSink(Sink):
    """Keeps answers in a journal, and makes the output and the file of what failed.

    The files appear when they are whole. As long as the answers come nearly in the order of the input,
    they are written at once, which is cheaper than to read them from the journal at the end. The rest,
    and those of an earlier run, are read from there.

    Args:
        journal: The journal, which has begun.
        target: Where to write.
        selection: What to write of each.
        failures: A file for those that failed as well, or `None`.

    Raises:
        OutputError: A file cannot be written.
    """

    def __init__(self, journal: Journal, target: Target, selection: Selection, failures: Path | None) -> None:
        super().__init__()
        self._journal = journal
        self._target = target
        self._selection = selection
        self._failures = failures
        self._follows = not journal.kept
        self._early: dict[int, tuple[Lookup, bytes]] = {}
        self._files: contextlib.ExitStack | None = self._open()

    def _open(self) -> contextlib.ExitStack:
        self._next = 0
        with contextlib.ExitStack() as files:
            failures = self._failures
            self._failed = None if failures is None else files.enter_context(self._whole(failures))
            self._file = files.enter_context(self._whole(self._target.file))
            self._rows = files.enter_context(rows_of(self._target.format, self._file, self._selection))
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
        """Keep answers, and write those whose turn it is; see `Sink`."""
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
        answers = zip(lookups, lines, strict=True)
        self._early.update(zip(map(_index, lookups), answers, strict=True))
        turn: list[tuple[Lookup, bytes]] = []
        while (answer := self._early.pop(self._next + len(turn), None)) is not None:
            turn.append(answer)
        self._next += len(turn)
        try:
            if turn:
                self._export(turn)
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
        files, self._files = self._files or self._open(), None
        with files:
            lines = self._journal.in_order(count, self._next)
            if self._target.format == "jsonl" and self._selection == Selection() and self._failed is None:
                self._file.writelines(lines)  # as they are
                return
            self._export((decode_line(line), line) for line in lines)

    def close(self) -> None:
        """Delete the files if they are not complete."""
        self._stop_following()
        files, self._files = self._files, None
        if files is not None:
            with contextlib.suppress(OutputError):
                files.__exit__(OSError, OSError(), None)

    def _export(self, answers: Iterable[tuple[Lookup, bytes]]) -> None:
        if self._failed is not None or self._selection.no_agent:
            answers = self._taken(answers)
        self._rows.add(answers)

    def _taken(self, answers: Iterable[tuple[Lookup, bytes]]) -> Iterator[tuple[Lookup, bytes]]:
        for lookup, line in answers:
            if self._failed is not None and isinstance(lookup, Failed):
                self._failed.write(line)
            if self._selection.takes(lookup):
                yield lookup, line


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


class StreamSink(Sink):
    """Writes answers as they come, to standard output or to whatever else is not a file.

    Args:
        shell: Where standard output is.
        target: Where to write; its path is `None` for standard output.
        selection: What to write of each.
        failures: A file for those that failed as well, or `None`.

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

    def write(self, batch: list[Lookup]) -> None:
        """Write answers; see `Sink`."""
        taken = filter(self._selection.takes, batch)
        self._output.write(b"".join(map(self._form.encode, taken)))
        if self._failed is not None:
            self._failed.write(encode_lines(each for each in batch if isinstance(each, Failed)))
