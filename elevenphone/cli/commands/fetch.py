"""`elevenphone fetch`: look many numbers up; and `elevenphone demo`, the same on an emulator."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from elevenphone import InvalidPhoneNumberIdError
from elevenphone.cli.access import Access
from elevenphone.cli.commands import (
    access_options,
    format_option,
    no_agent_option,
    output_option,
    select_option,
)
from elevenphone.cli.errors import ExitCode, telephone_number_error
from elevenphone.cli.shell import Shell
from elevenphone.cli.text import counted

if TYPE_CHECKING:
    from elevenphone.cli.formats.ids import IdSource
    from elevenphone.cli.formats.rows import Format

# So many requests at once have no use, and Python reads no longer numbers.
_MOST_DIGITS = 9
_MOST_REMARKS = 10
_USUAL_ID = re.compile(r"phnum_[A-Za-z0-9]+|[A-Za-z0-9_-]{16,64}")


def _concurrency(text: str) -> int | None:
    if text == "auto":
        return None
    if not (text.isdecimal() and len(text) <= _MOST_DIGITS and int(text)):
        raise click.BadParameter(f"{text[:40]!r} is neither `auto` nor a whole number from 1 up.")
    return int(text)


@click.command("fetch")
@click.argument("ids", type=click.Path(allow_dash=True), metavar="IDS")
@output_option("Where the results go; `-` writes to standard output as answers come.")
@format_option
@click.option(
    "--column", metavar="NAME", help="The column of the ids in a table.  [default: phone_number_id]"
)
@select_option
@no_agent_option
@click.option(
    "--failures",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write what was not found or failed to FILE too, as JSONL.",
)
@click.option(
    "--summary-json",
    "summary",
    type=click.Path(allow_dash=True, dir_okay=False),
    metavar="FILE",
    help="Write the counts and the exit code to FILE, or to standard error for `-`.",
)
@click.option("--resume", is_flag=True, help="Go on with a run that did not end, or begin one.")
@click.option("--force", is_flag=True, help="Start over, and overwrite.")
@click.option("--dry-run", is_flag=True, help="Read and check the ids; ask nothing, and need no key.")
@click.option("-q", "--quiet", is_flag=True, help="Show neither progress nor summary.")
@click.option(
    "--concurrency",
    type=_concurrency,
    default="auto",
    metavar="N",
    help="Most requests at once, or `auto`: as many as the server accepts.  [default: auto]",
)
@click.option("--rate", type=float, metavar="N", help="Most requests a second.  [default: no limit]")
@access_options(deadline=300.0)
def command(
    access: Access,
    *,
    ids: str,
    output: str | None,
    format_: Format | None,
    column: str | None,
    select: str | None,
    no_agent: bool,
    failures: Path | None,
    summary: str | None,
    resume: bool,
    force: bool,
    dry_run: bool,
    quiet: bool,
    concurrency: int | None,
    rate: float | None,
) -> int:
    """Look a list of numbers up, however long.

    IDS is a file of one id a line, or CSV, TSV, JSON, JSONL or Parquet with a column
    of ids, compressed with gzip or not; `-` is standard input. OUT ends in .jsonl,
    .csv, .parquet or .db (SQLite), and has one line or row for each id, in their
    order.

    Answers are kept in OUT.journal until all are there, and OUT is made of that.
    Ctrl-C waits for the requests in flight (a second one does not). Whatever else
    ends the run, --resume continues the run. It asks again only for what failed
    for a reason that may pass, and only with the same ids.

    \b
    Examples:
      elevenphone fetch ids.txt -o numbers.csv
      elevenphone fetch ids.txt -o numbers.csv --resume
      elevenphone fetch crm.csv --column phone_id -o numbers.db
      psql -Atc 'select phone_id from lines' | elevenphone fetch - -o lines.jsonl
      elevenphone fetch ids.txt -o - | jq -r 'select(.number) | .number.label'
    """  # noqa: D301 - click wants the character itself
    for name, path in (("IDS", ids), ("OUT", output), ("--summary-json", summary)):
        if path == "":
            raise click.UsageError(f"{name} is empty: it is the path of a file, or `-`.")
    from elevenphone.cli.formats.ids import IdSource  # noqa: PLC0415 - imported when it runs

    source = IdSource(None if ids == "-" else Path(ids), access.shell.stdin, column)
    if dry_run:
        return _run_dry(access.shell, source)
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    if resume and force:
        raise click.UsageError("--resume goes on and --force starts over: give one of them.")
    from elevenphone.cli.fetch.order import Order  # noqa: PLC0415 - as above
    from elevenphone.cli.fetch.run import run_fetch  # noqa: PLC0415 - as above
    from elevenphone.cli.formats.columns import selection_of  # noqa: PLC0415 - as above
    from elevenphone.cli.formats.files import target_of  # noqa: PLC0415 - as above

    order = Order(
        source=source,
        target=target_of(output, format_),
        selection=selection_of(select, no_agent=no_agent),
        failures=failures,
        summary=summary,
        resume=resume,
        force=force,
        quiet=quiet,
    )
    return run_fetch(access, {"concurrency": concurrency, "rate": rate}, order)


def _run_dry(shell: Shell, source: IdSource) -> ExitCode:
    """Read all ids, and say what they are; the code is 2 where some cannot be ids, else 0."""
    count = refused = remarkable = 0
    remarks: list[str] = []
    different: set[str] = set()
    for phone_number_id in source.ids():
        count += 1
        different.add(phone_number_id)
        if _USUAL_ID.fullmatch(phone_number_id):
            continue
        problem = _problem(phone_number_id)
        refused += problem is not None
        remarkable += 1
        if len(remarks) < _MOST_REMARKS:
            remarks.append(_remark(count, phone_number_id, problem))
    repeated = count - len(different)
    more = f", {repeated:,} of them repeated" if repeated else ""
    shell.print(f"{counted(count, 'id')} in {source.name}{more}")
    if remarkable > len(remarks):
        remarks.append(f"and {remarkable - len(remarks):,} more")
    for remark in remarks:
        shell.say(f"elevenphone: {remark}")
    return ExitCode.USAGE if refused else ExitCode.ALL_FOUND


def _remark(position: int, phone_number_id: str, problem: InvalidPhoneNumberIdError | None) -> str:
    if not phone_number_id:
        return f"row {position:,}: empty id"
    return f"id {position:,}: {problem or f'{phone_number_id!r} does not look like an id'}"


def _problem(phone_number_id: str) -> InvalidPhoneNumberIdError | None:
    """Say why `fetch` would not send an id, if it would not."""
    from elevenphone._protocol.requests import path_segment  # noqa: PLC0415 - imported when it runs

    try:
        path_segment(phone_number_id)
    except InvalidPhoneNumberIdError as error:
        return error
    return telephone_number_error(phone_number_id)


@click.command("demo")
@click.option(
    "--numbers",
    type=click.IntRange(1, 1_000_000),
    default=2_000,
    show_default=True,
    metavar="N",
    help="How many ids to look up.",
)
@click.option(
    "--seed", default=0, show_default=True, metavar="N", help="Another seed makes other numbers and faults."
)
@click.pass_obj
def demo_command(shell: Shell, *, numbers: int, seed: int) -> int:
    """Look 2,000 numbers up without a key, on an emulator.

    The emulator runs inside this command and listens on loopback; nothing leaves
    the machine. It takes twelve requests at once, answers late, fails now and then,
    and goes away for a while; the client has to find that out. In the middle the
    run is interrupted, and resumed from its journal.

    \b
    Examples:
      elevenphone demo
      elevenphone demo --numbers 200 --seed 7
    """  # noqa: D301 - click wants the character itself
    from elevenphone.cli.fetch.demo import run_demo  # noqa: PLC0415 - slow

    return run_demo(shell, numbers, seed)
