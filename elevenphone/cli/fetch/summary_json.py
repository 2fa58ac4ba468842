"""The summary of a run as JSON, for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from elevenphone import ClientStats
from elevenphone.cli.exit_codes import ExitCode
from elevenphone.cli.formats.files import whole_file
from elevenphone.cli.shell import Shell
from elevenphone.cli.show.tally import Tally

_ENDINGS: Mapping[ExitCode, str] = {
    ExitCode.USAGE: "refused",
    ExitCode.KEY_REFUSED: "key_refused",
    ExitCode.OUTPUT_FAILED: "output_failed",
    ExitCode.QUOTA: "quota_used_up",
    ExitCode.SERVER_AWAY: "server_away",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.PIPE_CLOSED: "pipe_closed",
}


class SummaryDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What `--summary-json` writes.

    Attributes:
        ended: `complete`, or why the run ended before.
        exit_code: The command's exit code.
        output: OUT as it was given.
        done: Ids with an answer, those of earlier runs included.
        found: Numbers found.
        not_found: Ids that the API does not know.
        failed: All other failures.
        before: Answers of earlier runs.
        seconds: Seconds that this run took.
        requests: Requests of this run.
        retries: Attempts that were not a lookup's first.
        throttled: Answers 429.
        concurrency_limit: Most requests in flight at the end.
        connections: Connections opened.
        errors: Kind of error to the number of lookups.
        providers: Provider to the count of numbers found.
        without_agent: Provider to the count of numbers without an agent.
    """

    ended: str
    exit_code: int
    output: str
    done: int
    found: int
    not_found: int
    failed: int
    before: int
    seconds: float
    requests: int
    retries: int
    throttled: int
    concurrency_limit: int
    connections: int
    errors: dict[str, int]
    providers: dict[str, int]
    without_agent: dict[str, int]


def write_summary(
    shell: Shell,
    place: str,
    code: ExitCode,
    tally: Tally,
    stats: ClientStats | None,
    *,
    output: str,
    before: int,
    seconds: float,
) -> None:
    """Write the summary to a file, or to standard error for `-`.

    Raises:
        OutputError: The file cannot be written.
    """
    document = SummaryDocument(
        ended=_ENDINGS.get(code, "complete"),
        exit_code=int(code),
        output=output,
        done=tally.done,
        found=tally.found,
        not_found=tally.not_found,
        failed=tally.failed,
        before=before,
        seconds=round(seconds, 3),
        requests=stats.requests if stats else 0,
        retries=stats.retries if stats else 0,
        throttled=stats.throttled if stats else 0,
        concurrency_limit=stats.concurrency_limit if stats else 0,
        connections=stats.connections_opened if stats else 0,
        errors=dict(tally.errors),
        providers=dict(tally.providers),
        without_agent=dict(tally.without_agent),
    )
    line = msgspec.json.encode(document)
    if place == "-":
        shell.errors.write(f"{line.decode()}\n")
        shell.errors.flush()
        return
    with whole_file(Path(place), replace=True) as file:
        file.write(line + b"\n")
