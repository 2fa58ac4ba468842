"""The answers of a run until its output is made of them, in a SQLite database.

However the run ends, the answers stay. SQLite recovers from a write that did not
end, but it notices no flipped bit: so each answer has a checksum over its position
and itself.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
import zlib
from array import array
from collections import deque
from collections.abc import Generator, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, cast

from elevenphone._records import encodable
from elevenphone.cli.exit_codes import OutputError, Refusal
from elevenphone.cli.fetch.background import in_background
from elevenphone.cli.formats.files import mode_of, sync_directory
from elevenphone.cli.formats.ids import Survey
from elevenphone.cli.formats.lines import decode_line, encode_line
from elevenphone.cli.show.verdicts import may_pass
from elevenphone.lookups import Lookup

_SQLITE = b"SQLite format 3\0"
_OLD_FORM = b'{"journal":1,'
_ROLLBACK_JOURNAL = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
_APPLICATION_ID = 0x656C7068  # "elph"
_FORMAT = 2
_MOST_WAITING = 5_000
# Rows of one statement: a thread has to wait for the interpreter's lock after each statement.
_ROWS = 200
_SCHEMA = f"""
    PRAGMA user_version = {_FORMAT};
    CREATE TABLE run (mark TEXT, server TEXT, key TEXT, ids INTEGER, digest TEXT, may_replace INTEGER);
    CREATE TABLE answers (position INTEGER PRIMARY KEY, may_pass INTEGER, checksum INTEGER, line BLOB);
"""
_INSERT = "INSERT OR REPLACE INTO answers VALUES "
_PLACES = "(?, ?, ?, ?)"
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}


class Header(NamedTuple):
    """What a run is about; a run that is resumed must be about the same.

    Attributes:
        server: The address that the ids are asked of.
        key: The API key; the journal holds no more of it than a salted hash.
        ids: How many ids there are, or `None` where they come through a pipe.
        digest: Differs for another list of ids, or `None`.
    """

    server: str
    key: str
    ids: int | None
    digest: str | None

    @classmethod
    def of(cls, server: str, key: str, survey: Survey | None) -> Header:
        """Make the header of a run."""
        return cls(server, key, *(survey or (None, None)))


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
        may_replace: Whether a file in the output's place may be replaced, as the run wrote it
            or began with --force.
        kept: Answers that are in the file and need not be asked for again.
        count: One more than the last position that it has an answer for.
        damaged: Answers that had changed on the disk, and are asked for again.

    Raises:
        OutputError: It cannot be written, or another run has it open.
        Refusal: The file there is not a journal of this form.
    """

    def __init__(self, path: Path, output: Path, *, start_over: bool = False) -> None:
        self.path = path
        self.mark = ""
        self.has_answers = self.may_replace = False
        self.kept = 0
        self.count = 0
        self.damaged = 0
        self._output = output
        self._begun: Header | None = None
        self._hash = ""
        # By position, a checksum of the id whose answer stands; 0 where there is none.
        self._answered = array("I")
        self._waiting: deque[tuple[int, int, int, bytes]] = deque()
        self._writing = threading.Lock()
        self._is_spent = False
        _refuse_foreign(path)
        try:
            self._open()
        except Refusal:
            if not start_over:
                raise
            path.unlink()  # damaged, and so nobody can have it open
            self._open()
        if not start_over:
            try:
                self._read_header()
            except BaseException:
                self.close()
                raise

    def _open(self) -> None:
        with self._translated(), contextlib.ExitStack() as opening:
            _create(self.path, self._output)
            found = self.path.stat()
            self._is_new = not found.st_size
            # No statement is kept: with its values, one of many rows would take as much memory as they.
            self._connection = sqlite3.connect(
                self.path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=0
            )
            opening.callback(self._connection.close)
            # The lock is held until the connection is closed, not just for each transaction.
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("BEGIN EXCLUSIVE")
            # The transaction makes a database of an empty file: from the first moment on it says whose it is.
            self._connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._connection.execute("COMMIT")
            if not self.path.exists() or self.path.stat().st_ino != found.st_ino:
                raise OutputError(f"'{self.path}'", "another run of elevenphone has just finished it")
            opening.pop_all()

    def _read_header(self) -> None:
        with self._translated():
            if self._connection.execute("PRAGMA user_version").fetchone() == (0,):
                return  # a new file
            row = self._connection.execute("SELECT * FROM run").fetchone()
            if row is None:
                raise sqlite3.DatabaseError("it does not say what it is about")
            self.mark, server, self._hash, ids, digest, self.may_replace = row
            self._begun = Header(server, "", ids, digest)
            answer = self._connection.execute("SELECT 1 FROM answers LIMIT 1").fetchone()
            self.has_answers = answer is not None

    @property
    def is_full(self) -> bool:
        """Whether so many answers wait that they should be written first."""
        return len(self._waiting) >= _MOST_WAITING

    def begin(self, header: Header, *, may_replace: bool) -> None:
        """Forget all answers, and begin anew.

        Args:
            header: What the run is about.
            may_replace: Whether a file in the output's place may be replaced.
        """
        if not self._is_new:  # a new file, as the old one may be damaged
            self.remove()
            self.close()
            self._is_spent = False
            self._open()
        self.mark = secrets.token_hex(4)
        row = (self.mark, header.server, _hash(header.key, self.mark), header.ids, header.digest, may_replace)
        with self._translated():
            self._connection.execute("BEGIN")
            for statement in _SCHEMA.strip().split(";\n"):
                self._connection.execute(statement)
            self._connection.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?)", row)
            self._connection.execute("COMMIT")
        sync_directory(self.path)
        self.has_answers, self.may_replace = False, may_replace

    def has_key(self, key: str) -> bool:
        """Tell whether a key is the one that the run was begun with."""
        return self._hash == _hash(key, self.mark)

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
        for position, passes, _, lookup in self._rows():
            if lookup is None:
                self.damaged += 1
            elif not passes:
                self._note(position, lookup)
                yield lookup

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

    def add(self, lookup: Lookup) -> None:
        """Add an answer, with the next batch."""
        self.count = max(self.count, lookup.index + 1)
        line, passes = encode_line(lookup), int(may_pass(lookup))
        self._waiting.append((lookup.index, passes, _checksum(lookup.index, passes, line), line))

    async def flush(self) -> None:
        """Write the answers that wait.

        Raises:
            OutputError: They cannot be written.
        """
        if self._waiting:
            await in_background(self.finish)

    def finish(self) -> None:
        """Write the answers that wait, now; see `flush`."""
        with self._writing:
            rows: list[tuple[int, int, int, bytes]] = []
            while self._waiting:
                rows.append(self._waiting.popleft())
            if not rows:
                return
            with self._translated():
                self._connection.execute("BEGIN")
                for start in range(0, len(rows), _ROWS):
                    batch = rows[start : start + _ROWS]
                    places = ",".join([_PLACES] * len(batch))
                    self._connection.execute(_INSERT + places, [value for row in batch for value in row])
                self._connection.execute("COMMIT")
            self.kept += len(rows)

    def in_order(self, count: int) -> Iterator[tuple[bytes, Lookup, bool]]:
        """Iterate over all answers in the order of the input.

        Args:
            count: How many ids there are.

        Yields:
            Each as a line, as a lookup, and whether asking again may help.

        Raises:
            ChangedError: One is missing.
        """
        expected = 0
        for position, passes, line, lookup in self._rows():
            if lookup is None:
                continue
            if position != expected:
                break
            expected += 1
            yield line, lookup, passes
        if expected != count:
            raise ChangedError(f"the journal lacks the answer to id {expected + 1:,}: --resume asks for it.")

    def note_export(self) -> None:
        """Remember that the output has been made: a later run may replace it."""
        with self._translated():
            self._connection.execute("UPDATE run SET may_replace = 1")

    def remove(self) -> None:
        """Delete the journal when it is closed: every answer is in the output."""
        self._is_spent = True

    def close(self) -> None:
        """Release it."""
        with contextlib.suppress(sqlite3.Error):
            # Deleted while it is locked, so that no other run can have opened it in between.
            if self._is_spent and os.name == "posix":
                self.path.unlink(missing_ok=True)
            self._connection.close()
            if self._is_spent:
                self.path.unlink(missing_ok=True)

    def _rows(self) -> Iterator[tuple[int, bool, bytes, Lookup | None]]:
        """Iterate over all rows by position; the lookup is `None` where a row has changed on the disk."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT position, may_pass, checksum, line FROM answers ORDER BY position"
            )
            for position, passes, checksum, line in rows:
                lookup = None
                if isinstance(line, bytes) and checksum == _checksum(position, passes, line):
                    with contextlib.suppress(ValueError):
                        lookup = decode_line(line)
                yield position, passes == 1, cast("bytes", line), lookup

    def _note(self, position: int, lookup: Lookup) -> None:
        if (lacking := position + 1 - len(self._answered)) > 0:
            self._answered.frombytes(bytes(self._answered.itemsize * max(lacking, 1_024)))
        self._answered[position] = _checksum_of_id(lookup.phone_number_id)
        self.count = max(self.count, position + 1)
        self.kept += 1

    @contextlib.contextmanager
    def _translated(self) -> Generator[None]:
        """Turn SQLite's errors into those of the command line, and undo what was not committed."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.Error):
                with contextlib.suppress(sqlite3.Error, AttributeError):
                    self._connection.rollback()
            if isinstance(error, OSError):
                raise OutputError(f"'{self.path}'", error) from None
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code in _BUSY:
                raise OutputError(f"'{self.path}'", "another run of elevenphone writes it") from None
            if code in _DAMAGED:
                raise Refusal(f"'{self.path}' is damaged ({error}): --force starts over.") from None
            raise OutputError(f"'{self.path}'", str(error)) from None


def _create(path: Path, output: Path) -> None:
    """Make an empty file if there is none, with the permissions of the output that it will hold."""
    mode = mode_of(output)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode))
        if mode is not None:
            path.chmod(mode)


def _refuse_foreign(path: Path) -> None:
    """Leave files alone that have the names of a journal and are not one."""
    start = _beginning(path, 100)
    application_id = int.from_bytes(start[68:72])
    if start.startswith(_OLD_FORM):
        raise Refusal(
            f"'{path}' was written by an older version of elevenphone: finish the run with that version, "
            "or delete the file and start over."
        )
    if start and not (start.startswith(_SQLITE) and application_id == _APPLICATION_ID):
        raise Refusal(f"'{path}' is not a journal of elevenphone: move it away, or choose another OUT.")
    if start and int.from_bytes(start[60:64]) not in {0, _FORMAT}:
        raise Refusal(f"'{path}' was written by another version of elevenphone: finish the run with that.")
    for suffix, ours in (("-journal", _ROLLBACK_JOURNAL), ("-wal", b""), ("-shm", b"")):
        beside = path.with_name(path.name + suffix)
        begins = _beginning(beside, len(_ROLLBACK_JOURNAL))
        if beside.exists() and (not ours or (begins.strip(b"\0") and begins != ours)):
            raise Refusal(f"'{beside}' is not a file of elevenphone: move it away, or choose another OUT.")


def _beginning(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(count)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise OutputError(f"'{path}'", error) from None


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


def _hash(key: str, mark: str) -> str:
    return blake2b(key.encode(), digest_size=8, salt=mark.encode()).hexdigest()


def _checksum(position: int, passes: int, line: bytes) -> int:
    return zlib.crc32(line, (position * 2 + passes) & 0xFFFFFFFF)


def _checksum_of_id(phone_number_id: str) -> int:
    return zlib.crc32(encodable(phone_number_id).encode()) or 1
