"""Running the command as its users do."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import NamedTuple

KEY = "sk_emulator_this_key_opens_nothing"
PATIENCE = 20


class Ended(NamedTuple):
    code: int
    output: str
    errors: str


class Running(NamedTuple):
    process: subprocess.Popen[str]
    announced: list[str]
    variables: dict[str, str]
    ids: list[str]
    unknown_id: str


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ELEVENLABS_")}
    return {**kept, "COLUMNS": "100", **variables}


def run(*arguments: str, given: str | bytes = b"", **variables: str) -> Ended:
    """Run the command to its end, without a terminal."""
    ended = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-W", "error", "-m", "elevenphone", *arguments],
        input=given.encode() if isinstance(given, str) else given,
        capture_output=True,
        env=environment(**variables),
        timeout=PATIENCE,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


@contextlib.contextmanager
def emulator(*arguments: str, ids_file: Path, **variables: str) -> Generator[Running]:
    """Run `elevenphone emulator` until the end of the block."""
    process = subprocess.Popen(  # noqa: S603 - this interpreter
        [
            *(sys.executable, "-W", "error", "-m", "elevenphone", "emulator", "--numbers", "50"),
            *("--ids-file", str(ids_file), *arguments),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**variables),
    )
    try:
        assert process.stdout is not None
        announced: list[str] = []
        for line in process.stdout:
            announced.append(line.rstrip("\n"))
            if "Ctrl-C" in line:
                break
        exports = (line.removeprefix("export ") for line in announced if line.startswith("export "))
        exported = dict(export.split("=", 1) for export in exports)
        unknown = next((line.split()[3] for line in announced if "answered 404" in line), "")
        yield Running(process, announced, exported, ids_file.read_text().split(), unknown)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)


def run_on_terminal(*arguments: str, variables: Mapping[str, str], columns: int = 100) -> Ended:
    """Run the command with a pseudo-terminal as standard output and error."""
    import pty  # noqa: PLC0415 - not on every system
    import termios  # noqa: PLC0415

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, columns))
    process = subprocess.Popen(  # noqa: S603 - this interpreter
        [sys.executable, "-W", "error", "-m", "elevenphone", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={**environment(**variables), "COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": "1"},
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a pseudo-terminal
        while chunk := os.read(ours, 4_096):
            shown += chunk
    os.close(ours)
    return Ended(process.wait(PATIENCE), shown.decode(), "")
