"""Lookups as lines of JSON or rows of CSV, and the choice between these, Parquet and SQLite."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Sequence
from itertools import starmap
from typing import BinaryIO, Literal, Protocol, TypeAlias

import msgspec

from elevenphone.cli.formats.columns import GAP, Columns, RowTemplates, Selection
from elevenphone.cli.formats.lines import Answer, encode_line
from elevenphone.cli.text import printable_json
from elevenphone.lookups import Found, Lookup
from elevenphone.models import encode

Format: TypeAlias = Literal["jsonl", "csv", "parquet", "db"]
ENDINGS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".db": "db",
    ".sqlite": "db",
    ".sqlite3": "db",
}
"""A file's ending to what is written there."""

FLAG_WORDS: dict[object, object] = {True: "true", False: "false"}
"""Flags as text."""
_QUOTE, _TWO_QUOTES = '"', '""'


class TextForm(Protocol):
    """A form in which each lookup is a piece of text of its own, fit for a pipe."""

    header: bytes
    """Goes before the first."""

    def encode(self, lookup: Lookup, line: bytes | None = None) -> bytes:
        """Write one.

        Args:
            lookup: The lookup.
            line: The same as `encode_line` writes it, where that is at hand.
        """
        ...


class JSONLines:
    """One JSON document a line: a lookup, a number of a listing, or what was selected of them."""

    header = b""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._columns = Columns(selection.names)

    def encode(self, lookup: Lookup, line: bytes | None = None) -> bytes:
        """Write one line; see `TextForm`."""
        if self._selection.columns is not None:
            document = dict(zip(self._selection.names, self._columns.values(lookup), strict=True))
            return printable_json(msgspec.json.encode(document)) + b"\n"
        if self._selection.of_numbers and isinstance(lookup, Found):
            return printable_json(msgspec.json.format(encode(lookup.number), indent=-1)) + b"\n"
        return line or encode_line(lookup)


class CSVLines(RowTemplates):
    """Rows of CSV in UTF-8; missing values are empty.

    The csv module looks at each character, which takes longer than all else that is done for a row.
    """

    def __init__(self, selection: Selection) -> None:
        super().__init__(selection.names, FLAG_WORDS, of_json=str)
        self.header = _line(",".join(_quoted(list(selection.names))))

    def encode(self, lookup: Lookup, line: bytes | None = None) -> bytes:
        """Write one row; see `TextForm`."""
        template, values = self.row(lookup, line)
        return _line(template % tuple(_quoted(["" if value is None else str(value) for value in values])))

    def template(self, values: Sequence[object]) -> str:
        """Make the template of a row; see `RowTemplates`."""
        texts = ["" if value in (GAP, None) else str(value).replace("%", "%%") for value in values]
        columns = zip(values, _quoted(texts), strict=True)
        return ",".join("%s" if value is GAP else text for value, text in columns)


def _line(row: str) -> bytes:
    # An empty line would be no row.
    return without_nul(f"{row or _TWO_QUOTES}\n").encode(errors="backslashreplace")


def without_nul(text: str) -> str:
    r"""Write a NUL as `\x00`, as few programs read a table with a NUL in it."""
    return text.replace("\0", "\\x00")


def _quoted(texts: list[str]) -> list[str]:
    together = "".join(texts)
    has_break = "\n" in together or "\r" in together
    if not (has_break or _QUOTE in together or "," in together):
        return texts
    return [
        f'"{text.replace(_QUOTE, _TWO_QUOTES)}"'
        if _QUOTE in text or "," in text or (has_break and ("\n" in text or "\r" in text))
        else text
        for text in texts
    ]


def text_form(format_: Format, selection: Selection) -> TextForm:
    """Choose the form of JSONL or CSV."""
    return CSVLines(selection) if format_ == "csv" else JSONLines(selection)


class Rows(Protocol):
    """Writes lookups into a file."""

    def add(self, answers: Iterable[Answer]) -> None:
        """Write rows."""
        ...

    def close(self) -> None:
        """Write the rest; does not close the file. Also called where writing has failed."""
        ...


class _TextRows:
    def __init__(self, file: BinaryIO, form: TextForm) -> None:
        self._file = file
        self._form = form
        file.write(form.header)

    def add(self, answers: Iterable[Answer]) -> None:
        self._file.writelines(starmap(self._form.encode, answers))

    def close(self) -> None:
        pass


def require(format_: Format) -> None:
    """See that what a format needs is installed, before the work for it is done.

    Raises:
        click.UsageError: It is not.
    """
    if format_ == "parquet":
        from elevenphone.cli.formats import parquet  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport] - an extra, and slow


@contextlib.contextmanager
def rows_of(format_: Format, file: BinaryIO, selection: Selection) -> Generator[Rows]:
    """Open what writes lookups into a file in one of the formats.

    Args:
        format_: The format.
        file: An empty file, open for writing, with the path as its name.
        selection: What is written of each lookup.
    """
    rows: Rows
    if format_ == "parquet":
        from elevenphone.cli.formats.parquet import ParquetRows  # noqa: PLC0415 - pyarrow is an extra, and slow

        rows = ParquetRows(file, selection)
    elif format_ == "db":
        from elevenphone.cli.formats.database import DatabaseRows  # noqa: PLC0415 - only where it is asked for

        rows = DatabaseRows(file.name, selection)
    else:
        rows = _TextRows(file, text_form(format_, selection))
    try:
        yield rows
    except BaseException:
        # Interrupted or out of room: the file is given up, and what closing it meets is of no interest.
        with contextlib.suppress(Exception):
            rows.close()
        raise
    rows.close()
