"""Writes the list of all options in docs/command-line.md, from the commands' declarations.

python docs/command_reference.py
"""

from __future__ import annotations

from pathlib import Path

import click

from elevenphone.cli.main import elevenphone

PAGE = Path(__file__).with_name("command-line.md")
BEGINNING = (
    "<!-- Made by docs/command_reference.py from the declarations: change those. -->\n"
)


def reference() -> str:
    """Describe each command with all its options."""
    root = click.Context(
        elevenphone, info_name="elevenphone", help_option_names=["-h", "--help"]
    )
    sections = [_section(elevenphone, root)]
    for name, command in elevenphone.commands.items():
        sections.append(
            _section(command, click.Context(command, info_name=name, parent=root))
        )
    return "\n".join(sections)


def _section(command: click.Command, context: click.Context) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    summary = (command.help or "").partition("\n")[0]
    options = [
        each for each in command.get_params(context) if isinstance(each, click.Option)
    ]
    rows = [
        record
        for each in options
        if (record := each.get_help_record(context)) is not None
    ]
    table = [f"| `{_cell(names)}` | {_cell(text)} |" for names, text in rows]
    return "\n".join(
        [
            f"### `{context.command_path}`\n",
            f"{summary}\n",
            f"```text\n{usage}\n```\n",
            "| option | meaning |\n| --- | --- |",
            *table,
            "",
        ]
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("  [", " [")


def updated(page: str) -> str:
    """Put the list into the page, in the place of the one that is there."""
    before, _, _ = page.partition(BEGINNING)
    return f"{before}{BEGINNING}\n{reference()}"


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
