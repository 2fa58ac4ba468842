"""The end of a bulk run, as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from elevenphone.cli.show.numbers import provider_name
from elevenphone.cli.show.tally import Tally
from elevenphone.cli.text import counted

if TYPE_CHECKING:
    from elevenphone import ClientStats


def headline(tally: Tally, seconds: float, before: int = 0) -> Text:
    """Say how many lookups took how long.

    Args:
        tally: The lookups.
        seconds: How long those of this run took.
        before: How many of them were there before it.
    """
    done = tally.done - before
    rate = done / seconds if seconds else 0.0
    text = f"{counted(done, 'lookup')} in {seconds:.1f} s, {rate:,.0f} a second"
    return Text(f"{text}; {before:,} were there before" if before else text, style="bold")


def outcome_table(tally: Tally, stats: ClientStats, notes: dict[str, str] | None = None) -> Table:
    """Make a table of the results and of the requests behind them.

    Args:
        tally: The lookups.
        stats: The client's counters after them.
        notes: A line's name to the remark beside it.
    """
    notes = notes or {}
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=13)
    table.add_column(justify="right")
    table.add_column(style="dim")
    lines = {
        "found": (tally.found, "green"),
        "not found": (tally.not_found, "yellow" if tally.not_found else ""),
        "failed": (tally.failed, "red" if tally.failed else ""),
        "retries": (stats.retries, ""),
        "throttled": (stats.throttled, ""),
        "limit": (stats.concurrency_limit, ""),
        "connections": (stats.connections_opened, ""),
    }
    for name, (count, style) in lines.items():
        table.add_row(f"  {name}", Text(f"{count:,}", style=style), notes.get(name, ""))
    return table


def provider_table(tally: Tally) -> RenderableType:
    """Make a table of the numbers found, by provider."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("Provider", min_width=13)
    table.add_column("Numbers", justify="right")
    table.add_column("Without agent", justify="right")
    for provider, count in tally.providers.most_common():
        table.add_row(Text(provider_name(provider)), f"{count:,}", f"{tally.without_agent[provider]:,}")
    return table
