"""The commands as they are declared; here, the options that several share.

What is slow to import is imported when a command runs, so that its help comes at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import click

import elevenphone
from elevenphone.cli.access import Access
from elevenphone.cli.shell import Shell

_FILE = click.Path(path_type=Path, dir_okay=False)

_ACCESS = (
    click.option(
        "--api-key-file",
        type=_FILE,
        metavar="FILE",
        help="Read the key from FILE, not from ELEVENLABS_API_KEY.",
    ),
    click.option(
        "--region",
        type=click.Choice(elevenphone.Region, case_sensitive=False),
        help="The workspace's region; each data residency region has keys of its own.  [default: global]",
    ),
    click.option(
        "--base-url",
        metavar="URL",
        help="Any other host, such as an emulator's (or set ELEVENLABS_BASE_URL).",
    ),
    click.option("--proxy", metavar="URL", help="Go through this proxy, such as http://proxy.example:3128."),
    click.option(
        "--trust-env", is_flag=True, help="Use the proxies of HTTPS_PROXY and NO_PROXY, and ~/.netrc."
    ),
    click.option("--ca-file", type=_FILE, metavar="FILE", help="Trust the authorities in this PEM file too."),
    click.option(
        "--timeout", default=10.0, show_default=True, metavar="SECONDS", help="How long one attempt may take."
    ),
)
_NAMES = [field.name for field in fields(Access) if field.name != "shell"]
_log_file_option = click.option(
    "--log-file", type=_FILE, metavar="FILE", help="Log each attempt to the end of FILE."
)

verbose_option = click.option(
    "-v", "--verbose", is_flag=True, help="Log each attempt to standard error; never the key."
)
select_option = click.option(
    "--select",
    metavar="FIELDS",
    help="Only these fields, with commas in between: label,assigned_agent.agent_id",
)
no_agent_option = click.option("--no-agent", is_flag=True, help="Only numbers without an agent.")
json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document a line, on a terminal too."
)
format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(("jsonl", "csv", "parquet", "db")),
    help="What is written.  [default: by OUT's ending, else jsonl]",
)


def output_option(what: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Make the option -o, which says what it does."""
    return click.option("-o", "--output", type=click.Path(allow_dash=True), metavar="OUT", help=what)


def access_options(
    *, deadline: float, each: str = "lookup"
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Give a command the options that say how the API is reached, as one `Access`, its first argument.

    Args:
        deadline: Seconds for each where the user says nothing.
        each: What the deadline is for.
    """
    deadline_option = click.option(
        "--deadline",
        default=deadline,
        show_default=True,
        metavar="SECONDS",
        help=f"How long one {each} may take, retries and waits included.",
    )

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        def packed(shell: Shell, /, **given: object) -> int:
            # Names and types are those of the options above.
            chosen = cast("dict[str, Any]", {name: given.pop(name) for name in _NAMES})
            return function(Access(shell=shell, **chosen), **given)

        command: Callable[..., int] = functools.update_wrapper(click.pass_obj(packed), function)
        for option in reversed((*_ACCESS, deadline_option, verbose_option, _log_file_option)):
            command = option(command)
        return command

    return decorate
