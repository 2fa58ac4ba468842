"""What `fetch` is asked to do, and the files that it refuses to overwrite."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from elevenphone._records import encodable
from elevenphone.cli.errors import OutputError, Refusal
from elevenphone.cli.fetch.journal import ChangedError, Journal
from elevenphone.cli.formats.columns import Selection
from elevenphone.cli.formats.files import (
    Target,
    beside_a_database,
    read_back,
    require_directory,
    require_place,
)
from elevenphone.cli.formats.ids import IdSource
from elevenphone.cli.formats.rows import without_nul


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to fetch, and where to.

    Attributes:
        source: The ids.
        target: Where the answers go.
        selection: What is written of each.
        failures: Where the failed ones go too, as JSONL; `None` for nowhere.
        summary: Where the counts go, as JSON; `-` for standard error, `None` for nowhere.
        resume: Whether to go on with a journal.
        force: Whether to start over, and overwrite.
        quiet: Whether to show neither progress nor summary.
    """

    source: IdSource
    target: Target
    selection: Selection
    failures: Path | None
    summary: str | None
    resume: bool
    force: bool
    quiet: bool

    @property
    def summary_file(self) -> Path | None:
        """The file of the counts, if they go to one."""
        return None if self.summary is None or self.summary == "-" else Path(self.summary)

    @property
    def outputs(self) -> list[Path]:
        """The files to be made."""
        return [path for path in (self.target.file, self.failures) if path is not None]


def check_places(order: Order) -> None:
    """Refuse files that cannot be written, or that only --force may overwrite.

    Raises:
        Refusal: One of them is in the way.
        OutputError: A directory is missing.
    """
    target = order.target
    if order.summary_file is not None:
        require_directory(order.summary_file)
    require_place(target)
    if target.is_stream:
        if order.resume:
            raise Refusal("a stream cannot be resumed: give a file, or leave --resume out.")
    elif target.file.exists() and not (order.force or order.resume):
        again = "; --resume asks again for what failed" if target.journal.exists() else ""
        raise Refusal(f"'{target.path}' exists: give --force to overwrite it{again}.")
    if (failures := order.failures) is not None:
        require_directory(failures)
        if failures.exists() and not failures.is_file():
            raise Refusal(f"'{failures}' is not a file: --failures needs one.")
        if failures.exists() and not (order.force or order.resume):
            raise Refusal(f"'{failures}' exists: give --force to overwrite it.")
    for path in () if target.is_stream else order.outputs:
        if path.exists() and not os.access(path, os.W_OK):
            raise OutputError(f"'{path}'", "it is read-only")


def files_of(order: Order) -> dict[str, Path | None]:
    """Return the files of a run, by what the user calls them."""
    paths = {
        "IDS": order.source.path,
        "OUT": order.target.path,
        "--failures": order.failures,
        "--summary-json": order.summary_file,
    }
    if not order.target.is_stream:
        journal = order.target.journal
        paths["its journal"] = journal
        for beside in beside_a_database(journal):
            paths[f"its journal's {beside.name.removeprefix(journal.name)}"] = beside
    return paths


def refuse_existing(order: Order, journal: Journal) -> None:
    """Refuse a file in the place of an output that is not the run's own.

    Raises:
        Refusal: There is one.
    """
    for path in order.outputs:
        if path.exists() and not journal.may_replace(path):
            raise Refusal(
                f"'{path}' exists, and not from the run that '{journal.path}' holds: "
                "move it away, or start over with --force."
            )


def finished(order: Order) -> Counter[str] | None:
    """Count the statuses in the output of a run that `--resume` finds finished.

    Returns:
        How many ids have which status; `None` where there is something to do.

    Raises:
        ChangedError: The output is of other ids.
        Refusal: It does not show what became of each id.
    """
    target = order.target
    if not order.resume or not target.file.exists() or target.journal.exists():
        return None
    if order.selection.no_agent:
        raise Refusal(
            f"'{target.path}' is finished, and with --no-agent it does not show what else was found: "
            "--force starts over."
        )
    written_as = without_nul if target.format == "csv" else str
    counts: Counter[str] = Counter()
    rows = read_back(target)
    names = next(rows)
    for row, phone_number_id in zip_longest(rows, order.source.ids()):
        if row is None or phone_number_id is None or row[0] != written_as(encodable(phone_number_id)):
            raise ChangedError(f"'{target.path}' is finished, and is of other ids: --force starts over.")
        counts[row[1] or ""] += 1
    # A selection begins with id and status, and has no agent that is not flat.
    are_all = names[:1] == ("index",) or "assigned_agent" in names
    if counts and (None if are_all else names) != order.selection.columns:
        raise Refusal(f"'{target.path}' is finished, and has other columns: --force starts over.")
    if order.failures is not None and not order.failures.exists():
        raise Refusal(
            f"'{target.path}' is finished, and '{order.failures}' was not made then: --force starts over."
        )
    return counts
