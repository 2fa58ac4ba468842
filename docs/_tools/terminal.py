"""Draw what `elevenphone demo` prints, as a picture of a terminal.

    python docs/_tools/terminal.py            runs the demo, and draws docs/images/demo.svg
    python docs/_tools/terminal.py --check    runs a short demo, and compares its words with the picture's

The demo runs in real time, so its numbers differ from run to run. The check
leaves out the numbers and the sample rows, and compares everything else.
"""

from __future__ import annotations

import argparse
import difflib
import io
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

PICTURE = Path(__file__).parents[1] / "images" / "demo.svg"
COLUMNS = 100
_SEED = 7
_SHORT = "200"
_FONTS = "ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace"
_FONT_FACE = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
_NUMBER = re.compile(r"[\d.,]*\d")
_SAMPLES = re.compile(r"^(One of each *\n).*?(?=^With a key)", re.MULTILINE | re.DOTALL)


def run_demo(*options: str) -> str:
    """Run the demo as in a terminal.

    Args:
        options: Options of the command.

    Returns:
        Its standard output, with the codes for colours.
    """
    terminal = {"COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "elevenphone", "demo", *options]
    return subprocess.run(  # noqa: S603
        command,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | terminal,
    ).stdout


def run_for_picture() -> tuple[str, str]:
    """Run the demo.

    Returns:
        The command and its output.
    """
    return f"elevenphone demo --seed {_SEED}", run_demo("--seed", str(_SEED))


def draw(command: str, output: str) -> str:
    """Draw a terminal.

    Args:
        command: What was typed.
        output: What was printed, with the codes for colours.

    Returns:
        An SVG.
    """
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True
    )
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    console.print(Text.from_ansi(output.rstrip()), soft_wrap=True)
    svg = console.export_svg(title="elevenphone", theme=MONOKAI, unique_id="demo")
    # The reader's own font: a picture loads nothing from elsewhere.
    return _FONT_FACE.sub("", svg).replace("Fira Code, monospace", _FONTS)


def words_of_output(output: str) -> list[str]:
    """List the lines of an output without what differs from run to run."""
    return _words(Text.from_ansi(output).plain)


def words_of_picture(svg: str) -> list[str]:
    """List the lines of a picture without what differs from run to run."""
    parts = re.findall(
        r'<text class="demo-r\d+" x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', svg
    )
    lines: dict[float, dict[float, str]] = {}
    for x, y, text in parts:
        lines.setdefault(float(y), {})[float(x)] = (
            unescape(text).replace("\xa0", " ").rstrip("\n")
        )
    texts = [
        "".join(text for _, text in sorted(line.items()))
        for _, line in sorted(lines.items())
    ]
    return _words("\n".join(texts).partition("\n")[2])


def _words(text: str) -> list[str]:
    text = _SAMPLES.sub(r"\1", text.replace("─", ""))
    return _NUMBER.split(
        "".join(text.split())
    )  # where lines are broken depends on the numbers too


def main() -> int:
    """Do what the command line asks for.

    Returns:
        The exit status: 1 where the picture is not current.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare only")
    if not parser.parse_args().check:
        PICTURE.write_text(draw(*run_for_picture()), encoding="utf-8")
        return 0
    drawn = words_of_picture(PICTURE.read_text(encoding="utf-8"))
    printed = words_of_output(run_demo("--numbers", _SHORT))
    for line in difflib.unified_diff(
        drawn, printed, "the picture", "the demo", lineterm=""
    ):
        print(line)
    return 0 if drawn == printed else 1


if __name__ == "__main__":
    sys.exit(main())
