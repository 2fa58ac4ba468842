"""The work of `elevenphone fetch --dry-run`."""

from __future__ import annotations

import re

from elevenphone._protocol.requests import path_segment
from elevenphone.cli.errors import ExitCode, telephone_number_error
from elevenphone.cli.formats.ids import IdSource
from elevenphone.cli.shell import Shell
from elevenphone.cli.text import counted
from elevenphone.errors import InvalidPhoneNumberIdError

_SHOWN = 10
_USUAL = re.compile(r"phnum_[A-Za-z0-9]+|[A-Za-z0-9_-]{16,64}")


def run_dry(shell: Shell, source: IdSource) -> ExitCode:
    """Read all ids, and say what they are.

    Args:
        shell: Where the command runs.
        source: The ids.

    Returns:
        0 where all may be looked up, 2 where some cannot be ids.

    Raises:
        InputError: They cannot be read.
    """
    count = refused = remarkable = 0
    remarks: list[str] = []
    different: set[str] = set()
    for phone_number_id in source.ids():
        count += 1
        different.add(phone_number_id)
        if _USUAL.fullmatch(phone_number_id):
            continue
        problem = _problem(phone_number_id)
        refused += problem is not None
        remarkable += 1
        if len(remarks) < _SHOWN:
            remarks.append(_remark(count, phone_number_id, problem))
    repeated = count - len(different)
    more = f", {repeated:,} of them repeated" if repeated else ""
    shell.print(f"{counted(count, 'id')} in {source.name}{more}")
    for remark in remarks:
        shell.say(f"elevenphone: {remark}")
    if remarkable > len(remarks):
        shell.say(f"elevenphone: and {remarkable - len(remarks):,} more")
    return ExitCode.USAGE if refused else ExitCode.ALL_FOUND


def _remark(position: int, phone_number_id: str, problem: InvalidPhoneNumberIdError | None) -> str:
    if not phone_number_id:
        return f"row {position:,}: empty id"
    return f"id {position:,}: {problem or f'{phone_number_id!r} does not look like an id'}"


def _problem(phone_number_id: str) -> InvalidPhoneNumberIdError | None:
    """Say why `fetch` would not send an id, if it would not."""
    try:
        path_segment(phone_number_id)
    except InvalidPhoneNumberIdError as error:
        return error
    return telephone_number_error(phone_number_id)
