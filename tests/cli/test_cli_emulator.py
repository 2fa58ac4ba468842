from __future__ import annotations

import dataclasses
import signal
import sys
from pathlib import Path

import pytest
from cli_helpers import PATIENCE, emulator_process, run

from elevenphone.cli.commands.emulator import command
from elevenphone.emulator import Emulator


def test_every_argument_of_the_emulator_is_an_option() -> None:
    arguments = {field.name for field in dataclasses.fields(Emulator)}
    options = {parameter.name for parameter in command.params}
    others = {"tls_certificate", "tls_key", "ids_file", "force", "with_unknown", "log"}
    assert arguments - options == {"ssl_context", "record"}  # --tls-certificate, --log
    assert options - arguments - {"queue"} == others


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_its_normal_end(tmp_path: Path, number: signal.Signals, on_loop: dict[str, str]) -> None:
    with emulator_process(ids_file=tmp_path / "ids", **on_loop) as running:
        running.process.send_signal(number)
        _, errors = running.process.communicate(timeout=PATIENCE)
    assert (running.process.returncode, errors) == (0, "")


def test_what_it_prints_points_a_shell_at_it(tmp_path: Path) -> None:
    with emulator_process("--with-unknown", ids_file=tmp_path / "ids") as running:
        assert all(line.startswith(("export ELEVENLABS_", "#")) for line in running.announced)
        assert len(running.ids) == 51
        assert running.unknown_id in running.ids


def test_the_log_has_a_line_a_request_and_never_the_key(tmp_path: Path) -> None:
    with emulator_process("--log", "--drops", "0.5", "--seed", "3", ids_file=tmp_path / "ids") as running:
        assert run("get", *running.ids[:10], **running.variables).code == 0
        assert run("get", running.ids[0], **{**running.variables, "ELEVENLABS_API_KEY": "sk_other"}).code == 3
        running.process.send_signal(signal.SIGTERM)
        _, log = running.process.communicate(timeout=PATIENCE)
    lines = [line.split() for line in log.splitlines()]
    assert {line[1] for line in lines} == {"GET"}
    assert {line[3] for line in lines} == {"200", "401", "-"}
    assert sum(line[3] == "200" for line in lines) == 10
    assert "sk_" not in log


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("--numbers", "0"), 2, "numbers must be"),
        (("--latency", "soon"), 2, "lognormal"),
        (("--latency", "uniform:2,1"), 2, "at least low"),
        (("--outages", "1"), 2, "START,SECONDS"),
        (("--drops", "0.6", "--resets", "0.6"), 2, "add up"),
        (("--drops", "2"), 2, "--drops"),
        (("--tls-key", "key.pem"), 2, "--tls-certificate"),
        (("--tls-certificate", "absent.pem"), 2, "certificate"),
        (("--with-unknown",), 2, "--ids-file"),
        (("--force",), 2, "--ids-file"),
        (("--host", "192.0.2.1"), 2, "cannot listen"),
        (("--ids-file", "absent/ids"), 4, "cannot write"),
    ],
)
def test_wrong_settings_are_reported(arguments: tuple[str, ...], code: int, complaint: str) -> None:
    ended = run("emulator", *arguments)
    assert ended.code == code
    assert complaint in ended.errors
    assert "Traceback" not in ended.errors


def test_a_file_of_ids_is_overwritten_with_force_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    ended = run("emulator", "--ids-file", str(mine))
    assert (ended.code, mine.read_text()) == (2, "mine")
    assert "--force" in ended.errors
    with emulator_process("--force", ids_file=mine) as running:
        assert len(running.ids) == 50


def test_a_port_in_use_is_reported(tmp_path: Path) -> None:
    with emulator_process(ids_file=tmp_path / "ids") as running:
        port = running.variables["ELEVENLABS_BASE_URL"].rpartition(":")[2]
        ended = run("emulator", "--port", port)
    assert ended.code == 2
    assert f"port {port}" in ended.errors


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_latency_of_each_kind_is_taken(tmp_path: Path) -> None:
    settings = ("--latency", "lognormal:0.001,0.5", "--outages", "100,1", "--retry-after", "1")
    with emulator_process(*settings, ids_file=tmp_path / "ids") as running:
        assert run("get", running.ids[0], **running.variables).code == 0
