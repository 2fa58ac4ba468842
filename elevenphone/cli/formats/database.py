"""SQLite: a table `lookups`, or `numbers` of a listing, with the columns of the CSV and each body as JSON."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from elevenphone.cli.formats.columns import TYPES, Columns, Selection
from elevenphone.lookups import Lookup

_ROWS = 200
# SQLite stores it as NULL. The sqlite3 module takes far longer to pass a None or a flag than a number.
_NULL = float("nan")
_FLAGS: dict[object, object] = {True: 1, False: 0}
_SQL_TYPES: dict[object, str] = {int: "INTEGER", bool: "INTEGER", float: "REAL"}


class DatabaseRows:
    """Writes lookups into a new database; flags are 0 and 1, lists and mappings are JSON."""

    def __init__(self, path: str, selection: Selection) -> None:
        names = selection.names
        self._columns = Columns(names, _FLAGS, of_json=str, lacking=_NULL, with_raw=True)
        self._waiting: list[tuple[object, ...]] = []
        # The whole path: some SQLites take a name that begins with `file:` for an address.
        self._connection = sqlite3.connect(
            Path(path).absolute(), isolation_level=None, check_same_thread=False
        )
        # The file takes its place when it is whole: until then there is nothing to recover.
        # A SIP trunk's row has about 2 KB: the usual pages, of 4 KB, would be half empty.
        self._connection.executescript(
            "PRAGMA page_size = 16384; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;"
        )
        table = "numbers" if selection.of_numbers else "lookups"
        columns = ", ".join(f'"{name}" {_SQL_TYPES.get(TYPES[name], "TEXT")}' for name in names)
        self._connection.execute(f'CREATE TABLE "{table}" ({columns})')
        self._insert = f'INSERT INTO "{table}" VALUES ({", ".join("?" * len(names))})'  # noqa: S608 - names of our own

    def add(self, lookup: Lookup, line: bytes | None = None) -> None:
        """Write one row, with others."""
        self._waiting.append(self._columns.values(lookup, line))
        if len(self._waiting) >= _ROWS:
            self._write()

    def close(self) -> None:
        """Write the rest."""
        with closing(self._connection):
            self._write("COMMIT")

    def _write(self, then: str = "") -> None:
        try:
            self._connection.executemany(self._insert, self._waiting)
            self._connection.execute(then)
        except sqlite3.Error as error:
            raise OSError(str(error)) from None
        self._waiting.clear()


def read_columns(path: Path, *columns: str) -> Iterator[tuple[str | None, ...]]:
    """Iterate over columns of the table `lookups`, row by row.

    Raises:
        ValueError: It is not such a database.
    """
    names = ", ".join(f'"{column}"' for column in columns)
    return _rows_of(path, f'SELECT {names} FROM "lookups" ORDER BY rowid')  # noqa: S608 - names of our own


def column_names(path: Path) -> list[str]:
    """Return the names of the columns of the table `lookups`."""
    return [str(name) for (name,) in _rows_of(path, "SELECT name FROM pragma_table_info('lookups')")]


def _rows_of(path: Path, query: str) -> Iterator[tuple[str | None, ...]]:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            yield from connection.execute(query)
        except sqlite3.Error as error:
            raise ValueError(str(error)) from None
