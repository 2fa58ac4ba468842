"""`elevenphone fetch`: look a list of numbers up, however long."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from elevenphone.cli._options import Connection, connection_options

if TYPE_CHECKING:
    from elevenphone.cli._target import Format


class _ConcurrencyType(click.ParamType[int | None]):
    name = "concurrency"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        text = str(value)
        if text != "auto" and not (text.isdecimal() and int(text)):
            self.fail(f"{value!r} is neither `auto` nor a whole number from 1 up.", param, ctx)
        return None if text == "auto" else int(text)


@click.command("fetch")
@click.argument("ids", type=click.Path(allow_dash=True), metavar="IDS")
@click.option(
    "-o",
    "--output",
    type=click.Path(allow_dash=True),
    metavar="OUT",
    help="Where the results go; `-` writes JSONL to standard output as answers come.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(("jsonl", "csv", "parquet")),
    help="What is written.  [default: by OUT's ending]",
)
@click.option(
    "--column",
    metavar="NAME",
    help="Where the ids are in CSV, JSONL or Parquet.  [default: phone_number_id]",
)
@click.option(
    "--failures",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write what was not found or failed to FILE too, as JSONL.",
)
@click.option("--resume", is_flag=True, help="Go on with a run that did not end, or begin one.")
@click.option("--force", is_flag=True, help="Start over, and overwrite.")
@click.option("--dry-run", is_flag=True, help="Read and check the ids; ask nothing, and need no key.")
@click.option("-q", "--quiet", is_flag=True, help="Show neither progress nor summary.")
@click.option(
    "--concurrency",
    type=_ConcurrencyType(),
    default="auto",
    metavar="N",
    help="Most requests at once, or `auto`: as many as the server bears.  [default: auto]",
)
@click.option("--rate", type=float, metavar="N", help="Most requests a second.  [default: no bound]")
@connection_options(deadline=300.0)
def command(
    connection: Connection,
    *,
    ids: str,
    output: str | None,
    format_: Format | None,
    column: str | None,
    failures: Path | None,
    resume: bool,
    force: bool,
    dry_run: bool,
    quiet: bool,
    concurrency: int | None,
    rate: float | None,
) -> int:
    """Look a list of numbers up, however long.

    IDS is a text file of one id a line, a CSV, JSONL or Parquet file with a column
    of ids, or `-` for standard input. OUT ends in .jsonl, .csv or .parquet, and
    has one line or row for each id, in their order.

    Answers are kept in OUT.journal until all are there, and OUT is made of that.
    Ctrl-C ends in good order (a second one at once), and whatever else ends the run,
    --resume goes on where it was. It asks again only for what failed for a reason
    that may pass, and only with the same ids.

    \b
    Examples:
      elevenphone fetch ids.txt -o numbers.csv
      elevenphone fetch ids.txt -o numbers.csv --resume
      elevenphone fetch crm.csv --column phone_id -o numbers.parquet
      psql -Atc 'select phone_id from lines' | elevenphone fetch - -o lines.jsonl
      elevenphone fetch ids.txt -o - | jq -r 'select(.number) | .number.label'
    """  # noqa: D301 - click wants the character itself
    for name, path in (("IDS", ids), ("OUT", output)):
        if path == "":
            raise click.UsageError(f"{name} is empty: it is the path of a file, or `-`.")
    from elevenphone.cli._ids import IdSource  # noqa: PLC0415 - start-up is for everybody

    source = IdSource(None if ids == "-" else Path(ids), column)
    if dry_run:
        from elevenphone.cli._run_dry import run_dry  # noqa: PLC0415 - as above

        return run_dry(source)
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    if resume and force:
        raise click.UsageError("--resume goes on and --force starts over: give one of them.")
    from elevenphone.cli._target import target_of  # noqa: PLC0415 - as above

    target = target_of(output, format_)
    _refuse_same_file(ids, target.path, failures)
    client = connection.client(concurrency=concurrency, rate=rate)
    from elevenphone.cli._run_fetch import Order, run_fetch  # noqa: PLC0415 - as above

    order = Order(source=source, target=target, failures=failures, resume=resume, force=force, quiet=quiet)
    return run_fetch(connection, client, order)


def _refuse_same_file(ids: str, output: Path | None, failures: Path | None) -> None:
    paths = [path.resolve() for path in (None if ids == "-" else Path(ids), output, failures) if path]
    if len(set(paths)) < len(paths):
        raise click.UsageError("IDS, OUT and --failures are to be different files.")
