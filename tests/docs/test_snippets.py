"""Every `python` and `sh` block of the README and the documentation, run on an emulator.

What the comments above blocks mean is said in docs/contributing.md.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import importlib.util
import inspect
import logging
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import termios
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs_snippets import ROOT, Group, Snippet, groups, pages, snippets_of
from docs_surroundings import CALLABLE, SURROUNDINGS, Place

from elevenphone.emulator import Emulator
from elevenphone.pytest_plugin import elevenphone_emulator

__all__ = ["elevenphone_emulator"]  # a fixture, which must be a name of this module to be found

NOTES = {
    "background", "cell", "continues", "define", "emulator", "exits", "file", "interrupt", "needs", "output",
    "replace", "run", "skip", "terminal", "with",
}  # fmt: skip
# Comments of the README that the gate reads; what they mark, it runs itself.
GATE = {"demo", "tests"}
SECONDS = 60
NEW_JOURNAL = 64 * 1024  # bytes, and a page to spare
TERMINAL_COLUMNS = 100


@pytest.fixture(autouse=True)
def log_levels_of_before() -> Iterator[None]:
    """Undo what a block does to logging, which is the process's."""
    loggers = [logging.getLogger(), logging.getLogger("elevenphone")]
    levels = [logger.level for logger in loggers]
    handlers = [list(logger.handlers) for logger in loggers]
    yield
    for logger, level, before in zip(loggers, levels, handlers, strict=True):
        logger.setLevel(level)
        logger.handlers[:] = before


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


class Surroundings:
    """What the blocks of one group share: directory, environment, emulator, event loop and names."""

    def __init__(self, directory: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.emulator = emulator
        self.monkeypatch = monkeypatch
        self.replaced = {"{port}": str(free_port())}
        self.module = types.ModuleType("snippet")
        self.background: list[subprocess.Popen[str]] = []
        self.runner = asyncio.Runner()
        self.printed = ""
        (directory / "ids.txt").write_text("\n".join(emulator.ids) + "\n", encoding="ascii")
        monkeypatch.chdir(directory)
        monkeypatch.setenv("ELEVENLABS_BASE_URL", emulator.base_url)
        monkeypatch.setenv("ELEVENLABS_API_KEY", emulator.api_key)
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(sys, "argv", ["snippet"])

    def close(self) -> None:
        self.runner.close()
        for process in self.background:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=SECONDS)

    def run(self, snippet: Snippet, output: pytest.CaptureFixture[str]) -> None:
        if (settings := snippet.get("emulator")) is not None:
            for name, value in eval(f"dict({settings})").items():  # noqa: S307 - this project's own pages
                setattr(self.emulator, name, value)
        place = Place(self.directory, self.emulator, self.monkeypatch, self.runner)
        with contextlib.ExitStack() as opened:
            for name in snippet.all("with"):
                opened.enter_context(SURROUNDINGS[name](place))
            code = self.code(snippet)
            output.readouterr()
            if snippet.is_output:
                assert prints(code, self.printed), f"{snippet.place}: it printed\n{self.printed}"
                return
            self.printed = ""
            if snippet.language == "sh":
                self.run_shell(snippet, code)
            elif (file := snippet.get("file")) is not None:
                compile(code, snippet.place, "exec")
                (self.directory / file).write_text(code, encoding="utf-8")
            elif re.search(r"^(async )?def test_", code, re.MULTILINE):
                self.run_tests(code)
            else:
                self.run_python(snippet, code)
        self.printed += output.readouterr().out
        if (expected := snippet.get("output")) is not None:
            assert self.printed == f"{expected}\n", snippet.place

    def code(self, snippet: Snippet) -> str:
        code = snippet.code
        for replace in snippet.all("replace"):
            old, _, new = replace.partition(" => ")
            assert old in code, f"{snippet.place}: nothing to replace"
            for name, value in self.replaced.items():
                new = new.replace(name, value)
            code = code.replace(old, new)
        return code

    def run_python(self, snippet: Snippet, code: str) -> None:
        if snippet.get("continues") is None:
            self.module = types.ModuleType("snippet")
        names = vars(self.module)
        ids = {"ids": self.emulator.ids, "unknown_ids": self.emulator.unknown_ids, "emulator": self.emulator}
        names |= CALLABLE | ids
        for definition in snippet.all("define"):
            self.execute(definition, snippet.place, names)
        code = "\n" * (snippet.line - 1) + code
        self.execute(code, str(ROOT / snippet.page), names, cell=snippet.get("cell") is not None)
        for call in snippet.all("run"):
            self.execute(call, snippet.place, names)

    def execute(self, code: str, where: str, names: dict[str, object], *, cell: bool = False) -> None:
        """Execute as a notebook does: `await` may stand at the top, and a cell shows its last expression."""
        tree = ast.parse(code)
        last = tree.body[-1]
        if cell and isinstance(last, ast.Expr):
            tree.body[-1] = ast.copy_location(ast.Assign([ast.Name("_", ast.Store())], last.value), last)
            ast.fix_missing_locations(tree)
        compiled = compile(tree, where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        if compiled.co_flags & inspect.CO_COROUTINE:
            self.runner.run(eval(compiled, names))  # noqa: S307 - this project's own pages
        else:
            exec(compiled, names)  # noqa: S102 - as above
        if cell:
            print(repr(names["_"]))  # noqa: T201 - as a notebook does

    def run_tests(self, code: str) -> None:
        path = self.directory / "test_snippet.py"
        path.write_text(code, encoding="utf-8")
        (self.directory / "pytest.ini").write_text(
            "[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n"
            f"pythonpath = .\nfilterwarnings = error\naddopts = -p no:cacheprovider {load_plugin()}\n"
        )
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "pytest", "-q", str(path)], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def run_shell(self, snippet: Snippet, code: str) -> None:
        if snippet.get("background") is not None:
            # Replaced by the command, so that a signal reaches that.
            process = self.start(f"exec {code}")
            self.background.append(process)
            assert process.stdout is not None
            assert process.stdout.readline(), f"{snippet.place}: ended without a word"
            return
        if snippet.get("terminal") is not None:
            self.printed = run_on_terminal(code)
            return
        variables = self.directory / ".variables"
        process = self.start(f"set -eu\n{code}\nenv -0 > {variables}")
        if (file := snippet.get("interrupt")) is not None:
            wait_until_it_grows(self.directory / file, process)
            os.killpg(process.pid, signal.SIGINT)
        printed, complaints = process.communicate(timeout=SECONDS)
        expected = int(snippet.get("exits") or 0)
        assert process.returncode == expected, f"{snippet.place}\n{printed}\n{complaints}"
        assert "Traceback" not in complaints, complaints
        self.printed = printed + complaints
        if variables.exists():
            for variable in variables.read_text(encoding="utf-8").split("\0")[:-1]:
                name, _, value = variable.partition("=")
                self.monkeypatch.setenv(name, value)

    def start(self, code: str) -> subprocess.Popen[str]:
        # In a process group of its own, as a terminal would have it.
        return subprocess.Popen(  # noqa: S603
            ["bash", "-c", code],  # noqa: S607
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )


def run_on_terminal(code: str) -> str:
    """Run a shell block on a pseudo-terminal without colours, and return what appears on it."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (40, TERMINAL_COLUMNS))
    with subprocess.Popen(  # noqa: S603
        ["bash", "-euc", code],  # noqa: S607
        stdout=slave,
        stderr=slave,
        env=os.environ | {"TERM": "dumb"},
    ) as process:
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError), os.fdopen(master, "rb", buffering=0) as screen:
            while chunk := screen.read(65536):  # an OSError, too, says that the last process has closed it
                shown += chunk
    assert process.returncode == 0, shown.decode()
    return shown.decode().replace("\r\n", "\n")


def prints(shown: str, printed: str) -> bool:
    """Tell whether a page shows what was printed.

    `...` stands for any text; as the first line, for any number of lines.
    """
    lines = "\n".join(line.rstrip() for line in printed.strip("\n").splitlines()) + "\n"
    if shown.startswith("...\n"):
        lines = f"\n{lines}"
    return doctest.OutputChecker().check_output(shown, lines, doctest.ELLIPSIS)


@pytest.mark.parametrize(
    ("shown", "printed", "expected"),
    [
        ("a\n... b\n", "a\n17 b\n", True),
        ("...\nb\n", "a\nb\n", True),
        ("...\nb\n", "b\n", True),
        ("a\n", "b\n", False),
        ("a\n", "a\nb\n", False),
        ("...\nb\n", "a b\n", False),
    ],
)
def test_shown_output_is_compared(shown: str, printed: str, expected: bool) -> None:
    assert prints(shown, printed) == expected


def load_plugin() -> str:
    """Say how the fixtures are loaded where the installed package has no entry point for them yet."""
    from importlib.metadata import entry_points  # noqa: PLC0415

    found = any(each.value == "elevenphone.pytest_plugin" for each in entry_points(group="pytest11"))
    return "" if found else "-p elevenphone.pytest_plugin"


def wait_until_it_grows(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until answers are in a journal: until it is larger than a new one."""
    ends = time.monotonic() + SECONDS
    while not path.exists() or path.stat().st_size <= NEW_JOURNAL:
        assert process.poll() is None, f"ended before {path.name} grew: {process.communicate()}"
        assert time.monotonic() < ends, f"{path.name} did not grow"
        time.sleep(0.01)


@pytest.fixture
def surroundings(
    tmp_path: Path, elevenphone_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Surroundings]:
    made = Surroundings(tmp_path, elevenphone_emulator, monkeypatch)
    yield made
    made.close()


@pytest.mark.parametrize("group", groups(), ids=lambda group: group.snippets[0].place)
def test_snippets(group: Group, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
    ran = 0
    for snippet in group.snippets:
        for name in (snippet.get("needs") or "").split():
            if not is_installed(name):
                pytest.skip(f"needs {name}")
        if snippet.is_left_out or GATE & {name for name, _ in snippet.notes}:
            if snippet.language == "python":
                compile(snippet.code, snippet.place, "exec")
            continue
        surroundings.run(snippet, capsys)
        ran += 1
    if not ran:
        pytest.skip(f"not run: {group.snippets[0].get('skip') or 'not marked to be, or the gate runs it'}")


def is_installed(name: str) -> bool:
    """Tell whether there is a Python module or a command of this name."""
    try:
        return importlib.util.find_spec(name) is not None or shutil.which(name) is not None
    except ModuleNotFoundError:  # of a package around it
        return False


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_blocks_of_a_page_are_marked_rightly(page: Path) -> None:
    found = snippets_of(page)
    assert len(found) == sum(
        line.startswith("```") and line != "```" and not line.startswith("```{")
        for line in page.read_text(encoding="utf-8").splitlines()
    ), "a block has no language, or is indented"
    for snippet in found:
        assert {name for name, _ in snippet.notes} <= NOTES | GATE, snippet.place
        assert snippet.get("skip") != "", f"{snippet.place}: a skip says why"


def test_there_are_snippets_to_run() -> None:
    counted: dict[str, int] = {}
    for group in groups():
        for snippet in group.snippets:
            counted[snippet.page] = counted.get(snippet.page, 0) + (not snippet.is_left_out)
    assert counted["README.md"] >= 2
    assert counted["docs/tutorial.md"] >= 12
    assert sum(counted.values()) >= 50
