"""A bulk run as people see it: its progress and its end; and its end as JSON for scripts."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Self

import msgspec
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from elevenphone import ClientStats
from elevenphone.cli.errors import ExitCode, OutputError
from elevenphone.cli.formats.files import is_stream, require_directory, whole_file
from elevenphone.cli.shell import Shell
from elevenphone.cli.show.results import Tally
from elevenphone.cli.show.terminal import provider_name
from elevenphone.cli.text import counted

_SECONDS_BETWEEN_LINES = 2.0
_WIDEST_BAR = 60
_NARROWEST_BAR = 8
_UP_AND_CLEAR = "\r\x1b[{}A\x1b[J"
_CLEAR = "\r\x1b[J"


class RunProgress:
    """Shows the progress of a run between entering and leaving it; this one shows nothing."""

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(self, *_: object) -> None:
        """Show no more."""

    def update(self, tally: Tally, stats: ClientStats, note: str = "") -> None:
        """Show a newer state, with a sentence about the present moment; called several times a second."""


def run_progress(console: Console, total: int | None, before: int = 0, *, live: bool = True) -> RunProgress:
    """Choose how to show progress on a console.

    Args:
        console: Where to.
        total: How many lookups there will be; `None` if that is unknown.
        before: How many of them were made by earlier runs.
        live: Whether a bar may be drawn: nothing else is written to the console.
    """
    draws = live and console.is_terminal and not console.is_dumb_terminal and not console.legacy_windows
    return (BarProgress if draws else LineProgress)(console, total, before)


class _ConsoleProgress(RunProgress):
    """Shows the counts and the speed on a console; see `run_progress`. The clock counts seconds."""

    def __init__(
        self,
        console: Console,
        total: int | None,
        before: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._total = total
        self._before = before
        self._clock = clock
        self._started = clock()

    def _rate(self, tally: Tally) -> float:
        return (tally.done - self._before) / max(self._clock() - self._started, 1e-9)

    def _done(self, tally: Tally) -> str:
        """Say how many lookups there are, of how many, and how fast they come."""
        total = "" if self._total is None else f"/{self._total:,}"
        return f"{tally.done:,}{total}  {self._rate(tally):,.0f}/s"


class BarProgress(_ConsoleProgress):
    """A bar, and the counts below it, drawn again and again in the same place."""

    _drawn: Sequence[Text] = ()

    def __exit__(self, *_: object) -> None:
        self._draw([])

    def update(self, tally: Tally, stats: ClientStats, note: str = "") -> None:
        """Draw the newer state."""
        # A line that fills the terminal's last column is wrapped by some terminals and not by others.
        width = self._console.width - 1
        texts = [_counts_line(tally, stats), *([note] if note else [])]
        below = [Text(line) for text in texts for line in textwrap.wrap(text, max(width, 10))]
        self._draw([self._bar(tally, width), *below])

    def _bar(self, tally: Tally, width: int) -> Text:
        words = self._done(tally)
        if not self._total:
            return Text(words)
        if (rate := self._rate(tally)) > 0:
            left = f"  {timedelta(seconds=int((self._total - tally.done) / rate))} left"
            words += left if len(words + left) <= width else ""
        bar = min(width - len(words) - 1, _WIDEST_BAR)
        if bar < _NARROWEST_BAR:
            return Text(words[:width])
        filled = bar * min(tally.done, self._total) // self._total
        full, empty = ("━", "─") if self._console.encoding.startswith("utf") else ("#", "-")
        return Text.assemble((full * filled, "green"), (empty * (bar - filled), "dim"), f" {words}")

    def _draw(self, lines: list[Text]) -> None:
        # The terminal may have become narrower, and the lines that were drawn may have become several.
        rows = sum(-(-max(cell_len(line.plain), 1) // self._console.width) for line in self._drawn)
        clear = (_UP_AND_CLEAR.format(rows - 1) if rows > 1 else _CLEAR) if self._drawn else ""
        with self._console.capture() as drawn:
            self._console.print(Text("\n").join(lines), end="", soft_wrap=True)
        self._console.file.write(clear + drawn.get())  # at once, or the bar flickers
        self._console.file.flush()
        self._drawn = lines


class LineProgress(_ConsoleProgress):
    """A plain line, every two seconds at most."""

    _shown: float | None = None

    def update(self, tally: Tally, stats: ClientStats, note: str = "") -> None:
        """Print a line if it is time."""
        now = self._clock()
        if now - (self._shown or self._started) < _SECONDS_BETWEEN_LINES:
            return
        self._shown = now
        line = f"{self._done(tally)}  {_counts_line(tally, stats)}"
        self._console.print(f"{line}  ({note})" if note else line, soft_wrap=True)


def _counts_line(tally: Tally, stats: ClientStats) -> str:
    return (
        f"found {tally.found:,}  not found {tally.not_found:,}  failed {tally.failed:,}  "
        f"throttled {stats.throttled:,}  limit {stats.concurrency_limit}"
    )


def print_outcome(
    console: Console,
    tally: Tally,
    stats: ClientStats,
    seconds: float,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Print how a run ended; `notes` are remarks beside lines of `outcome_table`."""
    done = tally.done - tally.before
    text = f"{counted(done, 'lookup')} in {seconds:.1f} s, {done / seconds if seconds else 0:,.0f} a second"
    if tally.before:
        text += f"; {tally.before:,} were there before"
    console.print(Text(text, style="bold"))
    console.print(outcome_table(tally, stats, notes))
    if tally.found:
        console.print()
        console.print(provider_table(tally))
        console.print()


def outcome_table(tally: Tally, stats: ClientStats, notes: Mapping[str, str] | None = None) -> Table:
    """Make a table of the results and of the requests behind them, with remarks beside some lines."""
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=13)
    table.add_column(justify="right")
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
        note = [Text(notes.get(name, ""), style="dim")] if notes else []
        table.add_row(f"  {name}", Text(f"{count:,}", style=style), *note)
    return table


def provider_table(tally: Tally) -> Table:
    """Make a table of the numbers found, by provider."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("Provider")
    table.add_column("Numbers", justify="right", no_wrap=True)  # a count is never cut
    table.add_column("Without agent", justify="right", no_wrap=True)
    for provider, count in tally.providers.most_common():
        table.add_row(Text(provider_name(provider)), f"{count:,}", f"{tally.without_agent[provider]:,}")
    return table


def write_summary(
    shell: Shell, place: str, code: ExitCode, tally: Tally, stats: ClientStats | None, seconds: float
) -> None:
    """Write how a run ended, in numbers and words for a script, as a line of JSON.

    Args:
        shell: Where standard error is.
        place: A file, or `-` for standard error.
        code: The command's exit code.
        tally: The answers, those of earlier runs included.
        stats: The client's counters; `None` where none was opened.
        seconds: Seconds that this run took.

    Raises:
        OutputError: The file cannot be written.
    """
    details = {"errors": tally.errors, "providers": tally.providers, "without_agent": tally.without_agent}
    # A finished run that is resumed is known by its statuses alone.
    has_details = tally.errors.total() + tally.providers.total() == tally.done
    document = {
        "ended": code.ending,
        "exit_code": int(code),
        "done": tally.done,
        "found": tally.found,
        "not_found": tally.not_found,
        "failed": tally.failed,
        "before": tally.before,
        **(details if has_details else {}),
        "seconds": round(seconds, 3),
        "requests": stats.requests if stats else 0,
        "retries": stats.retries if stats else 0,
        "throttled": stats.throttled if stats else 0,
        "concurrency_limit": stats.concurrency_limit if stats else 0,
        "connections": stats.connections_opened if stats else 0,
    }
    line = msgspec.json.encode(document) + b"\n"
    if place == "-":
        shell.errors.write(line.decode())
        shell.errors.flush()
        return
    path = Path(place)
    require_directory(path)
    try:
        with path.open("wb", 0) if is_stream(path) else whole_file(path, replace=True) as file:
            file.write(line)
    except OSError as error:
        raise OutputError(f"'{place}'", error) from None
