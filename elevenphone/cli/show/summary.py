"""The end of a bulk run: for people, and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from elevenphone.cli.exit_codes import ExitCode, OutputError
from elevenphone.cli.formats.files import is_stream, whole_file
from elevenphone.cli.shell import Shell
from elevenphone.cli.show.numbers import provider_name
from elevenphone.cli.show.tally import Tally
from elevenphone.cli.text import counted

if TYPE_CHECKING:
    from elevenphone import ClientStats

_ENDINGS: Mapping[ExitCode, str] = {
    ExitCode.USAGE: "refused",
    ExitCode.KEY_REFUSED: "key_refused",
    ExitCode.OUTPUT_FAILED: "output_failed",
    ExitCode.QUOTA: "quota_used_up",
    ExitCode.SERVER_AWAY: "server_away",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.PIPE_CLOSED: "pipe_closed",
}


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


def summary_document(
    code: ExitCode, tally: Tally, stats: ClientStats | None, *, before: int, seconds: float
) -> dict[str, object]:
    """Say how a run ended, in numbers and words of which a script makes sense.

    Args:
        code: The command's exit code.
        tally: The answers, those of earlier runs included.
        stats: The client's counters; `None` where none was opened.
        before: Answers of earlier runs.
        seconds: Seconds that this run took.
    """
    details = {"errors": tally.errors, "providers": tally.providers, "without_agent": tally.without_agent}
    # A finished run that is resumed is known by its statuses alone.
    has_details = tally.errors.total() + tally.providers.total() == tally.done
    return {
        "ended": _ENDINGS.get(code, "complete"),
        "exit_code": int(code),
        "done": tally.done,
        "found": tally.found,
        "not_found": tally.not_found,
        "failed": tally.failed,
        "before": before,
        **(details if has_details else {}),
        "seconds": round(seconds, 3),
        "requests": stats.requests if stats else 0,
        "retries": stats.retries if stats else 0,
        "throttled": stats.throttled if stats else 0,
        "concurrency_limit": stats.concurrency_limit if stats else 0,
        "connections": stats.connections_opened if stats else 0,
    }


def write_summary(shell: Shell, place: str, document: dict[str, object]) -> None:
    """Write the summary to a file, or to standard error for `-`.

    Raises:
        OutputError: The file cannot be written.
    """
    line = msgspec.json.encode(document)
    if place == "-":
        shell.errors.write(f"{line.decode()}\n")
        shell.errors.flush()
        return
    path = Path(place)
    try:
        with path.open("wb", 0) if is_stream(path) else whole_file(path, replace=True) as file:
            file.write(line + b"\n")
    except OSError as error:
        raise OutputError(f"'{place}'", error) from None
