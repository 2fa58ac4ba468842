"""Where ids come from: text, a column of CSV or TSV, JSON, JSONL or Parquet, a file or standard input."""

from __future__ import annotations

import csv
import hashlib
import itertools
import os
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from elevenphone.cli.errors import Refusal

DEFAULT_COLUMN = "phone_number_id"
_TABLES = {".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet"}
_DELIMITERS = ",;\t|"
_PIECE_BYTES = 65_536
# A JSON array of millions of ids may be one line; a longer one is not a list, and must not fill memory.
_LONGEST_LINE = 134_217_728
# Bytes at the start that tell a form.
_LONGEST_MARK = 4
_MOST_UNPACKED_BYTES = 1_048_576
_COLUMNS_NAMED = 10
_IDS_AT_ONCE = 1_000
_READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0)


class InputError(Refusal):
    """The ids cannot be read."""


class Survey(NamedTuple):
    """What a list of ids is recognized by.

    Attributes:
        size: How many ids there are; `None` where they can be read only once.
        digest: Differs from that of another list; `None` as above.
    """

    size: int | None
    digest: str | None


class IdSource:
    """A list of ids that is read as it is needed.

    Args:
        path: A file; `None` for standard input.
        stdin: Descriptor of standard input; `None` where it is closed.
        column: The column of the ids in a table; `None` for `phone_number_id` of
            what is a table by its ending or its first line, else for text of one id a line.

    Attributes:
        path: The file, or `None`.
        name: What it is called in a message.
    """

    def __init__(self, path: Path | None, stdin: int | None, column: str | None) -> None:
        self.path = path
        self._stdin = stdin
        self._ending = (
            "" if path is None else Path(path.stem if path.suffix == ".gz" else path).suffix.lower()
        )
        self._is_table = column is not None or self._ending in _TABLES
        self._column = column or DEFAULT_COLUMN
        self._has_column = False  # whether an object with it was read
        self.name = "standard input" if path is None else f"'{path}'"

    def survey(self) -> Survey:
        """Read a file to the end once, which also finds what is wrong with it.

        Raises:
            InputError: It cannot be read.
        """
        if self.path is None:
            return Survey(None, None)
        try:
            kind = stat.S_IFMT(self.path.stat().st_mode)
        except OSError as error:
            raise self._unreadable(error) from None
        if kind not in {stat.S_IFREG, stat.S_IFDIR}:  # reading a directory says what is wrong
            return Survey(None, None)
        digest = hashlib.blake2b(digest_size=16)
        count = 0
        ids = self.ids()
        while several := list(itertools.islice(ids, _IDS_AT_ONCE)):
            digest.update("\n".join([*several, ""]).encode(errors="surrogateescape"))
            count += len(several)
        return Survey(count, digest.hexdigest())

    def ids(self, before_read: Callable[[], None] = lambda: None) -> Iterator[str]:
        """Iterate over the ids; blocks while a pipe has nothing to read.

        Args:
            before_read: Called when every id read so far has been iterated over, and
                more is about to be read.

        Raises:
            InputError: It cannot be read, or lacks the column.
        """
        if self._ending == ".parquet":
            return self._parquet_ids()
        return self._text_ids(self._lines(before_read))

    def _text_ids(self, lines: Iterator[str]) -> Iterator[str]:
        first = next((line for line in lines if line.strip()), "")
        lines = itertools.chain([first], lines)
        match first.lstrip()[:1]:
            case "":
                return iter(())
            case "[":
                return self._array_ids(lines)
            case "{":
                return self._json_ids(lines)
            case _ if self._is_table or _has_header(first):
                return self._csv_ids(lines)
            case _:
                return (stripped for line in lines if (stripped := line.strip()))

    def _array_ids(self, lines: Iterator[str]) -> Iterator[str]:
        try:
            array = msgspec.json.decode(
                "".join(lines).encode(errors="surrogateescape"),
                type=list[str | dict[str, msgspec.Raw] | None],
            )
            for element in array:
                yield self._field(element) if isinstance(element, dict) else (element or "").strip()
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            problem = f"it is not a JSON array of ids, or of objects with a text {self._column!r}: {error}"
            raise self._wrong(problem) from None

    def _json_ids(self, lines: Iterator[str]) -> Iterator[str]:
        decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield self._field(decoder.decode(line.encode(errors="surrogateescape")))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                problem = f"line {number:,} is not JSON with a text {self._column!r}: {error}"
                raise self._wrong(problem) from None

    def _field(self, document: dict[str, msgspec.Raw]) -> str:
        value = document.get(self._column)
        if value is None:
            if not self._has_column:
                raise self._lacks_column(list(document))
            return ""
        self._has_column = True
        return (msgspec.json.decode(value, type=str | None) or "").strip()

    def _csv_ids(self, lines: Iterator[str]) -> Iterator[str]:
        header = next(lines)
        try:
            headers = {delimiter: _fields(header, delimiter) for delimiter in _DELIMITERS}
        except csv.Error as error:
            raise self._wrong(f"line 1: {error}") from None
        delimiter = next((each for each, names in headers.items() if self._column in names), None)
        if delimiter is None:
            raise self._lacks_column(headers["\t" if self._ending == ".tsv" else ","])
        position = headers[delimiter].index(self._column)
        csv.field_size_limit(_LONGEST_LINE)  # `raw` may be longer than the usual limit
        rows = csv.reader(lines, delimiter=delimiter)
        try:
            for row in rows:
                if row:
                    yield row[position].strip() if position < len(row) else ""
        except csv.Error as error:
            raise self._wrong(f"line {rows.line_num + 1:,}: {error}") from None

    def _parquet_ids(self) -> Iterator[str]:
        from elevenphone.cli.formats import parquet  # noqa: PLC0415 - pyarrow is an extra, and slow

        path = self.path or Path()
        try:
            if self._column not in (there := parquet.column_names(path)):
                raise self._lacks_column(there)
            for (phone_number_id,) in parquet.read_columns(path, self._column):
                yield (phone_number_id or "").strip()
        except parquet.ParquetError as error:
            raise self._wrong(str(error)) from None
        except OSError as error:
            raise self._unreadable(error) from None

    def _lines(self, before_read: Callable[[], None]) -> Iterator[str]:
        carried: list[bytes] = []
        length = 0
        for piece in _with_line_feeds(self._checked(self._unpacked(self._pieces(before_read)))):
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
                raise self._wrong("it has a line longer than 128 MiB, and so is not a list of ids")
        if last := b"".join(carried):
            yield last.decode(errors="surrogateescape")

    def _checked(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Refuse a file that is not text, by its beginning."""
        first = _start_of(pieces)
        if first.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise self._wrong("it is UTF-16: save it as UTF-8")
        if first.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
            raise self._wrong("it is a ZIP file or a spreadsheet: save it as CSV")
        if b"\0" in first:
            raise self._wrong("it is a binary file, not text")
        yield first.removeprefix(b"\xef\xbb\xbf")
        yield from pieces

    def _unpacked(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Decompress what begins as gzip does; let everything else pass."""
        first = _start_of(pieces)
        pieces = itertools.chain([first], pieces)
        if not first.startswith(b"\x1f\x8b"):
            yield from pieces
            return
        unpacker = zlib.decompressobj(wbits=31)
        within_member = False
        for packed in pieces:
            rest = packed
            while rest:
                within_member = True
                try:
                    yield unpacker.decompress(rest, _MOST_UNPACKED_BYTES)
                except zlib.error as error:
                    raise self._wrong(f"its gzip is damaged: {error}") from None
                rest = unpacker.unconsumed_tail
                if unpacker.eof:  # a gzip file may have several members
                    rest = unpacker.unused_data
                    unpacker = zlib.decompressobj(wbits=31)
                    within_member = False
        if within_member:
            raise self._wrong("its gzip is cut short")

    def _pieces(self, before_read: Callable[[], None]) -> Iterator[bytes]:
        if self.path is None and self._stdin is None:
            raise self._wrong("it is closed")
        try:
            descriptor = self._stdin if self.path is None else os.open(self.path, _READ_ONLY)
            assert descriptor is not None  # noqa: S101 - refused above
            try:
                before_read()
                while piece := os.read(descriptor, _PIECE_BYTES):
                    yield piece
                    before_read()
            finally:
                if self.path is not None:
                    os.close(descriptor)
        except OSError as error:
            raise self._unreadable(error) from None

    def _wrong(self, problem: str) -> InputError:
        return InputError(f"cannot read the ids from {self.name}: {problem}.")

    def _lacks_column(self, there: Sequence[str]) -> InputError:
        more = len(there) - _COLUMNS_NAMED
        names = ", ".join(map(repr, there[:_COLUMNS_NAMED])) or "none"
        rest = f" and {more:,} more" if more > 0 else ""
        return self._wrong(f"there is no column {self._column!r}, but {names}{rest}: give --column")

    def _unreadable(self, error: OSError) -> InputError:
        return self._wrong(error.strerror or str(error))


def _start_of(pieces: Iterator[bytes]) -> bytes:
    """Read enough to recognize a form by its first bytes, but no further than the first line."""
    start = b""
    for piece in pieces:
        start += piece
        if len(start) >= _LONGEST_MARK or b"\n" in start:
            break
    return start


def _with_line_feeds(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Replace carriage returns where lines end in nothing else, by the beginning."""
    start = b""
    for piece in pieces:
        start += piece
        if b"\n" in start or len(start) >= _PIECE_BYTES:
            break
    pieces = itertools.chain([start], pieces)
    if b"\r" in start and b"\n" not in start:
        return (piece.replace(b"\r", b"\n") for piece in pieces)
    return pieces


def _has_header(line: str) -> bool:
    """Tell whether a first line is that of a table, such as one that `fetch` wrote."""
    try:
        return any(DEFAULT_COLUMN in _fields(line, delimiter) for delimiter in _DELIMITERS)
    except csv.Error:
        return False


def _fields(line: str, delimiter: str) -> list[str]:
    return [field.strip() for row in csv.reader([line], delimiter=delimiter) for field in row]
