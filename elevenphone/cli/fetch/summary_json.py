"""The summary of a run as one JSON object, for scripts."""

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
    return {
        "ended": _ENDINGS.get(code, "complete"),
        "exit_code": int(code),
        "done": tally.done,
        "found": tally.found,
        "not_found": tally.not_found,
        "failed": tally.failed,
        "before": before,
        "errors": tally.errors,
        "providers": tally.providers,
        "without_agent": tally.without_agent,
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
    with whole_file(Path(place), replace=True) as file:
        file.write(line + b"\n")
