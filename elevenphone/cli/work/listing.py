"""The work of `elevenphone list` and `elevenphone find`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from elevenphone import PhoneNumberClient
from elevenphone.cli.access import Access
from elevenphone.cli.event_loop import run
from elevenphone.cli.exit_codes import ExitCode
from elevenphone.cli.formats.columns import Selection
from elevenphone.cli.formats.files import Target
from elevenphone.cli.show.verdicts import explained
from elevenphone.cli.work.results import Show, into, on_output
from elevenphone.errors import FaultyElementError
from elevenphone.lookups import Found
from elevenphone.models import PhoneNumber

_NO_DIGIT = re.compile(r"\D")
# The last digits of a number are written without a space or a dash in between.
_DIGITS_SEARCHED = 4


def run_list(
    access: Access,
    filters: Mapping[str, object],
    selection: Selection,
    target: Target | None,
    *,
    ids_only: bool,
    as_json: bool,
    force: bool,
) -> ExitCode:
    """List numbers, and show or write each as it comes.

    Args:
        access: How the API is reached.
        filters: Arguments of `PhoneNumberClient.list`.
        selection: What is shown of each.
        target: Where they are written; `None` for the terminal or the pipe.
        ids_only: Whether only ids are printed.
        as_json: Whether to write JSON on a terminal too.
        force: Whether an existing file may be replaced.

    Returns:
        The exit code.
    """
    listing = _Listing(access, selection, ids_only=ids_only)
    if target is None:
        return run(listing.list(filters, listing.shower(as_json=as_json)))
    with into(access.shell, target, selection, replace=force) as write:
        code = run(listing.list(filters, write))
    if not target.is_stream:
        access.shell.say(f"Written to {target.path}")
    return code


def run_find(access: Access, numbers: Sequence[str], selection: Selection, *, as_json: bool) -> ExitCode:
    """Find numbers by what people dial, and show each.

    Args:
        access: How the API is reached.
        numbers: Telephone numbers.
        selection: What is shown of each.
        as_json: Whether to write JSON on a terminal too.

    Returns:
        The exit code.
    """
    listing = _Listing(access, selection)
    return run(listing.find(numbers, listing.shower(as_json=as_json)))


class _Listing:
    """Shows numbers of listings, and reports the elements that are not numbers."""

    def __init__(self, access: Access, selection: Selection, *, ids_only: bool = False) -> None:
        self._access = access
        self._shell = access.shell
        self._selection = selection
        self._ids_only = ids_only
        self._shown = self._faulty = 0

    def shower(self, *, as_json: bool) -> Show:
        """Choose how numbers are shown on standard output."""
        if self._ids_only:
            return lambda lookup: self._shell.print(lookup.phone_number_id)
        return on_output(self._shell, self._selection, as_json=as_json)

    async def list(self, filters: Mapping[str, object], show: Show) -> ExitCode:
        """Show all numbers that the filters let pass."""
        async with self._access.client() as client:
            async for number in self._numbers(client, filters):
                self._show(number, show)
        return ExitCode.SOME_FAILED if self._faulty else ExitCode.ALL_FOUND

    async def find(self, numbers: Sequence[str], show: Show) -> ExitCode:
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
                    self._show(number, show)
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
        listing = aiter(client.list(**filters, deadline=self._access.deadline))
        while True:
            try:
                number = await anext(listing)
            except StopAsyncIteration:
                return
            except FaultyElementError as error:
                self._report(error)
            else:
                yield number

    def _show(self, number: PhoneNumber, show: Show) -> None:
        lookup = Found(self._shown, number.phone_number_id, 0, 0.0, number)
        if self._selection.takes(lookup):
            show(lookup)
            self._shown += 1

    def _report(self, error: FaultyElementError) -> None:
        self._faulty += 1
        self._shell.say(f"elevenphone: {explained(error)}")
        if self._ids_only and error.phone_number_id is not None:
            self._shell.print(error.phone_number_id)
