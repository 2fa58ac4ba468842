"""Ctrl-C while Python imports the command line."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import Ended, environment, run_process

INTERRUPTED = Ended(130, "", "elevenphone: interrupted\n")


def started(program: str, call: str = "sys.exit(main())") -> Ended:
    """Run a program and then the command line, in a process of its own."""
    program += f"\nimport sys\nsys.argv[1:] = ['--version']\nfrom elevenphone.cli import main\n{call}"
    ended = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(), check=False
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def interrupting(module: str, how: str) -> str:
    """Return a program that presses Ctrl-C when a module is imported."""
    return f"""\
import os, signal, sys, weakref
class Interrupting:
    def __set_name__(self, owner, name):  # what is raised here becomes a RuntimeError before Python 3.12
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(100):
            pass
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            {how}
sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("module", ["click", "elevenphone.cli.main", "rich", "pathlib"])
@pytest.mark.parametrize(
    "how",
    [
        "os.kill(os.getpid(), signal.SIGINT)",
        "type('Owner', (), {'attribute': Interrupting()})",
        "weakref.finalize(type('Forgotten', (), {})(), os.kill, os.getpid(), signal.SIGINT)",
    ],
    ids=["plain", "within a class", "within a callback"],
)
def test_ctrl_c_during_an_import_is_a_line(module: str, how: str) -> None:
    assert started(interrupting(module, how)) == INTERRUPTED


def test_an_import_that_raises_the_exception_is_a_line_too(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt\n", encoding="ascii")
    assert run_process("--version", PYTHONPATH=str(tmp_path)) == INTERRUPTED


@pytest.mark.parametrize("handler", ["signal.SIG_IGN", "print"])
def test_ctrl_c_stays_ignored_or_handled_as_the_caller_wants(handler: str) -> None:
    program = interrupting("elevenphone.cli.main", "os.kill(os.getpid(), signal.SIGINT)")
    ended = started(f"{program}\nsignal.signal(signal.SIGINT, {handler})")
    assert (ended.code, ended.errors) == (0, "")
    assert ended.output.splitlines()[-1].startswith("elevenphone ")


def test_the_handler_is_python_s_own_again_when_the_command_runs() -> None:
    ended = started("import atexit, signal\natexit.register(lambda: print(signal.getsignal(signal.SIGINT)))")
    assert ended.code == 0
    assert ended.output.splitlines()[1] == str(signal.default_int_handler)


def test_it_starts_in_another_thread() -> None:
    ended = started("import threading", "threading.Thread(target=main).start()")
    assert (ended.code, ended.errors) == (0, "")
    assert ended.output.startswith("elevenphone ")
