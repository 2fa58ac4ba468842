"""Consoles of rich on the streams of a shell, and a table whose rows are printed as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from elevenphone.cli.shell import Shell

_GAP = 2
_NARROWEST = 4


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # exit codes are decided in one place, which is not here


def output_console(shell: Shell) -> Console:
    """Make a console on standard output."""
    return _console(shell, shell.output)


def error_console(shell: Shell) -> Console:
    """Make a console on standard error."""
    return _console(shell, shell.errors)


def _console(shell: Shell, stream: TextIO) -> Console:
    return _Console(file=stream, markup=False, highlight=False, emoji=False, _environ=shell.environment)


class Column(NamedTuple):
    """A column.

    Attributes:
        name: Its header, and its key in a row.
        least: Narrowest width in which it is worth showing.
        most: Widest width that it needs.
        is_whole: Whether it is always shown, and its values are never cut.
    """

    name: str
    least: int
    most: int
    is_whole: bool = False


class RowTable:
    """Prints rows as they come; where the terminal is too narrow, each row becomes a few lines.

    Args:
        console: Where to.
        columns: The columns; the first of those that may be left out are the last to be.
        keep_all: Whether no column may be left out.
    """

    def __init__(self, console: Console, columns: Sequence[Column], *, keep_all: bool = False) -> None:
        self._console = console
        self._columns = columns
        self._widths = _widths(columns, console.width, keep_all=keep_all)
        self._has_begun = False

    def add(self, cells: Mapping[str, Text]) -> None:
        """Print a row, after the header if it is the first."""
        if self._widths is None:
            self._print_stacked(cells)
            return
        if not self._has_begun:
            self._has_begun = True
            self._print(self._line({name: Text(name, style="bold") for name in self._widths}, self._widths))
            rule = sum(self._widths.values()) + _GAP * (len(self._widths) - 1)
            self._print(Text("─" * min(rule, self._console.width), style="dim"))
        self._print(self._line(cells, self._widths))

    def _line(self, cells: Mapping[str, Text], widths: Mapping[str, int]) -> Text:
        pieces: list[Text] = []
        excess = 0  # of a value that is wider than its column, and taken from the next that may be cut
        for column in self._columns:
            if column.name not in widths:
                continue
            cell, width = cells.get(column.name, Text()).copy(), widths[column.name]
            if column.is_whole:
                needed = max(width, cell_len(cell.plain))
                excess, width = excess + needed - width, needed
            else:
                cut = min(excess, width - _NARROWEST)
                excess, width = excess - cut, width - cut
            cell.truncate(width, overflow="ellipsis", pad=True)
            pieces.append(cell)
        line = Text(" " * _GAP).join(pieces)
        line.rstrip()
        return line

    def _print_stacked(self, cells: Mapping[str, Text]) -> None:
        named = max(len(column.name) for column in self._columns)
        first, *others = (column for column in self._columns if cells.get(column.name, Text()).plain)
        self._print(cells[first.name])
        for column in others:
            label = Text(f"  {column.name:<{named}}  ", style="dim")
            cell = cells[column.name].copy()
            room = self._console.width - len(label.plain)
            if not column.is_whole:
                cell.truncate(max(room, _NARROWEST), overflow="ellipsis")
            elif cell_len(cell.plain) > room:
                label = Text("  ")
            self._print(Text.assemble(label, cell))

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)


def _widths(columns: Sequence[Column], width: int, *, keep_all: bool) -> dict[str, int] | None:
    """Share the width among the columns; `None` where it is not enough for a table."""
    widths = {column.name: column.least for column in columns if column.is_whole or keep_all}
    room = width - sum(widths.values()) - _GAP * (len(widths) - 1)
    optional = [column for column in columns if column.name not in widths]
    for column in optional:
        if room < column.least + _GAP:
            break
        widths[column.name] = column.least
        room -= column.least + _GAP
    if room < 0 or (optional and not any(column.name in widths for column in optional)):
        return None
    growing = [column for column in columns if column.name in widths]
    while room > 0 and (growing := [column for column in growing if widths[column.name] < column.most]):
        for column in growing[:room]:
            widths[column.name] += 1
            room -= 1
    return widths
