"""The page of the documentation that lists all options."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click

from elevenphone.cli.main import elevenphone

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_declarations_make() -> None:
    specification = importlib.util.spec_from_file_location("command_reference", DOCS / "command_reference.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    page = (DOCS / "command-line.md").read_text(encoding="utf-8")
    assert module.updated(page) == page, "run: python docs/command_reference.py"


def test_the_page_has_each_command_and_each_of_its_options() -> None:
    reference = (DOCS / "command-line.md").read_text(encoding="utf-8").partition("## Every option")[2]
    sections = dict(section.split("`", 1) for section in reference.split("### `elevenphone ")[1:])
    assert sections.keys() == elevenphone.commands.keys()
    for name, command in elevenphone.commands.items():
        options = [each for each in command.params if isinstance(each, click.Option)]
        assert all(f"`{each.opts[0]}" in sections[name] for each in options)
