"""`elevenphone get`: look a few numbers up."""

from __future__ import annotations

import click

from elevenphone.cli._options import Connection, connection_options


@click.command("get")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line, on a terminal too.")
@connection_options(deadline=60.0)
def command(connection: Connection, *, ids: tuple[str, ...], as_json: bool) -> int:
    """Look one or several numbers up by id.

    `-` alone reads the ids from standard input, one a line.

    On a terminal one number is shown as a card and several as a table. Elsewhere,
    or with --json, each id gives one line of JSON, in the order of the ids, with
    the number as the API sends it, or why there is none:

    \b
      {"index": 0, "phone_number_id": "...", "status": "found",
        "attempts": 1, "elapsed": 0.043, "number": {...}}
      {"index": 1, "phone_number_id": "...", "status": "not_found",
        "attempts": 1, "elapsed": 0.038, "error": {"kind": "not_found",
        "http_status": 404, "code": "...", "message": "...", "request_id": "..."}}

    What failed, and what to do about it, is said on standard error.

    \b
    Examples:
      elevenphone get phnum_01jxaeyg3feh3tmx39d4ky63rd
      elevenphone get --json phnum_01jxaeyg3feh3tmx39d4ky63rd | jq .number.label
      elevenphone get --region eu --api-key-file ~/.elevenlabs-eu phnum_...
      elevenphone get - < ids.txt > numbers.jsonl
    """  # noqa: D301 - click wants the character itself
    if ids == ("-",):
        ids = _read_ids()
    elif "-" in ids:
        raise click.UsageError("`-` stands for all the ids on standard input: give no others.")
    client = connection.client()
    from elevenphone.cli._run_get import run_get  # noqa: PLC0415 - start-up is for everybody

    return run_get(client, ids, deadline=connection.deadline, as_json=as_json)


def _read_ids() -> tuple[str, ...]:
    from elevenphone.cli._ids import IdSource  # noqa: PLC0415 - start-up is for everybody

    return tuple(IdSource(None, None).ids())
