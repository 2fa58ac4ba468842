"""The answers of a run until its output is made of them, in a SQLite database.

However the run ends, the answers stay. A row holds those of one commit whose positions
are near each other: a row for each answer would take four times as long to write. SQLite
recovers from a write that did not end, but does not notice a flipped bit: so each row has
a checksum over its positions and answers.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import chain, groupby
from pathlib import Path
from typing import BinaryIO, NamedTuple

from elevenphone._records import encodable
from elevenphone.cli.errors import Refusal, may_pass
from elevenphone.cli.fetch.journal_file import SPAN, JournalFile, Row
from elevenphone.cli.formats.files import unfinished_file
from elevenphone.cli.formats.lines import decode_line
from elevenphone.lookups import Lookup


class Header(NamedTuple):
    """What a run is about; a run that is resumed must be about the same.

    Attributes:
        server: The address that the ids are asked of.
        key: The API key; the journal holds no more of it than a salted hash.
        ids: How many ids there are; see `Survey`.
        digest: That of the ids; see `Survey`.
    """

    server: str
    key: str
    ids: int | None
    digest: str | None


class ChangedError(Refusal):
    """The run to resume is about something else."""


class Journal:
    """A journal, locked until it is closed.

    Args:
        path: Where it is, or is to be.
        output: The file to be made of it, whose permissions a new journal gets.
        start_over: Whether the answers in it are of no interest; `begin` removes them.

    Attributes:
        path: Where it is.
        mark: Tells the files of this run from those of others.
        has_answers: Whether it holds answers of an earlier run.
        kept: Answers that are in the file and need not be asked for again.
        damaged: Rows that have changed on the disk, and whose answers are asked for again.

    Raises:
        OutputError: It cannot be written, or another run has it open.
        Refusal: The file there is not a journal of this form.
    """

    def __init__(self, path: Path, output: Path, *, start_over: bool = False) -> None:
        self.path = path
        self.mark = ""
        self.has_answers = False
        self.kept = 0
        self.damaged = 0
        # With a hash in the place of the key.
        self._begun: Header | None = None
        # Files that the run wrote, or may replace as it began with --force, from the journal's directory;
        # and those that it was about to write, with their inodes.
        self._ours: set[str] = set()
        # By position, a checksum of the id whose answer stands; 0 where there is none.
        self._answered = array("I")
        self._file = JournalFile(path, output, replace_damaged=start_over)
        try:
            self._read_header()
        except BaseException as error:
            if not (start_over and isinstance(error, Refusal)):
                self.close()
                raise
        self.has_answers = self.has_answers and not start_over

    def _read_header(self) -> None:
        if not self._file.has_begun():
            return
        with self._file.errors_translated():
            row = self._file.connection.execute("SELECT * FROM run").fetchone()
            if row is None:
                raise sqlite3.DatabaseError("it does not say what it is about")
            self.mark, *begun, ours = row
            self._ours = set(str(ours).split("\n"))
            self._begun = Header(*begun)
            answer = self._file.connection.execute("SELECT 1 FROM answers LIMIT 1").fetchone()
            self.has_answers = answer is not None

    def begin(self, header: Header, made: Iterable[Path] = (), may_replace: Iterable[Path] = ()) -> None:
        """Forget all answers, and begin anew.

        Args:
            header: What the run is about.
            made: Files that the run makes.
            may_replace: Those of them that may be there already, and are replaced.
        """
        self._delete_unfinished(made)
        self.mark = secrets.token_hex(4)
        self._ours = set(map(self._name, may_replace))
        begun = header._replace(key=_hash(header.key, self.mark))
        self._file.begin(self.mark, *begun, "\n".join(self._ours))
        self.has_answers = False

    def may_replace(self, path: Path) -> bool:
        """Tell whether a file is one that the run wrote, or was allowed to replace when it began."""
        try:
            inode = path.stat().st_ino
        except OSError:
            inode = 0
        name = self._name(path)
        return name in self._ours or _with_inode(name, inode) in self._ours

    def _name(self, path: Path) -> str:
        try:
            name = os.path.relpath(os.path.realpath(path), os.path.realpath(self.path.parent))
        except ValueError:  # on another drive
            name = os.path.realpath(path)
        return encodable(name).replace("\n", "\0")

    def has_key(self, key: str) -> bool:
        """Tell whether a key is the one that the run was begun with."""
        return self._begun is not None and self._begun.key == _hash(key, self.mark)

    def resume(self, header: Header) -> Iterator[Lookup]:
        """Go on with the answers that are there.

        Args:
            header: What the run is about now.

        Yields:
            The answers that stand.

        Raises:
            ChangedError: The journal is about something else.
        """
        if self._begun is not None:
            _compare(self._begun, header)
        spent: list[tuple[int]] = []
        for row in self._rows():
            answers = row.answers()
            if not answers:
                self.damaged += 1
            if row.may_pass or not answers:
                spent.append((row.position,))
                continue
            for position, line in answers:
                lookup = decode_line(line)
                self._note(position, lookup)
                yield lookup
        with self._file.transaction():  # what is asked for again
            self._file.connection.executemany("DELETE FROM answers WHERE position = ?", spent)

    def has(self, index: int, phone_number_id: str) -> bool:
        """Tell whether an id's answer stands.

        Raises:
            ChangedError: Another id was at this place.
        """
        if index >= len(self._answered) or not self._answered[index]:
            return False
        if self._answered[index] != _checksum_of_id(phone_number_id):
            raise ChangedError(
                f"the input has changed: id {index + 1:,} is now {phone_number_id!r}, and another was looked "
                "up there. --resume needs the same input; --force starts over."
            )
        return True

    def keep(self, batch: list[Lookup]) -> Iterable[tuple[list[Lookup], bytes]]:
        """Write answers in one transaction.

        Returns:
            The answers whose positions are near each other, with their lines.

        Raises:
            OutputError: They cannot be written.
        """
        near: defaultdict[tuple[bool, int], list[Lookup]] = defaultdict(list)
        for lookup in batch:
            near[may_pass(lookup), lookup.index // SPAN].append(lookup)
        rows = [Row.of(lookups, passes=passes) for (passes, _), lookups in near.items()]
        with self._file.transaction():
            self._file.connection.executemany("INSERT INTO answers VALUES (?, ?, ?, ?, ?)", rows)
        self.kept += sum(len(lookups) for (passes, _), lookups in near.items() if not passes)
        return zip(near.values(), (row.lines for row in rows), strict=True)

    def in_order(self, count: int, start: int = 0) -> Iterator[bytes]:
        """Iterate over the answers in the order of the input.

        Args:
            count: How many ids there are.
            start: The position of the first answer.

        Yields:
            Each as a line, which `decode_line` reads.

        Raises:
            ChangedError: One is missing, or there are answers to more ids.
        """
        expected = start
        rows = self._rows(start // SPAN * SPAN)
        for _, near in groupby(rows, key=lambda row: row.position // SPAN):
            for position, line in sorted(chain.from_iterable(row.answers() for row in near)):
                if position < start:
                    continue
                if position >= count:
                    raise ChangedError("the input has changed: it has fewer ids than when the run was begun.")
                if position != expected:
                    raise _lacks(expected)
                expected += 1
                yield line
        if expected != count:
            raise _lacks(expected)

    def note_unfinished(self, path: Path, file: BinaryIO) -> None:
        """Remember a file that is about to be moved to its place: the run may end before `note_made`."""
        self._note_ours(_with_inode(self._name(path), os.fstat(file.fileno()).st_ino))

    def note_made(self, path: Path) -> None:
        """Remember a file that has been made: a later run may replace it."""
        self._note_ours(self._name(path))

    def _note_ours(self, entry: str) -> None:
        self._ours.add(entry)
        with self._file.transaction():
            self._file.connection.execute("UPDATE run SET ours = ?", ["\n".join(self._ours)])

    def remove(self) -> None:
        """Delete the journal when it is closed: every answer is in the output."""
        self._delete_unfinished()
        self._file.is_spent = True

    def _delete_unfinished(self, made: Iterable[Path] = ()) -> None:
        """Delete the unfinished files of a run that was killed, those that are not made again too."""
        if self.mark.isalnum():
            for folder in {unfinished_file(path, self.mark).parent for path in (self.path, *made)}:
                for part in folder.glob(f"*.{self.mark}.part"):
                    with contextlib.suppress(OSError):
                        part.unlink()

    def close(self) -> None:
        """Release it."""
        self._file.close()

    def _rows(self, start: int = 0) -> Iterator[Row]:
        """Iterate over all rows, or those from a position on, by the position of the first answer."""
        query = "SELECT * FROM answers WHERE position >= ? ORDER BY position"
        with self._file.errors_translated():
            for row in self._file.connection.execute(query, [start]):
                yield Row(*row)

    def _note(self, position: int, lookup: Lookup) -> None:
        if (lacking := position + 1 - len(self._answered)) > 0:
            self._answered.frombytes(bytes(self._answered.itemsize * max(lacking, 1_024)))
        self._answered[position] = _checksum_of_id(lookup.phone_number_id)
        self.kept += 1


def _with_inode(name: str, inode: int) -> str:
    return f"{name}//{inode}"


def _lacks(position: int) -> ChangedError:
    return ChangedError(f"the journal lacks the answer to id {position + 1:,}: --resume asks for it.")


def _compare(then: Header, now: Header) -> None:
    if then.server != now.server:
        raise ChangedError(
            f"the journal is of lookups at {then.server}, and this run asks {now.server}: "
            "--resume needs the same server; --force starts over."
        )
    if None not in (then.digest, now.digest) and (then.ids, then.digest) != (now.ids, now.digest):
        now_has = "other ids" if then.ids == now.ids else f"{now.ids:,}"
        raise ChangedError(
            f"the input has changed: it had {then.ids:,} ids, and now has {now_has}. "
            "--resume needs the same input; --force starts over."
        )


def _hash(key: str, mark: str) -> str:
    return blake2b(key.encode(), digest_size=8, salt=mark.encode()).hexdigest()


def _checksum_of_id(phone_number_id: str) -> int:
    return zlib.crc32(encodable(phone_number_id).encode()) or 1
