"""`elevenphone get`: look a few numbers up."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

import click

import elevenphone
from elevenphone.cli.access import Access
from elevenphone.cli.commands import access_options, json_option, no_agent_option, select_option
from elevenphone.cli.errors import ExitCode, ends_run, exit_code_of, telephone_number_error
from elevenphone.cli.shell import run
from elevenphone.errors import ElevenPhoneError, InvalidPhoneNumberIdError

if TYPE_CHECKING:
    from elevenphone import Lookup, PhoneNumberClient
    from elevenphone.cli.formats.columns import Selection
    from elevenphone.cli.show.results import Show

# From here on `fetch` is the better command: it shows progress, and can be resumed.
_MANY = 500


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
    from elevenphone.cli.formats.columns import selection_of  # noqa: PLC0415 - slow, as below
    from elevenphone.cli.formats.ids import IdSource  # noqa: PLC0415
    from elevenphone.cli.show.results import on_output  # noqa: PLC0415

    selection = selection_of(select, no_agent=no_agent)
    access.check()
    if ids == ("-",):
        ids = tuple(IdSource(None, access.shell.stdin, None).ids())
    show = on_output(access.shell, selection, as_json=as_json, is_one=len(ids) == 1)
    return run(_look_up(access, ids, selection, show))


async def _look_up(access: Access, ids: Sequence[str], selection: Selection, show: Show) -> ExitCode:
    """Look ids up, show what became of each in their order, and choose the exit code."""
    from elevenphone.cli.show.results import Tally  # noqa: PLC0415 - slow

    shell, tally, code = access.shell, Tally(), ExitCode.ALL_FOUND
    if len(ids) >= _MANY and shell.errors.isatty():
        shell.say(f"elevenphone: {len(ids):,} ids; `elevenphone fetch` shows progress and can be resumed.")
    async with (
        access.client() as client,
        contextlib.aclosing(_lookups(client, ids, access.deadline)) as lookups,
    ):
        async for lookup, stopped_by in lookups:
            tally.add(lookup)
            if isinstance(lookup, elevenphone.Failed) and (
                len(ids) == 1
                or isinstance(lookup.error, InvalidPhoneNumberIdError)
                or ends_run(lookup, stopped_by)
            ):
                code = max(code, exit_code_of(lookup.error))
            if selection.takes(lookup):
                show(lookup)
    for complaint in tally.complaints():
        shell.say(f"elevenphone: {complaint}")
    return code or tally.exit_code


async def _lookups(
    client: PhoneNumberClient, ids: Sequence[str], deadline: float
) -> AsyncGenerator[tuple[Lookup, ElevenPhoneError | None]]:
    """Look ids up; yield each lookup, and the error that has stopped all of them, if one has."""
    from msgspec.structs import replace  # noqa: PLC0415 - slow, as below

    from elevenphone.cli.show.results import look_up  # noqa: PLC0415

    if len(ids) == 1:
        yield await look_up(client, ids[0]), None
        return
    refusals = [telephone_number_error(each) for each in ids]
    asked = [each for each, refusal in zip(ids, refusals, strict=True) if refusal is None]
    async with client.stream(asked, ordered=True, deadline=deadline) as lookups:
        for index, refusal in enumerate(refusals):
            if refusal is None:
                yield replace(await anext(lookups), index=index), lookups.stopped_by
            else:
                yield elevenphone.Failed(index, ids[index], 0, 0.0, refusal), None
