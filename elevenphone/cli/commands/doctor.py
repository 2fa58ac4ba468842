"""`elevenphone doctor`: see what works, and what to do about the rest."""

from __future__ import annotations

import click

from elevenphone.cli.access import Access
from elevenphone.cli.commands.options import access_options


@click.command("doctor")
@click.argument("phone_number_id", metavar="[ID]", required=False)
@access_options(deadline=15.0)
def command(access: Access, *, phone_number_id: str | None) -> int:
    """Check the key, the way to the server, and one lookup.

    Without an ID one is made up: the answer "not found" shows that the key works.
    Each line that is not `ok` says what to do.

    \b
    Examples:
      elevenphone doctor
      elevenphone doctor --region eu phnum_01jxaeyg3feh3tmx39d4ky63rd
    """  # noqa: D301 - click wants the character itself
    from elevenphone.cli.work.doctor import run_doctor  # noqa: PLC0415 - imported when it runs

    return run_doctor(access, phone_number_id)
