from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import environment, run

import elevenphone

COMMANDS = ("demo", "get", "fetch", "doctor", "emulator", "completion")


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(), check=False
    )


def test_the_version() -> None:
    assert run("--version") == (0, f"elevenphone {elevenphone.__version__}\n", "")


def test_the_console_script_is_the_same() -> None:
    script = Path(sys.executable).with_name("elevenphone")
    if not script.exists():
        pytest.skip("not installed as a script")
    ended = subprocess.run(  # noqa: S603 - the script beside this interpreter
        [script, "--help"], capture_output=True, text=True, env=environment(), check=False
    )
    assert (ended.returncode, ended.stdout) == run("--help")[:2]


def test_the_help_lists_commands_and_exit_codes() -> None:
    ended = run("--help")
    assert ended.code == 0
    for word in (*COMMANDS, "Exit codes", "130", "elevenphone demo", "ELEVENLABS_API_KEY"):
        assert word in ended.output
    assert "..." not in ended.output.partition("Commands:")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_help_has_examples(command: str) -> None:
    ended = run(command, "--help")
    assert ended.code == 0
    assert f"\n  Examples:\n    elevenphone {command}" in ended.output
    summary = ended.output.splitlines()[2].strip()
    assert f"  {command:<12}{summary}\n" in run("--help").output


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    ended = python(
        f"import sys; sys.argv[1:] = {arguments!r}\n"
        "from elevenphone.cli import main\n"
        "code = main()\n"
        "sys.exit(', '.join({'asyncio', 'aiohttp', 'rich', 'ssl', 'uvloop'} & set(sys.modules)) or code)"
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


def test_ctrl_c_while_it_starts_is_a_line_too(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt\n", encoding="ascii")
    ended = run("--version", PYTHONPATH=str(tmp_path))
    assert ended == (130, "", "elevenphone: interrupted\n")


@pytest.mark.parametrize("arguments", [("dial",), ("--loud",), ("get",)])
def test_wrong_usage_is_told(arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert ended.code == 2
    assert ended.errors.startswith("Usage: elevenphone")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    ended = run("completion", shell)
    assert (ended.code, ended.errors) == (0, "")
    assert f"_ELEVENPHONE_COMPLETE={shell}_complete" in ended.output


def test_a_shell_is_told_commands_options_and_where_files_go() -> None:
    def completed(words: str, position: int) -> list[str]:
        variables = {"_ELEVENPHONE_COMPLETE": "bash_complete", "COMP_WORDS": words}
        return run(**variables, COMP_CWORD=str(position)).output.split()

    assert completed("elevenphone f", 1) == ["plain,fetch"]
    assert completed("elevenphone fetch --re", 2) == ["plain,--resume", "plain,--region"]
    assert completed("elevenphone fetch ids.txt -o ", 4) == ["file,"]
