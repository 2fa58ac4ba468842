"""`elevenphone demo`: the client at work, on an emulator of the API."""

from __future__ import annotations

import click

from elevenphone.cli.shell import Shell


@click.command("demo")
@click.option(
    "--numbers",
    type=click.IntRange(1, 1_000_000),
    default=2_000,
    show_default=True,
    metavar="N",
    help="How many ids to look up.",
)
@click.option(
    "--seed", default=0, show_default=True, metavar="N", help="Another seed makes other numbers and faults."
)
@click.pass_obj
def command(shell: Shell, *, numbers: int, seed: int) -> int:
    """Look 2,000 numbers up without a key, on an emulator.

    The emulator runs inside this command and listens on loopback; nothing leaves
    the machine. It takes twelve requests at once, answers late, fails now and then,
    and goes away for a while; the client has to find that out. In the middle the
    run is interrupted, and resumed from its journal.

    \b
    Examples:
      elevenphone demo
      elevenphone demo --numbers 200 --seed 7
    """  # noqa: D301 - click wants the character itself
    from elevenphone.cli.fetch.demo import run_demo  # noqa: PLC0415 - slow

    return run_demo(shell, numbers, seed)
