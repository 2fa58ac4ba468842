"""The progress of a bulk run: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from elevenphone.cli.show.tally import Tally

if TYPE_CHECKING:
    from elevenphone import ClientStats

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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Show no more."""

    def update(self, tally: Tally, stats: ClientStats, note: str = "") -> None:
        """Show a newer state; called several times a second.

        Args:
            tally: The lookups so far.
            stats: The client's counters.
            note: A sentence about the present moment.
        """


def run_progress(console: Console, total: int | None, before: int = 0, *, live: bool = True) -> RunProgress:
    """Choose how to show progress on a console.

    Args:
        console: Where to.
        total: How many lookups there are to be; `None` where nobody knows.
        before: How many of them there are already.
        live: Whether a bar may be drawn: nothing else is written to the console.
    """
    draws = live and console.is_terminal and not console.is_dumb_terminal and not console.legacy_windows
    return (BarProgress if draws else LineProgress)(console, total, before)


class _ConsoleProgress(RunProgress):
    """Shows the counts and the speed on a console.

    Args:
        console: Where to.
        total: How many lookups there are to be; `None` where nobody knows.
        before: How many of them there are already.
        clock: Seconds that go on.
    """

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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._draw([])

    def update(self, tally: Tally, stats: ClientStats, note: str = "") -> None:
        """Draw the newer state."""
        # A line that fills the terminal's last column is wrapped by some terminals and not by others.
        width = self._console.width - 1
        texts = [counts_line(tally, stats), *([note] if note else [])]
        below = [Text(line) for text in texts for line in textwrap.wrap(text, max(width, 10))]
        self._draw([self._bar(tally, width), *below])

    def _bar(self, tally: Tally, width: int) -> Text:
        words = self._done(tally)
        if not self._total:
            return Text(words)
        if (rate := self._rate(tally)) > 0:
            words += f"  {_time((self._total - tally.done) / rate)} left"
        bar = min(width - len(words) - 1, _WIDEST_BAR)
        if bar < _NARROWEST_BAR:
            return Text(words[:width])
        filled = bar * min(tally.done, self._total) // self._total
        full, empty = ("━", "─") if self._console.encoding.startswith("utf") else ("#", "-")
        return Text.assemble((full * filled, "green"), (empty * (bar - filled), "dim"), f" {words}")

    def _draw(self, lines: list[Text]) -> None:
        # The terminal may have become narrower, and the lines that were drawn may have become several.
        rows = sum(-(-max(cell_len(line.plain), 1) // self._console.width) for line in self._drawn)
        back = _UP_AND_CLEAR.format(rows - 1) if rows > 1 else _CLEAR
        if self._drawn:
            self._console.file.write(back)
        for number, line in enumerate(lines, 1):
            self._console.print(line, end="\n" if number < len(lines) else "", soft_wrap=True)
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
        line = f"{self._done(tally)}  {counts_line(tally, stats)}"
        self._console.print(f"{line}  ({note})" if note else line, soft_wrap=True)


def counts_line(tally: Tally, stats: ClientStats) -> str:
    """Say all counts in one line, short enough for a narrow terminal."""
    return (
        f"found {tally.found:,}  not found {tally.not_found:,}  failed {tally.failed:,}  "
        f"throttled {stats.throttled:,}  limit {stats.concurrency_limit}"
    )


def _time(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
