"""`elevenphone get`: look a few numbers up."""

from __future__ import annotations

from collections.abc import Sequence
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

    selection = selection_of(select, no_agent=no_agent)
    access.check()
    if ids == ("-",):
        ids = tuple(IdSource(None, access.shell.stdin, None).ids())
    return run(_Get(access, ids, selection, as_json=as_json).look_up())


class _Get:
    """One call of the command."""

    def __init__(self, access: Access, ids: Sequence[str], selection: Selection, *, as_json: bool) -> None:
        from elevenphone.cli.show.results import Tally, on_output  # noqa: PLC0415 - slow

        self._access = access
        self._shell = access.shell
        self._ids = ids
        self._selection = selection
        is_card = (
            len(ids) == 1 and selection.columns is None and not as_json and self._shell.output_is_terminal
        )
        self._show = self._show_card if is_card else on_output(self._shell, selection, as_json=as_json)
        self._tally = Tally()
        self._ended = ExitCode.ALL_FOUND

    async def look_up(self) -> ExitCode:
        """Look the ids up, show what became of each in their order, and choose the exit code."""
        if len(self._ids) >= _MANY and self._shell.errors.isatty():
            count = f"{len(self._ids):,} ids"
            self._shell.say(f"elevenphone: {count}; `elevenphone fetch` shows progress and can be resumed.")
        async with self._access.client() as client:
            if len(self._ids) == 1:
                await self._look_one_up(client)
            else:
                await self._look_several_up(client)
        for complaint in self._tally.complaints():
            self._shell.say(f"elevenphone: {complaint}")
        return self._ended or self._tally.exit_code

    async def _look_one_up(self, client: PhoneNumberClient) -> None:
        from elevenphone.cli.show.results import look_up  # noqa: PLC0415 - slow

        lookup = await look_up(client, self._ids[0])
        self._settle(lookup)
        if isinstance(lookup, elevenphone.Failed):
            self._ended = exit_code_of(lookup.error)

    async def _look_several_up(self, client: PhoneNumberClient) -> None:
        from msgspec.structs import replace  # noqa: PLC0415 - slow

        refusals = [telephone_number_error(each) for each in self._ids]
        asked = [each for each, refusal in zip(self._ids, refusals, strict=True) if refusal is None]
        async with client.stream(asked, ordered=True, deadline=self._access.deadline) as lookups:
            for index, refusal in enumerate(refusals):
                if refusal is None:
                    self._settle(replace(await anext(lookups), index=index), lookups.stopped_by)
                else:
                    self._settle(elevenphone.Failed(index, self._ids[index], 0, 0.0, refusal))

    def _settle(self, lookup: Lookup, stopped_by: ElevenPhoneError | None = None) -> None:
        self._tally.add(lookup)
        if isinstance(lookup, elevenphone.Failed) and (
            isinstance(lookup.error, InvalidPhoneNumberIdError) or ends_run(lookup, stopped_by)
        ):
            self._ended = max(self._ended, exit_code_of(lookup.error))
        if self._selection.takes(lookup):
            self._show(lookup)

    def _show_card(self, lookup: Lookup) -> None:
        if isinstance(lookup, elevenphone.Found):  # for one that failed, the error says it all
            from elevenphone.cli.show.terminal import print_card  # noqa: PLC0415 - rich only where a person looks

            print_card(self._shell, lookup.number)
