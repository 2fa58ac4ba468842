"""The output made of a journal: in the order of the input, and in place only when it is whole."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import BinaryIO

from elevenphone.cli.fetch.journal import Journal
from elevenphone.cli.formats.columns import Selection
from elevenphone.cli.formats.files import Target, whole_file
from elevenphone.cli.formats.rows import rows_of
from elevenphone.cli.show.tally import Tally
from elevenphone.cli.show.verdicts import Complaints
from elevenphone.lookups import Failed


class Results:
    """The outcome of a run.

    Attributes:
        tally: The counts.
        complaints: What failed, and what to do.
        passing: How many failed for a reason that may pass.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self.complaints = Complaints()
        self.passing = 0


def export(
    journal: Journal, count: int, target: Target, selection: Selection, failures: Path | None
) -> Results:
    """Write the results, and those that failed to a file of their own.

    Args:
        journal: Has an answer to every id.
        count: How many ids there are.
        target: Where the results go.
        selection: What is written of each.
        failures: Where the failed ones go too, as lines of JSON; `None` for nowhere.

    Raises:
        OutputError: A file cannot be written; a file that was in its place is still there.
        Refusal: A file has appeared in its place.
        ChangedError: The journal lacks an answer.
    """
    results = Results()
    with contextlib.ExitStack() as files:

        def whole(path: Path) -> BinaryIO:
            return files.enter_context(whole_file(path, replace=journal.may_replace, mark=journal.mark))

        failed = None if failures is None else whole(failures)
        file = whole(target.file)
        rows = files.enter_context(rows_of(target.format, file, selection))
        for line, lookup, may_pass in journal.in_order(count):
            results.tally.add(lookup)
            results.complaints.add(lookup)
            results.passing += may_pass
            if selection.takes(lookup):
                rows.add(lookup, line)
            if failed is not None and isinstance(lookup, Failed):
                failed.write(line)
    journal.note_export()
    return results
