"""Numbers and lookups on a terminal: cards, rows that are printed as they come, and the consoles for them.

Labels and names are other people's text: they become `Text`, in which no
markup is looked for, with their control characters escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TextIO

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from elevenphone.cli.errors import short_name
from elevenphone.cli.formats.columns import Columns, Selection
from elevenphone.cli.formats.rows import FLAG_WORDS
from elevenphone.cli.shell import Shell
from elevenphone.cli.text import printable
from elevenphone.lookups import Failed, Found, Lookup
from elevenphone.models import InboundTrunk, OutboundTrunk, PhoneNumber, SIPTrunkPhoneNumber

_PROVIDERS = {"twilio": "Twilio", "exotel": "Exotel", "sip_trunk": "SIP trunk"}
_WIDEST = 40
_ROOM_FOR_CARD = 60
# Columns whose values are never cut, and the width of most of them.
_WHOLE = {
    "phone_number": 16,
    "phone_number_id": 34,
    "status": 9,
    "assigned_agent.agent_id": 32,
    "assigned_agent.branch_id": 34,
}
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
    console = _Console(file=stream, markup=False, highlight=False, emoji=False, _environ=shell.environment)
    if console.is_dumb_terminal:  # which Rich takes to have 80 columns
        console.size = ConsoleDimensions(shell.width, console.height)
    return console


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


COLUMNS = (
    Column("Number", 16, 16, is_whole=True),
    Column("Agent", 12, _WIDEST),
    Column("Label", 12, _WIDEST),
    Column("Provider", 9, 9),
    Column("Id", 34, 34, is_whole=True),
)
"""The columns of a table of lookups; `lookup_cells` has their values."""


def provider_name(provider: str) -> str:
    """Name a provider for people; an unknown one by its name on the wire."""
    return _PROVIDERS.get(provider, printable(provider))


def number_card(number: PhoneNumber, width: int) -> RenderableType:
    """Make a card of all that a person wants to know of a number; a narrow terminal gets plain lines."""
    title = Text(printable(number.phone_number), style="bold")
    if width < _ROOM_FOR_CARD:
        lines = [Text.assemble((f"{name}: ", "dim"), printable(value)) for name, value in _lines(number)]
        return Text("\n").join([title, *lines])
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for name, value in _lines(number):
        grid.add_row(name, Text(printable(value)))
    return Panel(grid, title=title, title_align="left", box=box.ROUNDED, expand=False)


def print_card(shell: Shell, lookup: Lookup) -> None:
    """Print the card of a number; for a lookup that failed, the error says it all."""
    if isinstance(lookup, Found):
        console = output_console(shell)
        console.print(number_card(lookup.number, console.width))


def lookup_cells(lookup: Lookup) -> dict[str, Text]:
    """Make the row of a lookup for `COLUMNS`."""
    cells = {"Id": Text(printable(lookup.phone_number_id))}
    if isinstance(lookup, Failed):
        return cells | {"Number": Text(short_name(lookup.error), style="red")}
    agent = lookup.number.assigned_agent
    return cells | {
        "Number": Text(printable(lookup.number.phone_number), style="bold"),
        "Agent": Text(printable(agent.agent_name)) if agent else Text("none", style="dim"),
        "Label": Text(printable(lookup.number.label.strip())),
        "Provider": Text(provider_name(lookup.number.provider)),
    }


def row_printer(shell: Shell, selection: Selection) -> Callable[[Lookup], None]:
    """Make a function that prints a lookup as the next row of a table."""
    console, names = output_console(shell), selection.names
    if selection.columns is None:
        table = RowTable(console, COLUMNS)
        return lambda lookup: table.add(lookup_cells(lookup))
    columns = Columns(names, FLAG_WORDS, of_json=str)
    table = RowTable(
        console,
        [
            Column(name, max(len(name), _WHOLE.get(name, 8)), _WHOLE.get(name, _WIDEST), name in _WHOLE)
            for name in names
        ],
        keep_all=True,
    )

    def print_row(lookup: Lookup) -> None:
        texts = [Text("" if value is None else printable(str(value))) for value in columns.values(lookup)]
        table.add(dict(zip(names, texts, strict=True)))

    return print_row


def _lines(number: PhoneNumber) -> Iterable[tuple[str, str]]:
    yield "Label", number.label.strip()
    yield "Id", number.phone_number_id
    yield "Provider", provider_name(number.provider)
    yield "Calls", _directions(number)
    if (agent := number.assigned_agent) is None:
        yield "Agent", "none"
    else:
        yield "Agent", f"{agent.agent_name} ({agent.agent_id})"
        if agent.environment:
            yield "Environment", agent.environment
        if agent.branch_id:
            yield "Branch", agent.branch_id
    if isinstance(number, SIPTrunkPhoneNumber):
        yield "Stack", number.livekit_stack
        yield "SIP messages", "kept" if number.store_sip_messages else "not kept"
        if (outbound := number.outbound_trunk or number.provider_config) is not None:
            yield from _outbound_lines(outbound)
        if number.inbound_trunk is not None:
            yield from _inbound_lines(number.inbound_trunk)


def _directions(number: PhoneNumber) -> str:
    directions = (("inbound", number.supports_inbound), ("outbound", number.supports_outbound))
    return " and ".join(name for name, supported in directions if supported) or "none"


def _outbound_lines(trunk: OutboundTrunk) -> Iterable[tuple[str, str]]:
    yield "Outbound to", f"{trunk.address} over {trunk.transport}, {_security(trunk)}"
    if trunk.enabled_codecs:
        yield "Codecs", ", ".join(trunk.enabled_codecs)
    # Names alone: what a header carries may be nobody else's business.
    if headers := [*trunk.headers, *trunk.attributes_to_headers.values()]:
        yield "SIP headers", ", ".join(headers)


def _inbound_lines(trunk: InboundTrunk) -> Iterable[tuple[str, str]]:
    yield "Inbound from", f"{', '.join(trunk.allowed_addresses) or 'nowhere'}, {_security(trunk)}"
    if trunk.allowed_numbers is not None:
        yield "Callers", ", ".join(trunk.allowed_numbers) or "none"
    if trunk.remote_domains:
        yield "Domains", ", ".join(trunk.remote_domains)


def _security(trunk: OutboundTrunk | InboundTrunk) -> str:
    security = f"encryption {trunk.media_encryption}"
    if trunk.username:
        return f"{security}, user {trunk.username}"
    return f"{security}, with credentials" if trunk.has_auth_credentials else f"{security}, no credentials"
