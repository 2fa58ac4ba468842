"""`elevenphone list` and `elevenphone find`: the numbers of a workspace, and those that people dial."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from elevenphone.cli.access import Access
from elevenphone.cli.commands.options import (
    access_options,
    format_option,
    json_option,
    no_agent_option,
    output_option,
    select_option,
)

if TYPE_CHECKING:
    from elevenphone.cli.formats.rows import Format


@click.command("list")
@click.option("--search", metavar="TEXT", help="Numbers with this id, or with TEXT in label or number.")
@click.option("--label", metavar="TEXT", help="Numbers with TEXT in the label.")
@click.option("--phone-number", metavar="NUMBER", help="Numbers that are exactly this.")
@click.option("--provider", metavar="NAME", help="Numbers of twilio, sip_trunk or exotel.")
@click.option("--agent-id", metavar="ID", help="Numbers of this agent.")
@click.option("--branch-id", metavar="ID", help="Numbers of this branch of an agent.")
@no_agent_option
@click.option("--sort-by", type=click.Choice(["label", "phone_number"]), help="Sort them.")
@click.option("--descending", is_flag=True, help="Sort from the last to the first.")
@click.option(
    "--page-size", type=int, default=100, show_default=True, metavar="N", help="Numbers of one request."
)
@click.option("--ids", "ids_only", is_flag=True, help="Print ids alone, one a line.")
@json_option
@select_option
@output_option("Write to a file; its ending is .jsonl, .csv, .parquet or .db.")
@format_option
@click.option("--force", is_flag=True, help="Overwrite OUT.")
@access_options(deadline=60.0, each="page")
def list_command(
    access: Access,
    *,
    no_agent: bool,
    descending: bool,
    ids_only: bool,
    as_json: bool,
    select: str | None,
    output: str | None,
    format_: Format | None,
    force: bool,
    **filters: object,
) -> int:
    """List the numbers of the workspace.

    On a terminal they are rows, printed as pages come. Elsewhere, or with --json,
    each is one line of JSON as the API sends it. OUT appears when it is whole.

    \b
    Examples:
      elevenphone list
      elevenphone list --no-agent
      elevenphone list --provider sip_trunk --select phone_number,livekit_stack
      elevenphone list --ids | elevenphone fetch - -o numbers.csv
      elevenphone list -o numbers.db
    """  # noqa: D301 - click wants the character itself
    if ids_only and (as_json or select is not None or output is not None or format_ is not None):
        raise click.UsageError("--ids prints ids alone: leave --json, --select, --output and --format out.")
    from elevenphone.cli.exit_codes import Refusal  # noqa: PLC0415 - imported when it runs
    from elevenphone.cli.formats.columns import selection_of  # noqa: PLC0415 - as above
    from elevenphone.cli.formats.files import target_of  # noqa: PLC0415 - as above
    from elevenphone.cli.work.listing import run_list  # noqa: PLC0415 - as above

    selection = selection_of(select, no_agent=no_agent, of_numbers=True)
    target = None
    if output is not None or format_ is not None:
        target = target_of(output or "-", format_)
        access.refuse_same(OUT=target.path)
        if not target.is_stream and target.file.exists() and not force:
            raise Refusal(f"'{target.path}' exists: give --force to overwrite it.")
    given = {name: value for name, value in filters.items() if value is not None}
    if descending:
        given["sort_direction"] = "desc"
    access.check()
    return run_list(access, given, selection, target, ids_only=ids_only, as_json=as_json, force=force)


@click.command("find")
@click.argument("numbers", nargs=-1, required=True, metavar="NUMBER...")
@json_option
@select_option
@access_options(deadline=60.0, each="page")
def find_command(access: Access, *, numbers: tuple[str, ...], as_json: bool, select: str | None) -> int:
    """Find numbers by the telephone number.

    A NUMBER is looked for as it stands first, and then without regard to spaces,
    dashes and a missing +. The result has its id, agent, label and provider.

    \b
    Examples:
      elevenphone find +15551234567
      elevenphone find '1 555 123-4567' --json
    """  # noqa: D301 - click wants the character itself
    for number in numbers:
        if not any(character.isdigit() for character in number):
            raise click.UsageError(f"{number!r} is not a telephone number: it has no digit.")
    from elevenphone.cli.formats.columns import selection_of  # noqa: PLC0415 - imported when it runs
    from elevenphone.cli.work.listing import run_find  # noqa: PLC0415 - as above

    access.check()
    selection = selection_of(select, no_agent=False, of_numbers=True)
    return run_find(access, numbers, selection, as_json=as_json)
