"""`elevenphone doctor`: what works, and what to do about what does not."""

from __future__ import annotations

import click

from elevenphone.cli._options import Connection, connection_options


@click.command("doctor")
@click.argument("phone_number_id", metavar="[ID]", required=False)
@connection_options(deadline=15.0)
def command(connection: Connection, *, phone_number_id: str | None) -> int:
    """Check the key, the way to the server, and one lookup.

    Without an ID one is made up: that no such number is found shows that the key
    works. Each line that is not `ok` says what to do.

    \b
    Examples:
      elevenphone doctor
      elevenphone doctor --region eu phnum_01jxaeyg3feh3tmx39d4ky63rd

    \b
    Exit codes:
      0  all is well
      1  the server cannot be reached, or does not answer as it should
      2  there is no key, or an option is wrong
      3  the key was refused
    """  # noqa: D301 - click wants the character itself
    from elevenphone.cli._run_doctor import run_doctor  # noqa: PLC0415 - start-up is for everybody

    return run_doctor(connection, phone_number_id)
