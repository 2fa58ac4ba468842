"""Numbers and lookups as cards and rows.

Labels and names are other people's text: they become `Text`, in which no
markup is looked for, with their control characters escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rich import box
from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from elevenphone.cli.errors import short_name
from elevenphone.cli.formats.columns import Columns, Selection
from elevenphone.cli.formats.rows import FLAG_WORDS
from elevenphone.cli.shell import Shell
from elevenphone.cli.show.terminal import Column, RowTable, output_console
from elevenphone.cli.text import printable
from elevenphone.lookups import Failed, Lookup
from elevenphone.models import InboundTrunk, OutboundTrunk, PhoneNumber, SIPTrunkPhoneNumber

_PROVIDERS = {"twilio": "Twilio", "exotel": "Exotel", "sip_trunk": "SIP trunk"}
_WIDEST = 40
_ROOM_FOR_CARD = 60
# Columns whose values are never cut, and the width of most of them.
_WHOLE = {"phone_number": 16, "phone_number_id": 34}

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


def print_card(shell: Shell, number: PhoneNumber) -> None:
    """Print the card of a number."""
    console = output_console(shell)
    console.print(number_card(number, console.width))


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
        [Column(name, max(len(name), 8), _WHOLE.get(name, _WIDEST), name in _WHOLE) for name in names],
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
