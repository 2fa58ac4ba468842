"""Parquet, for those who have pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

try:
    import pyarrow
    import pyarrow.parquet
except ModuleNotFoundError:
    raise click.UsageError("Parquet needs pyarrow: pip install 'elevenphone[arrow]'") from None

from elevenphone.arrow import SCHEMA, record_batch
from elevenphone.cli._ids import no_such_column
from elevenphone.lookups import Lookup

_ROWS = 10_000


def read_column(path: Path, column: str) -> Iterator[str | None]:
    """Iterate over a column of text.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no Parquet, or has no such column, or that is not text.
    """
    with pyarrow.parquet.ParquetFile(path) as file:
        there = file.schema_arrow.names
        if column not in there:
            raise ValueError(no_such_column(column, there))
        kind = file.schema_arrow.types[there.index(column)]
        if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)):
            raise ValueError(f"the column {column!r} is of {kind}, not of text")
        batches = file.iter_batches(_ROWS, columns=[column])  # pyright: ignore[reportUnknownMemberType] - partly untyped
        for batch in batches:
            yield from batch.column(0).to_pylist()


class ParquetRows:
    """Writes lookups as rows of `elevenphone.arrow.SCHEMA`."""

    def __init__(self, file: BinaryIO) -> None:
        self._writer = pyarrow.parquet.ParquetWriter(file, SCHEMA)
        self._waiting: list[Lookup] = []

    def add(self, line: bytes, lookup: Lookup) -> None:  # noqa: ARG002 - as the other formats
        """Write one row, with the others of its group."""
        self._waiting.append(lookup)
        if len(self._waiting) >= _ROWS:
            self._write()

    def finish(self) -> None:
        """Write the rest, and the footer."""
        self._write()
        self._writer.close()

    def _write(self) -> None:
        if self._waiting:
            self._writer.write_batch(record_batch(self._waiting))
            self._waiting.clear()
