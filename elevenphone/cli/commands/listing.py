"""`elevenphone list` and `elevenphone find`: the numbers of a workspace, and those that people dial."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

import elevenphone
from elevenphone.cli.access import Access
from elevenphone.cli.commands import (
    access_options,
    format_option,
    json_option,
    no_agent_option,
    output_option,
    select_option,
)
from elevenphone.cli.errors import ExitCode, Refusal, explained
from elevenphone.cli.shell import run
from elevenphone.errors import FaultyElementError

if TYPE_CHECKING:
    from elevenphone import PhoneNumber, PhoneNumberClient
    from elevenphone.cli.formats.columns import Selection
    from elevenphone.cli.formats.rows import Format
    from elevenphone.cli.show.results import Show

_NO_DIGIT = re.compile(r"\D")
# The last digits of a number are written without a space or a dash in between.
_DIGITS_SEARCHED = 4


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
    from elevenphone.cli.formats.columns import selection_of  # noqa: PLC0415 - slow, as below
    from elevenphone.cli.formats.files import require_place, target_of  # noqa: PLC0415
    from elevenphone.cli.show.results import into, on_output  # noqa: PLC0415

    selection = selection_of(select, no_agent=no_agent, of_numbers=True)
    target = None
    if output is not None or format_ is not None:
        target = target_of(output or "-", format_)
        access.refuse_same(OUT=target.path)
        require_place(target)
        if not target.is_stream and target.file.exists() and not force:
            raise Refusal(f"'{target.path}' exists: give --force to overwrite it.")
    given = {name: value for name, value in filters.items() if value is not None}
    if descending:
        given["sort_direction"] = "desc"
    access.check()
    shell = access.shell
    if target is None:
        show = None if ids_only else on_output(shell, selection, as_json=as_json)
        return run(_Listing(access, selection, show).show_all(given))
    with into(shell, target, selection, replace=force) as show:
        code = run(_Listing(access, selection, show).show_all(given))
    if not target.is_stream:
        shell.say(f"Written to {target.path}")
    return code


@click.command("find")
@click.argument("numbers", nargs=-1, required=True, metavar="NUMBER...")
@json_option
@select_option
@access_options(deadline=60.0, each="page")
def find_command(access: Access, *, numbers: tuple[str, ...], as_json: bool, select: str | None) -> int:
    """Find numbers by their telephone number.

    The command first looks for each NUMBER exactly as written, then without regard
    to spaces, dashes and a missing +. It shows id, agent, label and provider.

    \b
    Examples:
      elevenphone find +15551234567
      elevenphone find '1 555 123-4567' --json
    """  # noqa: D301 - click wants the character itself
    for number in numbers:
        if not _NO_DIGIT.sub("", number):
            raise click.UsageError(f"{number!r} is not a telephone number: it has no digit.")
    from elevenphone.cli.formats.columns import selection_of  # noqa: PLC0415 - slow, as below
    from elevenphone.cli.show.results import on_output  # noqa: PLC0415

    access.check()
    selection = selection_of(select, no_agent=False, of_numbers=True)
    show = on_output(access.shell, selection, as_json=as_json)
    return run(_Listing(access, selection, show).show_dialled(numbers))


class _Listing:
    """Shows numbers of listings, and reports the elements that are not numbers.

    Without `show` it prints their ids alone.
    """

    def __init__(self, access: Access, selection: Selection, show: Show | None) -> None:
        self._access = access
        self._shell = access.shell
        self._selection = selection
        self._show = show
        self._shown = self._faulty = 0

    async def show_all(self, filters: Mapping[str, object]) -> ExitCode:
        """Show all numbers that the filters let pass, each as it comes."""
        async with self._access.client() as client:
            async for number in self._numbers(client, filters):
                self._take(number)
        if not (self._shown or self._faulty) and self._shell.output_is_terminal:
            is_filtered = filters or self._selection.no_agent
            none = "no number passes the filters" if is_filtered else "the workspace has no numbers"
            self._shell.say(f"elevenphone: {none}. Check --region too.")
        return ExitCode.SOME_FAILED if self._faulty else ExitCode.ALL_FOUND

    async def show_dialled(self, numbers: Sequence[str]) -> ExitCode:
        """Show the numbers that are dialled so, each as it stands or else by its digits alone."""
        missing: list[str] = []
        async with self._access.client() as client:
            for given in numbers:
                found = [each async for each in self._numbers(client, {"phone_number": given})]
                digits = _NO_DIGIT.sub("", given)
                if not found:
                    alike = self._numbers(client, {"search": digits[-_DIGITS_SEARCHED:]})
                    found = [each async for each in alike if _NO_DIGIT.sub("", each.phone_number) == digits]
                for number in found:
                    self._take(number)
                if not found:
                    missing.append(given)
        for given in missing:
            self._shell.say(f"elevenphone: {given}: this key knows no such number. Check --region.")
        if self._faulty:
            return ExitCode.SOME_FAILED
        return ExitCode.NOT_FOUND if missing else ExitCode.ALL_FOUND

    async def _numbers(
        self, client: PhoneNumberClient, filters: Mapping[str, Any]
    ) -> AsyncIterator[PhoneNumber]:
        listing = client.list(**filters, deadline=self._access.deadline)
        while True:
            try:
                async for number in listing:
                    yield number
            except FaultyElementError as error:
                self._report(error)
            else:
                return

    def _take(self, number: PhoneNumber) -> None:
        lookup = elevenphone.Found(self._shown, number.phone_number_id, 0, 0.0, number)
        if not self._selection.takes(lookup):
            return
        if self._show is None:
            self._shell.print(number.phone_number_id)
        else:
            self._show(lookup)
        self._shown += 1

    def _report(self, error: FaultyElementError) -> None:
        self._faulty += 1
        self._shell.say(f"elevenphone: {explained(error)}")
        if self._show is None and error.phone_number_id is not None:
            self._shell.print(error.phone_number_id)
