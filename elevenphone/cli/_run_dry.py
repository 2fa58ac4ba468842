"""The work of `elevenphone fetch --dry-run`."""

from __future__ import annotations

import re

import click

from elevenphone import PhoneNumberClient, Response
from elevenphone.cli._event_loop import runner
from elevenphone.cli._exit_codes import ExitCode
from elevenphone.cli._ids import IdSource
from elevenphone.cli._text import counted, printable
from elevenphone.errors import ElevenPhoneError, InvalidPhoneNumberIdError

_SHOWN = 10
# What certainly is an id; whether anything else is, the client says.
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,256}")


def run_dry(source: IdSource) -> int:
    """Read all ids, and say what they are.

    Args:
        source: The ids.

    Returns:
        0 where all may be looked up, 2 where there are some that no id can be.

    Raises:
        InputError: They cannot be read.
    """
    count = 0
    refused: list[str] = []
    refused_count = 0
    different: set[str] = set()
    client = PhoneNumberClient(transport=_NoTransport())
    with runner() as opened:
        for phone_number_id in source.ids():
            count += 1
            different.add(phone_number_id)
            if _PLAIN.fullmatch(phone_number_id):
                continue
            if problem := opened.run(_problem(client, phone_number_id)):
                refused_count += 1
                if len(refused) < _SHOWN:
                    refused.append(f"id {count:,}: {problem}")
    repeated = count - len(different)
    more = f", {repeated:,} of them repeated" if repeated else ""
    click.echo(f"{counted(count, 'id')} in {source.name}{more}")
    for line in refused:
        click.echo(f"elevenphone: {printable(line)}", err=True)
    if refused_count > len(refused):
        click.echo(f"elevenphone: and {refused_count - len(refused):,} more", err=True)
    return ExitCode.USAGE if refused_count else ExitCode.ALL_FOUND


async def _problem(client: PhoneNumberClient, phone_number_id: str) -> str | None:
    try:
        await client.get(phone_number_id)
    except InvalidPhoneNumberIdError as error:
        return str(error)
    except ElevenPhoneError:
        pass
    return None


class _NoTransport:
    """Sends nothing: whoever gets as far as this has a proper id."""

    def __init__(self) -> None:
        self.requests = 0
        self.connections_opened = 0

    async def send(self, url: str) -> Response:  # noqa: ARG002 - as all transports
        return Response(404, {}, b"")

    async def aclose(self) -> None:
        pass
