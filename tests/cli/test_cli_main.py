from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import environment, run, run_process, run_shown

import elevenphone
from elevenphone.cli.errors import ExitCode

HEAVY = {"asyncio", "aiohttp", "rich", "ssl", "uvloop", "pyarrow", "sqlite3", "msgspec"}
COMMANDS = ("demo", "get", "find", "list", "fetch", "doctor", "emulator", "completion")


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(), check=False
    )


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version(option: str) -> None:
    assert run(option) == (0, f"elevenphone {elevenphone.__version__}\n", "")


def test_the_console_script_is_the_same() -> None:
    script = Path(sys.executable).with_name("elevenphone")
    if not script.exists():
        pytest.skip("not installed as a script")
    ended = subprocess.run(  # noqa: S603 - the script beside this interpreter
        [script, "--help"], capture_output=True, text=True, env=environment(), check=False
    )
    assert (ended.returncode, ended.stdout) == run_process("--help")[:2]


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_the_help_has_commands_before_exit_codes_and_fits_a_small_terminal(
    arguments: tuple[str, ...],
) -> None:
    ended = run(*arguments, COLUMNS="80")
    text = ended.output + ended.errors
    assert ended.code == (0 if arguments else 2)
    assert len(text.splitlines()) < 24
    commands, _, codes = text.partition("Commands:")[2].partition("Exit codes:")
    assert all(f"\n  {command} " in commands for command in COMMANDS)
    assert all(f"{int(code)} {code.meaning}" in " ".join(codes.split()) for code in ExitCode)
    assert "..." not in commands


@pytest.mark.parametrize("arguments", [(), *((name,) for name in COMMANDS)])
def test_the_help_fits_a_narrow_terminal(arguments: tuple[str, ...]) -> None:
    ended = run_shown(*arguments, "--help", columns=40, variables={})
    text, _, options = ended.output.partition("Options:")
    assert max(map(len, options.splitlines())) <= 40
    wide = run_shown(*arguments, "--help", columns=100, variables={}).output.partition("Options:")[2]
    assert options.split() == wide.split()  # no word is broken
    paragraphs = [line for line in text.splitlines() if not line.startswith("    ")]
    assert max(map(len, paragraphs)) <= 40  # a command to copy is not broken


@pytest.mark.parametrize("columns", ["0", "-5", "3", "wide", ""])
def test_a_width_that_is_none_is_replaced(columns: str) -> None:
    ended = run("get", "--help", COLUMNS=columns)
    assert ended.code == 0
    assert "Usage: elevenphone get" in ended.output


@pytest.mark.parametrize("name", COMMANDS)
def test_each_help_has_examples(name: str) -> None:
    ended = run(name, "--help")
    assert ended.code == 0
    assert f"\n  Examples:\n    elevenphone {name}" in ended.output
    summary = ended.output.splitlines()[2].strip()
    assert f"  {name:<12}{summary}\n" in run("--help").output


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    ended = python(
        f"import sys; sys.argv[1:] = {arguments!r}\n"
        "from elevenphone.cli import main\n"
        "code = main()\n"
        f"sys.exit(', '.join({HEAVY} & set(sys.modules)) or code)"
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("absent", ["click", "rich"])
def test_without_the_extra_one_line_says_what_to_install(absent: str) -> None:
    ended = python(
        f"import sys; sys.modules[{absent!r}] = None\nfrom elevenphone.cli import main\nsys.exit(main())"
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr == f"elevenphone: needs {absent}: pip install 'elevenphone[cli]'\n"


@pytest.mark.parametrize(
    "arguments", [("dial",), ("--loud",), ("get",), ("fetch", "x", "--concurrency", "9" * 5_000)]
)
def test_wrong_usage_is_reported(arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert ended.code == 2
    assert ended.errors.startswith("Usage: elevenphone")


def test_the_choices_of_a_missing_argument_are_indented() -> None:
    assert "\n  powershell" in run("completion").errors


@pytest.mark.parametrize(
    ("typed", "suggestion"),
    [(("fech",), "'fetch'"), (("dotcor",), "'doctor'"), (("fetch", "--resum"), "--resume")],
)
def test_a_misspelled_word_gets_a_suggestion(typed: tuple[str, ...], suggestion: str) -> None:
    ended = run(*typed)
    assert ended.code == 2
    assert "Did you mean" in ended.errors
    assert suggestion in ended.errors


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_each_shell_has_a_script_for_completion(shell: str) -> None:
    ended = run("completion", shell)
    assert (ended.code, ended.errors) == (0, "")
    assert "_ELEVENPHONE_COMPLETE" in ended.output
    assert f"{shell}_complete" in ended.output


def test_a_shell_completes_commands_options_and_files() -> None:
    def completed(words: str, position: int) -> list[str]:
        variables = {"_ELEVENPHONE_COMPLETE": "bash_complete", "COMP_WORDS": words}
        return run_process(**variables, COMP_CWORD=str(position)).output.split()

    assert completed("elevenphone fe", 1) == ["plain,fetch"]
    assert completed("elevenphone fetch --re", 2) == ["plain,--resume", "plain,--region"]
    assert completed("elevenphone fetch ids.txt -o ", 4) == ["file,"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_a_completion_that_no_shell_asks_for_is_no_traceback(shell: str) -> None:
    ended = run_process(_ELEVENPHONE_COMPLETE=f"{shell}_complete", COMP_CWORD="none")
    assert ended.code
    assert not ended.errors
