"""The work of `elevenphone get`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from elevenphone import PhoneNumberClient
from elevenphone.cli.access import Access
from elevenphone.cli.event_loop import run
from elevenphone.cli.exit_codes import ExitCode
from elevenphone.cli.formats.columns import Selection
from elevenphone.cli.lookup import look_up
from elevenphone.cli.show.tally import Tally
from elevenphone.cli.show.verdicts import (
    ends_run,
    exit_code_of_error,
    telephone_number_error,
)
from elevenphone.cli.work.results import Show, on_output
from elevenphone.errors import ElevenPhoneError, InvalidPhoneNumberIdError
from elevenphone.lookups import Failed, Found, Lookup

# From here on `fetch` is the better command: it shows progress, and can be resumed.
_MANY = 500


def run_get(access: Access, ids: Sequence[str], selection: Selection, *, as_json: bool) -> ExitCode:
    """Look ids up, and show what became of each in their order.

    Args:
        access: How the API is reached.
        ids: The ids.
        selection: What is shown of each.
        as_json: Whether to write JSON on a terminal too.

    Returns:
        The exit code.
    """
    return run(_Get(access, ids, selection, as_json=as_json).look_up())


class _Get:
    def __init__(self, access: Access, ids: Sequence[str], selection: Selection, *, as_json: bool) -> None:
        self._access = access
        self._shell = access.shell
        self._ids = ids
        self._selection = selection
        is_card = (
            len(ids) == 1 and selection.columns is None and not as_json and self._shell.output_is_terminal
        )
        self._show: Show = self._show_card if is_card else on_output(self._shell, selection, as_json=as_json)
        self._tally = Tally()
        self._ended: ExitCode | None = None
        self._stopped_by: ElevenPhoneError | None = None

    async def look_up(self) -> ExitCode:
        """Look the ids up, and choose the exit code."""
        if len(self._ids) >= _MANY and self._shell.errors_are_terminal:
            count = f"{len(self._ids):,} ids"
            self._shell.say(f"elevenphone: {count}; `elevenphone fetch` shows progress and can be resumed.")
        async with self._access.client() as client:
            if len(self._ids) == 1:
                lookup = await look_up(client, self._ids[0])
                if isinstance(lookup, Failed):
                    self._ended = exit_code_of_error(lookup.error)
                self._settle(lookup)
            else:
                await self._look_several_up(client)
        for complaint in self._tally.complaints():
            self._shell.say(f"elevenphone: {complaint}")
        return self._ended or self._tally.exit_code

    async def _look_several_up(self, client: PhoneNumberClient) -> None:
        """Show each lookup as soon as it and all before it are settled."""
        refused = {
            index: Failed(index, each, 0, 0.0, error)
            for index, each in enumerate(self._ids)
            if (error := telephone_number_error(each)) is not None
        }
        asked = [index for index in range(len(self._ids)) if index not in refused]
        shown = 0
        ids = [self._ids[index] for index in asked]
        async with client.stream(ids, ordered=True, deadline=self._access.deadline) as lookups:
            async for lookup in lookups:
                self._stopped_by = lookups.stopped_by
                index = asked[lookup.index]
                for before in range(shown, index):
                    self._settle(refused[before])
                self._settle(msgspec.structs.replace(lookup, index=index))
                shown = index + 1
        for left in range(shown, len(self._ids)):
            self._settle(refused[left])

    def _settle(self, lookup: Lookup) -> None:
        self._tally.add(lookup)
        if isinstance(lookup, Failed) and (
            isinstance(lookup.error, InvalidPhoneNumberIdError) or ends_run(lookup, self._stopped_by)
        ):
            self._ended = max(self._ended or ExitCode.ALL_FOUND, exit_code_of_error(lookup.error))
        if self._selection.takes(lookup):
            self._show(lookup)

    def _show_card(self, lookup: Lookup) -> None:
        if isinstance(lookup, Found):  # for one that failed, the error says it all
            from elevenphone.cli.show.numbers import number_card  # noqa: PLC0415 - as above
            from elevenphone.cli.show.terminal import output_console  # noqa: PLC0415 - rich only where a person looks

            console = output_console(self._shell)
            console.print(number_card(lookup.number, console.width))
