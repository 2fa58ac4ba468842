"""What a run has answered so far, in a file that outlives it however it ends.

Lines are appended and never changed: a header, then one for each answer, in the
form of the output. A later line for the same input takes the place of an earlier.
"""

from __future__ import annotations

import contextlib
import os
import time
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from elevenphone._records import encodable
from elevenphone.cli._background import in_background
from elevenphone.cli._exit_codes import OutputError, Refusal
from elevenphone.cli._ids import Survey
from elevenphone.cli._lines import decode_line, encode_line
from elevenphone.cli._lock import locked
from elevenphone.cli._output import LineWriter, sync_directory
from elevenphone.errors import (
    AuthenticationError,
    DeadlineExceededError,
    PermissionDeniedError,
    RateLimitError,
    TransportError,
)
from elevenphone.lookups import Found, Lookup

_FORMAT = 1
_SECONDS_BETWEEN_SYNCS = 1.0
_BLOCK_BYTES = 65_536


class Header(msgspec.Struct, frozen=True):
    """What a run is about; one that goes on must be about the same.

    Attributes:
        journal: The version of this form.
        server: Whom the ids are asked of.
        ids: How many there are, or `None` where they come through a pipe.
        digest: What tells another list of ids, or `None`.
    """

    journal: int
    server: str
    ids: int | None
    digest: str | None

    @classmethod
    def of(cls, server: str, survey: Survey | None) -> Header:
        """Make the header of a run."""
        return cls(_FORMAT, server, *(survey or (None, None)))


class ChangedError(Refusal):
    """What is to go on is not what was begun."""


class Journal:
    """A journal, locked from its making to its closing.

    Args:
        path: Where it is, or is to be.

    Attributes:
        path: The same.
        header: What it is about; `None` where nothing is in it yet.
        count: One more than the last position that it has an answer for.

    Raises:
        OutputError: It cannot be written, or somebody else writes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header: Header | None = None
        self.count = 0
        # By position, a checksum of the id whose answer stands; 0 where there is none.
        self._answered = array("I")
        self._synced = time.monotonic()
        self._is_spent = False
        with contextlib.ExitStack() as opening:
            try:
                self._file = opening.enter_context(path.open("a+b", buffering=0))
            except OSError as error:
                raise OutputError(f"'{path}'", error) from None
            opening.enter_context(locked(self._file, path))
            self._mend()
            self._writer = LineWriter(self._file.fileno(), f"'{path}'")
            self._open = opening.pop_all()

    @property
    def is_empty(self) -> bool:
        """Whether it holds no answer."""
        return next(self._lines(), None) is None

    @property
    def is_full(self) -> bool:
        """Whether more must wait for `flush`."""
        return self._writer.is_full

    def begin(self, header: Header) -> None:
        """Forget what is there, and begin anew."""
        try:
            self._file.truncate(0)
            self._writer.add(msgspec.json.encode(header) + b"\n")
            self._writer.write(synced=True)
            sync_directory(self.path)
        except OSError as error:
            raise OutputError(f"'{self.path}'", error) from None
        self.header = header

    def resume(self, header: Header) -> Iterator[Lookup]:
        """Go on with what is there.

        Args:
            header: What the run is about now.

        Yields:
            The answers that stand.

        Raises:
            ChangedError: It is about something else.
        """
        if self.header is not None:
            _compare(self.header, header)
        known = None if self.header is None else self.header.ids
        # Through a pipe nobody knows; but each answer takes more bytes than its position counts.
        size = self.path.stat().st_size + 100_000 if known is None else known
        for _, line in self._lines():
            lookup = _decoded(line)
            if lookup is None or not 0 <= lookup.index < size:
                continue
            if not may_pass(lookup) and not self._is_answered(lookup.index):
                self._note(lookup)
                yield lookup

    def has(self, index: int, phone_number_id: str) -> bool:
        """Tell whether an id's answer stands.

        Raises:
            ChangedError: Another id was at this place.
        """
        if not self._is_answered(index):
            return False
        if self._answered[index] != _checksum(phone_number_id):
            raise ChangedError(
                f"the input has changed: id {index + 1:,} is now {phone_number_id!r}, and another was looked "
                "up there. --resume needs the same input; --force starts over."
            )
        return True

    def add(self, lookup: Lookup) -> None:
        """Append an answer, with the next batch."""
        self.count = max(self.count, lookup.index + 1)
        self._writer.add(encode_line(lookup))

    async def flush(self) -> None:
        """Write what waits, and once a second see it to the disk.

        Raises:
            OutputError: That is not possible.
        """
        synced = time.monotonic() - self._synced >= _SECONDS_BETWEEN_SYNCS
        if synced:
            self._synced = time.monotonic()
        await in_background(lambda: self._writer.write(synced=synced))

    def finish(self) -> None:
        """Write what waits and see it to the disk, now; see `flush`."""
        self._writer.write(synced=True)

    def in_order(self, count: int) -> Iterator[tuple[bytes, Lookup]]:
        """Iterate over all answers in the order of the input.

        Args:
            count: How many ids there are.

        Yields:
            Each as a line, and as a lookup.

        Raises:
            ChangedError: One is missing.
        """
        places = array("Q", bytes(8 * count))
        for offset, line in self._lines():
            lookup = _decoded(line)
            if lookup is not None and 0 <= lookup.index < count:
                places[lookup.index] = offset
        if missing := places.count(0):
            raise ChangedError(f"the journal lacks {missing:,} answers: --resume asks for them.")
        with self.path.open("rb") as file:
            for offset in places:
                file.seek(offset)
                line = file.readline()
                yield line, decode_line(line)

    def remove(self) -> None:
        """Delete it: all that is in it stands elsewhere."""
        try:
            self.path.unlink()
        except OSError:  # Windows: not while it is open
            self._is_spent = True

    def close(self) -> None:
        """Release it."""
        self._open.close()
        if self._is_spent:
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _is_answered(self, index: int) -> bool:
        return index < len(self._answered) and self._answered[index] != 0

    def _note(self, lookup: Lookup) -> None:
        if (lacking := lookup.index + 1 - len(self._answered)) > 0:
            self._answered.frombytes(bytes(self._answered.itemsize * max(lacking, 1_024)))
        self._answered[lookup.index] = _checksum(lookup.phone_number_id)
        self.count = max(self.count, lookup.index + 1)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Iterate over the lines after the header, with where each begins."""
        with self.path.open("rb") as file:
            offset = len(file.readline())
            for line in file:
                yield offset, line
                offset += len(line)

    def _mend(self) -> None:
        """Cut a last line off that was not written to its end, and read the header."""
        end = size = self._file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _BLOCK_BYTES)
            self._file.seek(start)
            newline = self._file.read(end - start).rfind(b"\n")
            end = start + newline + 1
            if newline >= 0:
                break
        if end < size:
            self._file.truncate(end)
        if end:
            self._file.seek(0)
            self.header = _header(self.path, self._file)


def may_pass(lookup: Lookup) -> bool:
    """Tell whether asking again may bring another answer: another day, or with another key."""
    if isinstance(lookup, Found):
        return False
    match lookup.error:
        case TransportError() | DeadlineExceededError() | RateLimitError():
            return True
        case AuthenticationError() | PermissionDeniedError():
            return True
        case error:
            return error.retryable


def _decoded(line: bytes) -> Lookup | None:
    """Read a line; `None` for what a crash of the machine may leave, whose ids are asked again."""
    try:
        return decode_line(line)
    except ValueError:
        return None


def _header(path: Path, file: BinaryIO) -> Header:
    try:
        header = msgspec.json.decode(file.readline(), type=Header)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        header = None
    if header is None or header.journal != _FORMAT:
        raise ChangedError(f"'{path}' is no journal of this version of elevenphone: move it away.")
    return header


def _compare(then: Header, now: Header) -> None:
    if then.server != now.server:
        raise ChangedError(
            f"the journal is of lookups at {then.server}, and this run asks {now.server}: "
            "--resume needs the same server; --force starts over."
        )
    if None not in (then.digest, now.digest) and (then.ids, then.digest) != (now.ids, now.digest):
        raise ChangedError(
            f"the input has changed: there were {then.ids:,} ids, and now {now.ids:,} or others. "
            "--resume needs the same input; --force starts over."
        )


def _checksum(phone_number_id: str) -> int:
    return zlib.crc32(encodable(phone_number_id).encode()) or 1
