"""How far a bulk run is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from elevenphone.cli._tally import Tally

if TYPE_CHECKING:
    from elevenphone import ClientStats

_SECONDS_BETWEEN_LINES = 2.0
# Ten a second is what the bar is drawn at; a snapshot for each lookup would only cost time.
_SECONDS_BETWEEN_UPDATES = 0.1


class RunProgress:
    """Shows how far a run is, between entering and leaving it; this one shows nothing."""

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Show no more."""

    def update(self, tally: Tally, stats: Callable[[], ClientStats], note: str = "") -> None:
        """Show a newer state, or wait until the next; may be called for each lookup.

        Args:
            tally: What there is.
            stats: Gives the client's counters, if they are needed.
            note: What else is to be known just now.
        """


def run_progress(console: Console, total: int | None, before: int = 0) -> RunProgress:
    """Choose how to show progress on a console.

    Args:
        console: Where to.
        total: How many lookups there are to be; `None` where nobody knows.
        before: How many of them there are already.
    """
    kind = BarProgress if console.is_terminal else LineProgress
    return kind(console, total, before)


class BarProgress(RunProgress):
    """A bar, and a line of counts below it."""

    def __init__(self, console: Console, total: int | None, before: int = 0) -> None:
        self._counts = Text()
        self._total = total
        self._before = before
        left = () if total is None else (TimeRemainingColumn(), TextColumn("left"))
        self._bar = _BarAndCounts(
            BarColumn(bar_width=None),
            TextColumn("{task.fields[done]}  {task.fields[rate]:,.0f}/s"),
            *left,
            console=console,
            expand=True,
            transient=True,
            counts=self._counts,
        )
        self._task = self._bar.add_task(
            "", total=total, completed=before, rate=0.0, done=_done(before, total)
        )
        self._started = self._updated = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self, tally: Tally, stats: Callable[[], ClientStats], note: str = "") -> None:
        """Move the bar, ten times a second at most."""
        now = time.monotonic()
        if now - self._updated < _SECONDS_BETWEEN_UPDATES:
            return
        self._updated = now
        self._counts.plain = counts_line(tally, stats()) + (f"\n{note}" if note else "")
        rate = (tally.done - self._before) / (now - self._started)
        self._bar.update(self._task, completed=tally.done, rate=rate, done=_done(tally.done, self._total))


class LineProgress(RunProgress):
    """A plain line, every two seconds at most."""

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
        self._started = self._shown = clock()

    def update(self, tally: Tally, stats: Callable[[], ClientStats], note: str = "") -> None:
        """Print a line if it is time."""
        now = self._clock()
        if now - self._shown < _SECONDS_BETWEEN_LINES:
            return
        self._shown = now
        rate = (tally.done - self._before) / (now - self._started)
        line = f"{_done(tally.done, self._total)}  {rate:,.0f}/s  {counts_line(tally, stats())}"
        self._console.print(f"{line}  ({note})" if note else line, soft_wrap=True)


def _done(done: int, total: int | None) -> str:
    return f"{done:,}" if total is None else f"{done:,}/{total:,}"


def counts_line(tally: Tally, stats: ClientStats) -> str:
    """Say all the counts in one line, short enough for a narrow terminal."""
    return (
        f"found {tally.found:,}  not found {tally.not_found:,}  failed {tally.failed:,}  "
        f"throttled {stats.throttled:,}  limit {stats.concurrency_limit}"
    )


class _BarAndCounts(Progress):
    def __init__(
        self,
        *columns: ProgressColumn,
        console: Console,
        expand: bool,
        transient: bool,
        counts: Text,
    ) -> None:
        self._counts = counts
        super().__init__(*columns, console=console, expand=expand, transient=transient)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        yield self._counts
