"""Parquet, for those who have pyarrow."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import click

try:
    import pyarrow
    import pyarrow.parquet
except ModuleNotFoundError:
    raise click.UsageError("Parquet needs pyarrow: pip install 'elevenphone[arrow]'") from None

from elevenphone.arrow import SCHEMA, record_batch
from elevenphone.cli.formats.columns import NUMBER_COLUMNS, Selection
from elevenphone.cli.formats.lines import Answer, decode_line
from elevenphone.lookups import Lookup

_ROWS = 10_000
# At the start and at the end of every file.
_MARK = b"PAR1"
_MARK_OF_ENCRYPTED = b"PARE"


class ParquetError(ValueError):
    """A file is not Parquet, or one of its columns is not text."""


def read_columns(path: Path, *columns: str) -> Iterator[tuple[str | None, ...]]:
    """Iterate over columns of text, row by row.

    Raises:
        OSError: The file cannot be opened.
        ParquetError: It cannot be read as Parquet, or lacks a column, or a column is not text.
    """
    with _opened(path) as file:
        schema = file.schema_arrow
        for column in columns:
            if column not in schema.names:
                raise ParquetError(f"there is no column {column!r}")
            if schema.names.count(column) > 1:
                raise ParquetError(f"there are several columns {column!r}")
            kind = schema.types[schema.names.index(column)]
            if not _is_text(kind):
                raise ParquetError(f"the column {column!r} is of {kind}, not of text")
        batches = file.iter_batches(_ROWS, columns=list(columns))  # pyright: ignore[reportUnknownMemberType] - partly untyped
        for batch in batches:
            values = [cast("list[str | None]", batch.column(column).to_pylist()) for column in columns]
            yield from zip(*values, strict=True)


def column_names(path: Path) -> list[str]:
    """Return the names of the columns; raises what `read_columns` raises."""
    with _opened(path) as file:
        return file.schema_arrow.names


@contextlib.contextmanager
def _opened(path: Path) -> Generator[pyarrow.parquet.ParquetFile]:
    """Open a file, and say in plain words what is wrong with it."""
    _require_parquet(path)
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except ParquetError:
        raise
    except (OSError, ValueError, pyarrow.ArrowException):  # any of them for one and the same file
        raise ParquetError("it is damaged, or of a kind that pyarrow cannot read") from None


def _require_parquet(path: Path) -> None:
    """Refuse what is not a whole Parquet file, by its first and last bytes."""
    with path.open("rb") as file:
        start = file.read(len(_MARK))
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(_MARK)))
        end = file.read()
    if not start:
        raise ParquetError("it is empty")
    if start.startswith(b"\x1f\x8b"):
        raise ParquetError("it is compressed with gzip: decompress it first")
    if start == _MARK_OF_ENCRYPTED:
        raise ParquetError("it is encrypted")
    if start != _MARK:
        raise ParquetError("it is not a Parquet file: give it an ending that fits, such as .csv")
    if end != _MARK:
        raise ParquetError("it is cut short")


def _is_text(kind: pyarrow.DataType) -> bool:
    if isinstance(kind, pyarrow.DictionaryType):  # a category of pandas
        kind = cast("pyarrow.DataType", kind.value_type)  # pyright: ignore[reportUnknownMemberType] - partly untyped
    types = pyarrow.types
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


class ParquetRows:
    """Writes lookups as rows of `elevenphone.arrow.SCHEMA`, or as flat columns where some are selected."""

    def __init__(self, file: BinaryIO, selection: Selection) -> None:
        self._columns = selection.columns
        if selection.columns is None and selection.of_numbers:
            parts = {name.partition(".")[0] for name in NUMBER_COLUMNS}
            self._columns = tuple(name for name in SCHEMA.names if name in parts)
        self._is_flat = selection.columns is not None
        self._waiting: list[Lookup] = []
        self._writer = pyarrow.parquet.ParquetWriter(file, self._table([]).schema)

    def add(self, answers: Iterable[Answer]) -> None:
        """Write rows, many at a time."""
        for lookup, line in answers:
            # As the line has it, so that a resumed run makes the same file as one that nobody interrupted.
            self._waiting.append(lookup if line is None else decode_line(line))
            if len(self._waiting) >= _ROWS:
                self._write()

    def close(self) -> None:
        """Write the rest, and the footer."""
        try:
            self._write()
        finally:
            self._writer.close()

    def _write(self) -> None:
        if self._waiting:
            self._writer.write_table(self._table(self._waiting))
            self._waiting.clear()

    def _table(self, lookups: list[Lookup]) -> pyarrow.Table:
        table = pyarrow.Table.from_batches([record_batch(lookups)], SCHEMA)
        if self._is_flat:
            positions = pyarrow.array(  # pyright: ignore[reportUnknownMemberType] - partly untyped
                [lookup.index for lookup in lookups], pyarrow.int64()
            )
            table = table.flatten().append_column("index", positions)
        if self._columns is None:
            return table
        return table.select(list(self._columns))  # pyright: ignore[reportUnknownMemberType] - partly untyped
