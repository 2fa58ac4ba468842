"""The work of `elevenphone get`."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence

import click

from elevenphone import PhoneNumberClient
from elevenphone.cli._event_loop import run
from elevenphone.cli._explanations import complaints, exit_code_of
from elevenphone.cli._lines import encode_line
from elevenphone.errors import ConfigurationError, ElevenPhoneError
from elevenphone.lookups import Failed, Found, Lookup


def run_get(client: PhoneNumberClient, ids: Sequence[str], *, deadline: float, as_json: bool) -> int:
    """Look ids up, and show what became of each.

    Args:
        client: Closed afterwards.
        ids: In the order in which they are shown.
        deadline: Seconds for each lookup.
        as_json: Whether to write JSON on a terminal too.

    Returns:
        The exit code.
    """
    lookups = run(_look_up(client, ids, deadline))
    if as_json or not sys.stdout.isatty():
        _write_json(lookups)
    else:
        _show(lookups)
    for complaint in complaints(lookups):
        click.echo(f"elevenphone: {complaint}", err=True)
    return exit_code_of(lookups)


async def _look_up(client: PhoneNumberClient, ids: Sequence[str], deadline: float) -> list[Lookup]:
    async with client:
        if len(ids) == 1:
            # A bulk run sits an outage out until the deadline; who asks for one number wants to know now.
            return [await _look_one_up(client, ids[0])]
        with _status(f"Looking up {len(ids):,} ids"):
            return await client.gather(ids, deadline=deadline)


async def _look_one_up(client: PhoneNumberClient, phone_number_id: str) -> Lookup:
    started = time.perf_counter()
    try:
        number = await client.get(phone_number_id)
    except ConfigurationError:
        raise
    except ElevenPhoneError as error:
        return Failed(0, phone_number_id, _attempts(client), time.perf_counter() - started, error)
    return Found(0, phone_number_id, _attempts(client), time.perf_counter() - started, number)


def _attempts(client: PhoneNumberClient) -> int:
    """Count the attempts of the client's only lookup."""
    return client.stats.retries + 1 if client.stats.requests else 0


def _status(what: str) -> contextlib.AbstractContextManager[object]:
    """Show on a terminal that something is going on."""
    if not sys.stderr.isatty():
        return contextlib.nullcontext()
    from elevenphone.cli._rendering import error_console  # noqa: PLC0415 - rich only where a person looks

    return error_console().status(what)


def _write_json(lookups: Sequence[Lookup]) -> None:
    output = sys.stdout.buffer
    for lookup in lookups:
        output.write(encode_line(lookup))
    output.flush()


def _show(lookups: Sequence[Lookup]) -> None:
    from elevenphone.cli._rendering import lookup_table, number_card, output_console  # noqa: PLC0415 - as above

    console = output_console()
    match lookups:
        case [Found(number=number)]:
            console.print(number_card(number))
        case [_, _, *_]:
            console.print(lookup_table(lookups, console.width))
        case _:
            pass  # one that failed: the error is all there is to say
