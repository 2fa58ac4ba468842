"""Where the results go: a file that appears when it is whole, or a stream."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, Protocol, TypeAlias

import click

from elevenphone.cli._exit_codes import OutputError
from elevenphone.cli._output import require_directory
from elevenphone.lookups import Lookup

Format: TypeAlias = Literal["jsonl", "csv", "parquet"]
_ENDINGS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}


class Rows(Protocol):
    """Writes lookups in one of the formats."""

    def add(self, line: bytes, lookup: Lookup) -> None:
        """Write one, given as a line of JSON too."""
        ...

    def finish(self) -> None:
        """Write what is left, but do not close the file."""
        ...


class Target(NamedTuple):
    """Where the results go.

    Attributes:
        path: A file; `None` for standard output.
        format: What is written there.
        is_stream: Whether it is written as answers come, and kept nowhere else.
    """

    path: Path | None
    format: Format
    is_stream: bool

    @property
    def journal(self) -> Path:
        """Where the answers are kept until the file is made of them."""
        assert self.path is not None  # noqa: S101 - a stream has none
        return self.path.with_name(f"{self.path.name}.journal")


def target_of(output: str, given: Format | None) -> Target:
    """Understand `--output` and `--format`.

    Raises:
        click.UsageError: They do not fit.
        OutputError: There is a directory in its place, or none around it.
    """
    if output == "-":
        return _stream(None, given)
    path = Path(output)
    if path.is_symlink():
        path = path.resolve()  # what is moved into a link's place would end the link
    try:
        mode = path.stat().st_mode
    except OSError:
        mode = stat.S_IFREG  # to be made; what stands in the way shows then
    if stat.S_ISDIR(mode):
        raise OutputError(f"'{output}'", "it is a directory")
    if not stat.S_ISREG(mode):
        return _stream(path, given)
    chosen = given or _ENDINGS.get(path.suffix.lower())
    if chosen is None:
        raise click.UsageError(
            f"cannot tell the format of '{output}': end it in .jsonl, .csv or .parquet, or give --format."
        )
    require_directory(path)
    return Target(path, chosen, is_stream=False)


def _stream(path: Path | None, given: Format | None) -> Target:
    if given not in (None, "jsonl"):
        raise click.UsageError(f"{given} cannot be written as answers come: give a file, or --format jsonl.")
    return Target(path, "jsonl", is_stream=True)


class JSONRows:
    """Writes lookups as the lines that they are."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, line: bytes, lookup: Lookup) -> None:  # noqa: ARG002 - as the other formats
        """Write one line."""
        self._file.write(line)

    def finish(self) -> None:
        """Nothing is left."""


def rows_of(format_: Format) -> Callable[[BinaryIO], Rows]:
    """Give what writes a format.

    Raises:
        click.UsageError: What it needs is not installed.
    """
    if format_ == "csv":
        from elevenphone.cli._csv_rows import CSVRows  # noqa: PLC0415 - only what is needed

        return CSVRows
    if format_ == "parquet":
        from elevenphone.cli._parquet import ParquetRows  # noqa: PLC0415 - pyarrow is an extra, and slow

        return ParquetRows
    return JSONRows
