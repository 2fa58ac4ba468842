"""Where ids come from: a text file, a column of CSV, JSONL or Parquet, or standard input."""

from __future__ import annotations

import csv
import hashlib
import itertools
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from elevenphone.cli._exit_codes import Refusal

DEFAULT_COLUMN = "phone_number_id"
_TABLES = {".csv", ".jsonl", ".ndjson", ".parquet"}
_DELIMITERS = ",;\t|"
_PIECE_BYTES = 65_536
_COLUMNS_NAMED = 10
_STANDARD_INPUT = 0
# Far longer than a row of ids: what has no line breaks is no list, and must not fill the memory.
_LONGEST_LINE = 16_777_216
_T = TypeVar("_T")


class InputError(Refusal):
    """The ids cannot be read."""


class Survey(NamedTuple):
    """What a list of ids is known by.

    Attributes:
        size: How many there are.
        digest: Tells another list.
    """

    size: int
    digest: str


class IdSource:
    """A list of ids that is read as it is needed.

    Args:
        path: A file; `None` for standard input.
        column: Where the ids are in a table; `None` for `phone_number_id` of a file
            that is one by its ending, else for a text of one id a line.

    Attributes:
        name: What it is called in a message.
    """

    def __init__(self, path: Path | None, column: str | None) -> None:
        self._path = path
        self._parquet = path is not None and path.suffix.lower() == ".parquet"
        self._column = column
        if column is None and path is not None and path.suffix.lower() in _TABLES:
            self._column = DEFAULT_COLUMN
        self.name = "standard input" if path is None else f"'{path}'"

    def is_file(self) -> bool:
        """Tell whether it can be read more than once.

        Raises:
            InputError: It is not there.
        """
        if self._path is None:
            return False
        try:
            return stat.S_ISREG(self._path.stat().st_mode)
        except OSError as error:
            raise self._unreadable(error) from None

    def survey(self) -> Survey:
        """Read it to the end once, which also finds what is wrong with it.

        Raises:
            InputError: It cannot be read.
        """
        digest = hashlib.blake2b(digest_size=16)
        count = 0
        for phone_number_id in self.ids():
            digest.update(phone_number_id.encode(errors="surrogateescape") + b"\n")
            count += 1
        return Survey(count, digest.hexdigest())

    def ids(self, before_read: Callable[[], None] = lambda: None) -> Iterator[str]:
        """Iterate over the ids; blocks while a pipe has nothing to read.

        Args:
            before_read: Called when all that was read has been iterated over, and more
                is about to be.

        Raises:
            InputError: It cannot be read, or lacks the column.
        """
        if self._parquet:
            return self._parquet_ids()
        lines = self._lines(before_read)
        if self._column is None:
            return (stripped for line in lines if (stripped := line.strip()))
        return self._table_ids(lines, self._column)

    def _table_ids(self, lines: Iterator[str], column: str) -> Iterator[str]:
        first = next((line for line in lines if line.strip()), "")
        lines = itertools.chain([first], lines)
        if not first:
            return iter(())
        return (
            self._json_ids(lines, column) if first.lstrip().startswith("{") else self._csv_ids(lines, column)
        )

    def _json_ids(self, lines: Iterator[str], column: str) -> Iterator[str]:
        decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                value = decoder.decode(line.encode(errors="surrogateescape")).get(column)
                yield "" if value is None else msgspec.json.decode(value, type=str | None) or ""
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise self._wrong(f"line {number:,} is not JSON with a text {column!r}: {error}") from None

    def _csv_ids(self, lines: Iterator[str], column: str) -> Iterator[str]:
        header = next(lines)
        try:
            delimiter = next((each for each in _DELIMITERS if column in _fields(header, each)), None)
        except csv.Error as error:
            raise self._wrong(f"line 1: {error}") from None
        if delimiter is None:
            raise self._wrong(no_such_column(column, _fields(header, ",")))
        position = _fields(header, delimiter).index(column)
        rows = csv.reader(lines, delimiter=delimiter)
        try:
            for row in rows:
                if row:
                    yield row[position].strip() if position < len(row) else ""
        except csv.Error as error:
            raise self._wrong(f"line {rows.line_num + 1:,}: {error}") from None

    def _parquet_ids(self) -> Iterator[str]:
        from elevenphone.cli._parquet import read_column  # noqa: PLC0415 - pyarrow is an extra, and slow

        try:
            for phone_number_id in read_column(self._path or Path(), self._column or DEFAULT_COLUMN):
                yield phone_number_id or ""
        except (OSError, ValueError) as error:
            raise self._wrong(str(error)) from None

    def _lines(self, before_read: Callable[[], None]) -> Iterator[str]:
        carried: list[bytes] = []
        length = 0
        for piece in _before_each(self._pieces(), before_read):
            *complete, rest = piece.split(b"\n")
            if complete:
                complete[0] = b"".join(carried) + complete[0]
                carried.clear()
                length = 0
                for line in complete:
                    yield line.decode(errors="surrogateescape") + "\n"
            carried.append(rest)
            length += len(rest)
            if length > _LONGEST_LINE:
                raise self._wrong("it has a line longer than 16 MiB, and so is no list of ids")
        if last := b"".join(carried):
            yield last.decode(errors="surrogateescape")

    def _pieces(self) -> Iterator[bytes]:
        try:
            descriptor = _STANDARD_INPUT if self._path is None else os.open(self._path, _READ_ONLY)
            try:
                piece = os.read(descriptor, _PIECE_BYTES)
                if piece.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise self._wrong("it is UTF-16: save it as UTF-8")
                piece = piece.removeprefix(b"\xef\xbb\xbf")
                while piece:
                    yield piece
                    piece = os.read(descriptor, _PIECE_BYTES)
            finally:
                if descriptor != _STANDARD_INPUT:
                    os.close(descriptor)
        except OSError as error:
            raise self._unreadable(error) from None

    def _wrong(self, problem: str) -> InputError:
        return InputError(f"cannot read the ids from {self.name}: {problem}.")

    def _unreadable(self, error: OSError) -> InputError:
        return self._wrong(error.strerror or str(error))


def no_such_column(column: str, there: Sequence[str]) -> str:
    """Say that a table lacks a column, and which it has."""
    more = len(there) - _COLUMNS_NAMED
    names = ", ".join(map(repr, there[:_COLUMNS_NAMED])) + (f" and {more:,} more" if more > 0 else "")
    return f"there is no column {column!r}, but {names}: give --column"


_READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0)


def _fields(line: str, delimiter: str) -> list[str]:
    return [field.strip() for row in csv.reader([line], delimiter=delimiter) for field in row]


def _before_each(items: Iterator[_T], call: Callable[[], None]) -> Iterator[_T]:
    while True:
        call()
        for item in items:
            yield item
            break
        else:
            return
