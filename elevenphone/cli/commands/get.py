"""`elevenphone get`: look a few numbers up."""

from __future__ import annotations

import click

from elevenphone.cli.access import Access
from elevenphone.cli.commands.options import access_options, json_option, no_agent_option, select_option


@click.command("get")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@json_option
@select_option
@no_agent_option
@access_options(deadline=60.0)
def command(
    access: Access, *, ids: tuple[str, ...], as_json: bool, select: str | None, no_agent: bool
) -> int:
    """Look one or several numbers up by id.

    `-` alone reads the ids from standard input, one a line.

    On a terminal one number is shown as a card, and several as rows. Elsewhere, or
    with --json, each id gives one line of JSON, in the order of the ids, with the
    number as the API sends it, or the reason why there is none:

    \b
      {"index": 0, "phone_number_id": "...", "status": "found",
        "attempts": 1, "elapsed": 0.043, "number": {...}}
      {"index": 1, "phone_number_id": "...", "status": "not_found",
        "attempts": 1, "elapsed": 0.038, "error": {"kind": "not_found",
        "http_status": 404, "code": "...", "message": "...", "request_id": "..."}}

    Standard error says what failed, and what to do about it.

    \b
    Examples:
      elevenphone get phnum_01jxaeyg3feh3tmx39d4ky63rd
      elevenphone get --json phnum_01jxaeyg3feh3tmx39d4ky63rd | jq .number.label
      elevenphone get --region eu --api-key-file ~/.elevenlabs-eu phnum_...
      elevenphone get --select phone_number,label - < ids.txt
    """  # noqa: D301 - click wants the character itself
    if "-" in ids and len(ids) > 1:
        raise click.UsageError("`-` stands for all the ids on standard input: give no others.")
    from elevenphone.cli.formats.columns import selection_of  # noqa: PLC0415 - imported when it runs
    from elevenphone.cli.formats.ids import IdSource  # noqa: PLC0415 - as above
    from elevenphone.cli.work.get import run_get  # noqa: PLC0415 - as above

    selection = selection_of(select, no_agent=no_agent)
    access.check()
    if ids == ("-",):
        ids = tuple(IdSource(None, access.shell.stdin, None).ids())
    return run_get(access, ids, selection, as_json=as_json)
