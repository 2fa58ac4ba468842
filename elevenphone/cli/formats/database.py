"""SQLite: a table `lookups`, or `numbers` of a listing, with the columns of the CSV and each body as JSON."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from elevenphone.cli.formats.columns import GAP, TYPES, RowTemplates, Selection
from elevenphone.cli.formats.lines import Answer

_FLAGS: dict[object, object] = {True: 1, False: 0}
_SQL_TYPES: dict[object, str] = {int: "INTEGER", bool: "INTEGER", float: "REAL"}
# Statements, one for each template, that SQLite keeps ready.
_STATEMENTS = 500


class DatabaseRows(RowTemplates):
    """Writes lookups into a new database; flags are 0 and 1, lists and mappings are JSON."""

    def __init__(self, path: str, selection: Selection) -> None:
        names = selection.names
        super().__init__(names, _FLAGS, of_json=str, with_raw=True)
        self._table = "numbers" if selection.of_numbers else "lookups"
        columns = ", ".join(f'"{name}" {_SQL_TYPES.get(TYPES[name], "TEXT")}' for name in names)
        try:
            # The whole path: some SQLites take a name that begins with `file:` for an address.
            self._connection = sqlite3.connect(
                Path(path).absolute(),
                isolation_level=None,
                check_same_thread=False,
                cached_statements=_STATEMENTS,
            )
            # The file takes its place when it is whole: until then there is nothing to recover.
            # A SIP trunk's row has about 2 KB: the usual pages, of 4 KB, would be half empty.
            self._connection.executescript(
                "PRAGMA page_size = 16384; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;"
            )
            self._cursor = self._connection.execute(f'CREATE TABLE "{self._table}" ({columns})')
        except sqlite3.Error as error:  # such as a path that is too long for SQLite
            raise OSError(str(error)) from None

    def template(self, values: Sequence[object]) -> str:
        """Make a statement: a value written in it costs far less than a parameter; see `RowTemplates`."""
        literals = ", ".join(map(_literal, values))
        return f'INSERT INTO "{self._table}" VALUES ({literals})'  # noqa: S608 - every value is quoted

    def add(self, answers: Iterable[Answer]) -> None:
        """Write rows."""
        execute = self._cursor.execute
        try:
            for lookup, line in answers:
                execute(*self.row(lookup, line))
        except sqlite3.Error as error:
            raise OSError(str(error)) from None

    def close(self) -> None:
        """Make the file whole."""
        with closing(self._connection):
            try:
                self._cursor.execute("COMMIT")
            except sqlite3.Error as error:
                raise OSError(str(error)) from None


def _literal(value: object) -> str:
    if value is GAP:
        return "?"
    if isinstance(value, str):
        if "\0" in value:  # which would end the statement
            return f"CAST(x'{value.encode().hex()}' AS TEXT)"
        return "'" + value.replace("'", "''") + "'"
    return "NULL" if value is None else repr(value)


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
