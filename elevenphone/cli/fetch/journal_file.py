"""The file of a journal: a SQLite database that one run has for itself, and no file of anybody else."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import zlib
from array import array
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

from elevenphone.cli.errors import OutputError, Refusal
from elevenphone.cli.formats.files import beside_a_database, create, sync_directory
from elevenphone.cli.formats.lines import encode_lines
from elevenphone.lookups import Lookup

_SQLITE = b"SQLite format 3\0"
_OLD_FORM = b'{"journal":1,'
_ROLLBACK_JOURNAL = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
_APPLICATION_ID = 0x656C7068  # "elph"
_FORMAT = 3
_SCHEMA = (
    f"PRAGMA user_version = {_FORMAT}",
    "CREATE TABLE run (mark TEXT, server TEXT, key TEXT, ids INTEGER, digest TEXT, ours TEXT)",
    (
        "CREATE TABLE answers "
        "(position INTEGER PRIMARY KEY, may_pass INTEGER, checksum INTEGER, positions BLOB, lines BLOB)"
    ),
)
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}

SPAN = 500
"""Positions, of which a row holds the answers of one commit. The export has as many answers in memory."""

_POSITIONS = "Q"


class Row(NamedTuple):
    """Answers that were written together, and whose positions are near each other.

    Attributes:
        position: That of the first, which no other row has.
        may_pass: Whether asking for them again may help.
        checksum: Over all that the row holds.
        positions: All positions, as an array of `_POSITIONS`.
        lines: An answer a line.
    """

    position: int
    may_pass: int
    checksum: int
    positions: bytes
    lines: bytes

    @classmethod
    def of(cls, lookups: list[Lookup], *, passes: bool) -> Row:
        """Make a row."""
        positions = array(_POSITIONS, [lookup.index for lookup in lookups]).tobytes()
        row = cls(lookups[0].index, int(passes), 0, positions, encode_lines(lookups))
        return row._replace(checksum=row.expected_checksum())

    def expected_checksum(self) -> int:
        """Compute the checksum of what is there."""
        head = f"{self.position} {self.may_pass}".encode()
        return zlib.crc32(self.lines, zlib.crc32(self.positions, zlib.crc32(head)))

    def answers(self) -> list[tuple[int, bytes]]:
        """Return positions and lines; there are none if the row has changed on the disk."""
        try:
            if self.checksum == self.expected_checksum():
                positions = array(_POSITIONS, self.positions)
                return list(zip(positions, self.lines.splitlines(keepends=True), strict=True))
        except (TypeError, ValueError):  # a value may have become one of another type
            pass
        return []


class JournalFile:
    """An open database, locked until it is closed.

    Args:
        path: Where it is, or is to be.
        output: The file to be made of it, whose permissions a new one gets.
        replace_damaged: Whether a damaged one is deleted rather than refused.

    Attributes:
        path: Where it is.
        connection: The database.
        is_spent: Whether it is deleted when it is closed.

    Raises:
        OutputError: It cannot be written, or another run has it open.
        Refusal: The file there is not a journal of this form, or is damaged.
    """

    def __init__(self, path: Path, output: Path, *, replace_damaged: bool) -> None:
        self.path = path
        self.is_spent = False
        self._output = output
        _refuse_foreign(path)
        try:
            self._open()
        except Refusal:
            if not replace_damaged:
                raise
            path.unlink()  # damaged, and so nobody can have it open
            self._open()

    def _open(self) -> None:
        with self.errors_translated(), contextlib.ExitStack() as opening:
            with contextlib.suppress(FileExistsError):
                create(self.path, like=self._output)
            found = self.path.stat()
            self._is_new = not found.st_size
            # No statement is kept: it would hold the values of its last row, which may be large.
            # The whole path: some SQLites take a name that begins with `file:` for an address.
            self.connection = sqlite3.connect(
                self.path.absolute(),
                timeout=0,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=0,
            )
            opening.callback(self.connection.close)
            # The lock is held until the connection is closed, not just for each transaction.
            self.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self.connection.execute("PRAGMA synchronous = FULL")
            self.connection.execute("PRAGMA page_size = 16384")  # of a new one: a row has hundreds of KB
            self.connection.execute("BEGIN EXCLUSIVE")
            # The transaction makes a database of an empty file: from the first moment on it says whose it is.
            self.connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            self.connection.execute("COMMIT")
            if not self.path.exists() or self.path.stat().st_ino != found.st_ino:
                raise OutputError(f"'{self.path}'", "another run of elevenphone has just finished it")
            opening.pop_all()

    def begin(self, *run: object) -> None:
        """Make the tables of a new run, in a new file if this one has some already.

        Args:
            *run: The one row of the table `run`.
        """
        if not self._is_new:  # a new file, as the old one may be damaged
            self.is_spent = True
            self.close()
            self.is_spent = False
            self._open()
        with self.transaction():
            for statement in _SCHEMA:
                self.connection.execute(statement)
            self.connection.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?)", run)
        sync_directory(self.path)

    def has_begun(self) -> bool:
        """Tell whether it has the tables of a run."""
        with self.errors_translated():
            version: tuple[int] = self.connection.execute("PRAGMA user_version").fetchone()
            return version != (0,)

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """Commit what is done in the block, or undo it if the block fails."""
        with self.errors_translated():
            self.connection.execute("BEGIN")
            yield
            self.connection.execute("COMMIT")

    @contextlib.contextmanager
    def errors_translated(self) -> Generator[None]:
        """Turn SQLite's errors into those of the command line, and undo what was not committed."""
        try:
            yield
        except OSError as error:
            raise OutputError(f"'{self.path}'", error) from None
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error, AttributeError):
                self.connection.rollback()
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code in _BUSY:
                raise OutputError(f"'{self.path}'", "another run of elevenphone writes it") from None
            if code in _DAMAGED:
                raise Refusal(f"'{self.path}' is damaged ({error}): --force starts over.") from None
            raise OutputError(f"'{self.path}'", str(error)) from None

    def close(self) -> None:
        """Release it, and delete it if it is spent."""
        with contextlib.suppress(sqlite3.Error):
            # Deleted while it is locked, so that no other run can have opened it in between.
            if self.is_spent and os.name == "posix":
                # SQLite's own file first: alone, it would stay for ever.
                self.path.with_name(f"{self.path.name}-journal").unlink(missing_ok=True)
                self.path.unlink(missing_ok=True)
            self.connection.close()
            if self.is_spent:
                self.path.unlink(missing_ok=True)


def _refuse_foreign(path: Path) -> None:
    """Leave files alone that have the names of a journal and are not one."""
    if path.exists() and not path.is_file():  # to open a pipe would wait for somebody who writes to it
        raise Refusal(f"'{path}' is not a journal of elevenphone: move it away, or choose another OUT.")
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
    for beside in beside_a_database(path):
        if beside.exists() and not (beside.name.endswith("-journal") and _is_rollback_journal(beside)):
            raise Refusal(f"'{beside}' is not a file of elevenphone: move it away, or choose another OUT.")


def _is_rollback_journal(path: Path) -> bool:
    start = _beginning(path, len(_ROLLBACK_JOURNAL)) if path.is_file() else b"?"
    return start == _ROLLBACK_JOURNAL or not start.strip(b"\0")


def _beginning(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(count)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise OutputError(f"'{path}'", error) from None
