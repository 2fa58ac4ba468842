"""Running the command in this process, in one of its own or on a terminal, and an emulator for it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from elevenphone.cli.main import run as run_in
from elevenphone.cli.shell import Shell
from elevenphone.emulator import Emulator

KEY = "sk_emulator_this_key_opens_nothing"
PATIENCE = 20
_STYLES = re.compile(r"\x1b\[[\d;]*m")


class Ended(NamedTuple):
    code: int
    output: str
    errors: str


class Api:
    """An emulator in a thread of its own.

    Attributes:
        emulator: The emulator.
        variables: The environment variables that point the command at it.
        ids: Its ids.
        unknown_id: An id that it does not know.
    """

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.ids = list(emulator.ids)
        self.unknown_id = emulator.unknown_ids[0]
        self.variables: dict[str, str] = {}

    def asked(self) -> list[str]:
        """List the ids of all requests so far."""
        return [request.path.rpartition("/")[2] for request in self.emulator.requests]


@contextlib.contextmanager
def emulator(numbers: int = 50, **settings: object) -> Generator[Api]:
    """Run an emulator, in an event loop of another thread, until the end of the block."""
    made = Emulator(numbers, **settings)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - as given
    api = Api(made)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(made.start(), loop).result(PATIENCE)
        api.variables = {"ELEVENLABS_BASE_URL": made.base_url, "ELEVENLABS_API_KEY": made.api_key}
        yield api
    finally:
        asyncio.run_coroutine_threadsafe(made.aclose(), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


class _Stream(io.TextIOWrapper):
    """A file as a standard stream, which may claim to be a terminal."""

    def __init__(self, *, is_terminal: bool) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this
        super().__init__(self._file, encoding="utf-8", errors="backslashreplace")
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def text(self) -> str:
        self.flush()
        self._file.seek(0)
        return self._file.read().decode()


def run(*arguments: object, given: str | bytes = b"", **variables: str) -> Ended:
    """Run the command in this process, to its end."""
    return _run(arguments, given, variables, is_terminal=False)


def run_shown(*arguments: object, columns: int = 100, given: str = "", variables: Mapping[str, str]) -> Ended:
    """Run the command in this process, to its end, with output that claims to be a terminal."""
    ended = _run(arguments, given, {**variables, "COLUMNS": str(columns)}, is_terminal=True)
    return Ended(ended.code, _STYLES.sub("", ended.output), _STYLES.sub("", ended.errors))


def _run(
    arguments: Sequence[object], given: str | bytes, variables: Mapping[str, str], *, is_terminal: bool
) -> Ended:
    with (
        tempfile.TemporaryFile() as stdin,
        _Stream(is_terminal=is_terminal) as stdout,
        _Stream(is_terminal=is_terminal) as stderr,
    ):
        stdin.write(given.encode() if isinstance(given, str) else given)
        stdin.seek(0)
        settings = {"COLUMNS": "100", "TERM": "xterm", "NO_COLOR": "1", **variables}
        shell = Shell([str(each) for each in arguments], settings, stdin.fileno(), stdout, stderr)
        with contextlib.redirect_stdout(stdout):  # click prints help texts there
            code = run_in(shell)
        return Ended(code, stdout.text(), stderr.text())


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ELEVENLABS_")}
    return {**kept, "COLUMNS": "100", **variables}


def command(*arguments: object) -> Sequence[str]:
    """Return the command line of the command in a process of its own."""
    return [sys.executable, "-W", "error", "-m", "elevenphone", *map(str, arguments)]


def run_process(*arguments: object, given: str | bytes = b"", **variables: str) -> Ended:
    """Run the command in a process of its own, without a terminal, to its end."""
    ended = subprocess.run(  # noqa: S603 - this interpreter
        command(*arguments),
        input=given.encode() if isinstance(given, str) else given,
        capture_output=True,
        env=environment(**variables),
        timeout=PATIENCE,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


class EmulatorProcess(NamedTuple):
    process: subprocess.Popen[str]
    announced: list[str]
    variables: dict[str, str]
    ids: list[str]
    unknown_id: str


@contextlib.contextmanager
def emulator_process(*arguments: str, ids_file: Path, **variables: str) -> Generator[EmulatorProcess]:
    """Run `elevenphone emulator` until the end of the block."""
    process = subprocess.Popen(  # noqa: S603 - this interpreter
        command("emulator", "--numbers", "50", "--ids-file", ids_file, *arguments),
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
        yield EmulatorProcess(process, announced, exported, ids_file.read_text().split(), unknown)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)


def run_on_terminal(*arguments: object, variables: Mapping[str, str], columns: int = 100) -> Ended:
    """Run the command in a process of its own, with a pseudo-terminal as standard output and error."""
    import pty  # noqa: PLC0415 - not on every system
    import termios  # noqa: PLC0415

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, columns))
    process = subprocess.Popen(  # noqa: S603 - this interpreter
        command(*arguments),
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
