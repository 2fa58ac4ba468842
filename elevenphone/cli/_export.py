"""The results made of a journal: in the order of the input, and in place only when whole."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from elevenphone.cli._explanations import Complaints
from elevenphone.cli._journal import Journal, may_pass
from elevenphone.cli._output import whole_file
from elevenphone.cli._tally import Tally
from elevenphone.cli._target import Rows
from elevenphone.lookups import Failed, Lookup


class Results:
    """What a run came to.

    Attributes:
        tally: How many of what.
        complaints: What failed, and what to do.
        passing: How many failed for a reason that may pass.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self.complaints = Complaints()
        self.passing = 0

    def add(self, lookup: Lookup) -> None:
        """Count one."""
        self.tally.add(lookup)
        self.complaints.add(lookup)
        self.passing += may_pass(lookup)


def export(
    journal: Journal, count: int, path: Path, rows_of: Callable[[BinaryIO], Rows], failures: Path | None
) -> Results:
    """Write the results, and what failed of them.

    Args:
        journal: Has an answer to every id.
        count: How many ids there are.
        path: Where the results go.
        rows_of: Makes what writes them.
        failures: Where what failed goes too, as lines of JSON; `None` for nowhere.

    Raises:
        OutputError: One of them cannot be written; what was there before still is.
        ChangedError: The journal lacks an answer.
    """
    results = Results()
    with contextlib.ExitStack() as files:
        failed = None if failures is None else files.enter_context(whole_file(failures))
        rows = rows_of(files.enter_context(whole_file(path)))
        for line, lookup in journal.in_order(count):
            results.add(lookup)
            rows.add(line, lookup)
            if failed is not None and isinstance(lookup, Failed):
                failed.write(line)
        rows.finish()
    return results
