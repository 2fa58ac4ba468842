"""Numbers and lookups as cards and tables.

Labels and names are other people's text: they become `Text`, in which no
markup is looked for, with their control characters escaped.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from elevenphone.cli._explanations import short_name
from elevenphone.cli._text import printable
from elevenphone.lookups import Failed, Found, Lookup
from elevenphone.models import InboundTrunk, OutboundTrunk, PhoneNumber, SIPTrunkPhoneNumber

_PROVIDERS = {"twilio": "Twilio", "exotel": "Exotel", "sip_trunk": "SIP trunk"}
_WIDEST_ID = 36
# Columns from which a table has room for labels, and for agents and directions too.
_ROOM_FOR_LABELS = 80
_ROOM_FOR_AGENTS = 100


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # the commands have one place for exit codes, which is not here


def output_console() -> Console:
    """Make a console on standard output."""
    return _Console(markup=False, highlight=False, emoji=False)


def error_console() -> Console:
    """Make a console on standard error."""
    return _Console(stderr=True, markup=False, highlight=False, emoji=False)


def provider_name(provider: str) -> str:
    """Name a provider for people; one that is not known by its name on the wire."""
    return _PROVIDERS.get(provider, printable(provider))


def number_card(number: PhoneNumber) -> RenderableType:
    """Make a card of all that a person wants to know of a number."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for name, value in _lines(number):
        grid.add_row(name, Text(printable(value)))
    title = Text(printable(number.phone_number), style="bold")
    return Panel(grid, title=title, title_align="left", box=box.ROUNDED, expand=False)


def lookup_table(lookups: Iterable[Lookup], width: int) -> Table:
    """Make a table with a row for each lookup, in their order.

    Args:
        lookups: What to show.
        width: Columns of the terminal; a narrow one shows less of each.
    """
    labels, agents = width >= _ROOM_FOR_LABELS, width >= _ROOM_FOR_AGENTS
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    shown = list(lookups)
    # The id is what the next command is typed from: it is shown whole, at the cost of all else.
    longest = max((len(lookup.phone_number_id) for lookup in shown), default=0)
    table.add_column("Id", overflow="fold", min_width=min(longest, _WIDEST_ID))
    table.add_column("Number", no_wrap=True)
    table.add_column("Provider", no_wrap=True)
    if labels:
        table.add_column("Label", no_wrap=True)
    if agents:
        table.add_column("Agent", no_wrap=True)
    for lookup in shown:
        table.add_row(*_row(lookup, labels=labels, agents=agents))
    return table


def _row(lookup: Lookup, *, labels: bool, agents: bool) -> list[Text]:
    row = [Text(printable(lookup.phone_number_id))]
    match lookup:
        case Failed(error=error):
            row.append(Text(short_name(error), style="red"))
        case Found(number=number):
            row += [Text(printable(number.phone_number), style="bold"), Text(provider_name(number.provider))]
            if labels:
                row.append(_shortened(number.label.strip()))
            if agents:
                agent = number.assigned_agent
                row.append(_shortened(agent.agent_name) if agent else Text("none", style="dim"))
    return row


def _shortened(text: str) -> Text:
    return Text(printable(text), overflow="ellipsis", no_wrap=True)


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
