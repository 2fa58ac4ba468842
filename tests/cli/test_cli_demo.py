from __future__ import annotations

import signal
import subprocess

import pytest
from cli_helpers import KEY, PATIENCE, command, environment, run, run_on_terminal

from elevenphone.cli.fetch import demo


def test_it_finds_what_there_is_without_a_key() -> None:
    ended = run("demo", "--numbers", "200")
    assert ended.code == 0
    counts = dict(line.split()[:2] for line in ended.output.splitlines() if line.startswith("  f"))
    assert counts == {"found": "196", "failed": "0"}
    for word in ("200 lookups in", "not found", "throttled", "Twilio", "SIP trunk", "Exotel", "phnum_"):
        assert word in ended.output
    for word in ("goes away for 1.5 s", "Interrupted on purpose", "found by trying"):
        assert word in ended.output
    assert "export ELEVENLABS_API_KEY=..." in ended.output
    assert KEY not in ended.output + ended.errors


def test_one_lookup_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_OUTAGE_SECONDS", 0.2)
    ended = run("demo", "--numbers", "1")
    assert ended.code == 0
    assert "1 lookup in" in ended.output


def test_it_has_a_bar_on_a_terminal() -> None:
    ended = run_on_terminal("demo", "--numbers", "100", "--seed", "3", columns=60, variables={})
    assert ended.code == 0
    assert "100 lookups in" in ended.output
    assert max(map(len, ended.output.split("With a key")[1].splitlines())) <= 60


def test_ctrl_c_is_an_exit_code_and_a_line(on_loop: dict[str, str]) -> None:
    process = subprocess.Popen(  # noqa: S603 - this interpreter
        command("demo", "--numbers", "20000"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**on_loop),
    )
    assert process.stdout is not None
    assert "20,000 lookups against" in process.stdout.readline()
    assert process.stderr is not None
    assert "/20,000" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1] == "elevenphone: interrupted"
    assert "Traceback" not in errors
