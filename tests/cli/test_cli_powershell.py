"""Completion in PowerShell: what its script hands over; the script itself where PowerShell is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import environment, run, run_process

from elevenphone.cli.main import elevenphone

POWERSHELL = shutil.which("pwsh") or shutil.which("powershell")
SCRIPTS = Path(sys.executable).parent


def completed(*words: str) -> list[str]:
    variables = {"_ELEVENPHONE_COMPLETE": "powershell_complete", "_ELEVENPHONE_WORDS": "\n".join(words)}
    ended = run_process(**variables)
    assert (ended.code, ended.errors) == (0, "")
    return [line.partition("\t")[0] for line in ended.output.splitlines() if line]


def test_commands_and_options_are_completed() -> None:
    assert completed("elevenphone", "fe") == ["fetch"]
    assert completed("elevenphone", "fetch", "--re") == ["--resume", "--region"]
    assert "fetch" in completed("elevenphone", "")
    assert "--format" in completed(r"C:\Program Files\elevenphone.exe", "fetch", "-")


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (("--format", ""), ["jsonl", "csv", "parquet", "db"]),
        (("--format", "c"), ["csv"]),
        (("--format", "'c'"), ["csv"]),
        (("--format", '"c"'), ["csv"]),
        (("--format=c",), ["--format=csv"]),
        (("--format=",), ["--format=jsonl", "--format=csv", "--format=parquet", "--format=db"]),
    ],
)
def test_values_of_options_are_completed(words: tuple[str, ...], values: list[str]) -> None:
    assert completed("elevenphone", "fetch", "ids.txt", *words) == values


@pytest.mark.parametrize(
    "words", [("",), ("'my f'",), (r"C:\my f",), ("ids.txt", "-o", ""), ("--log-file", "x")]
)
def test_files_are_left_to_powershell(words: tuple[str, ...]) -> None:
    assert completed("elevenphone", "fetch", *words) == ["file"]


def test_a_path_before_the_word_is_one_word_though_it_ends_in_a_backslash() -> None:
    assert completed("elevenphone", "fetch", ".\\my ids\\", "--format", "p") == ["parquet"]
    assert completed("elevenphone", "fetch", "it's", "--format", "p") == ["parquet"]


@pytest.mark.parametrize("words", [("get", "phnum_"), ("xyz",), ("fetch", "--rate", "1")])
def test_nothing_is_completed_where_nothing_is_known(words: tuple[str, ...]) -> None:
    assert completed("elevenphone", *words) == []


def test_what_is_completed_survives_every_code_page_and_needs_no_quotes() -> None:
    for words in [("",), *((command, "-") for command in elevenphone.commands)]:
        variables = {
            "_ELEVENPHONE_COMPLETE": "powershell_complete",
            "_ELEVENPHONE_WORDS": "\n".join(("elevenphone", *words)),
        }
        lines = run_process(**variables).output.splitlines()
        assert len(lines) > 1
        for line in lines:
            value, tab, meaning = line.partition("\t")
            assert line.isascii()
            assert value.replace("-", "").isalnum()
            assert tab
            assert meaning.strip()  # PowerShell refuses a result without a description


def test_the_script_is_ascii() -> None:
    assert run("completion", "powershell").output.isascii()


@pytest.mark.skipif(POWERSHELL is None, reason="PowerShell is not installed")
@pytest.mark.skipif(shutil.which("elevenphone", path=SCRIPTS) is None, reason="not installed as a script")
def test_powershell_runs_the_script(tmp_path: Path) -> None:
    expected = {
        "elevenphone fe": ["fetch"],
        "elevenphone fetch --re": ["--resume", "--region"],
        "elevenphone fetch 'a b' --format ": ["jsonl", "csv", "parquet", "db"],
        "elevenphone fetch --format=c": ["--format=csv"],
        "$x = 1; elevenphone fetch --format c": ["csv"],
        f"& '{SCRIPTS / 'elevenphone'}' fe": ["fetch"],
        "elevenphone get phnum": [],
        "elevenphone fetch my": ["'./my ids.txt'"],
    }
    (tmp_path / "my ids.txt").touch()
    (tmp_path / "phnum.txt").touch()
    program = [run("completion", "powershell").output, "$global:LASTEXITCODE = 7"]
    for line in expected:
        quoted = line.replace("'", "''")
        program.append(
            "try { $found = [System.Management.Automation.CommandCompletion]::CompleteInput("
            f"'{quoted}', {len(line)}, $null).CompletionMatches.CompletionText -join '|' }} "
            "catch { $found = '' }"
        )
        program.append("Write-Output \"found: $($found -replace '\\\\', '/')\"")
    program.append('Write-Output "left: $LASTEXITCODE$env:_ELEVENPHONE_COMPLETE$env:_ELEVENPHONE_WORDS"')
    script = tmp_path / "complete.ps1"
    script.write_text("\n".join(program))
    assert POWERSHELL is not None
    ended = subprocess.run(  # noqa: S603 - the one that is installed
        [POWERSHELL, "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File", script],
        cwd=tmp_path,
        env=environment(PATH=f"{SCRIPTS}{':' if sys.platform != 'win32' else ';'}{environment()['PATH']}"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = [f"found: {'|'.join(values)}".rstrip() for values in expected.values()]
    assert [line.rstrip() for line in ended.stdout.splitlines()] == [*found, "left: 7"], ended.stderr
