"""The commands on uvloop's event loop, where it is installed, and on asyncio's."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from cli_helpers import KEY, PATIENCE, Api, command, environment, run, run_process

from elevenphone.cli import shell
from elevenphone.cli.fetch import demo


def test_doctor_names_uvloop_where_it_is_what_runs(api: Api) -> None:
    if find_spec("uvloop") is None:
        pytest.skip("needs the extra speed")
    ended = run("doctor", **api.variables)
    assert ended.code == 0
    assert ", uvloop " in ended.output.splitlines()[0]


def test_where_uvloop_cannot_be_imported_asyncio_runs(api: Api, tmp_path: Path) -> None:
    (tmp_path / "uvloop.py").write_text("raise ImportError('made for another Python')\n", encoding="ascii")
    ended = run_process("doctor", **api.variables, PYTHONPATH=str(tmp_path))
    assert (ended.code, ended.errors) == (0, "")
    assert "uvloop" not in ended.output


@pytest.fixture(params=["uvloop", "asyncio"])
def loop_in_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "asyncio":
        monkeypatch.setattr(shell, "_loop_factory", lambda: None)
    elif find_spec("uvloop") is None:
        pytest.skip("needs the extra speed")


@pytest.mark.usefixtures("loop_in_process")
def test_each_command_does_the_same(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_OUTAGE_SECONDS", 0.2)
    assert run("get", *api.ids[:3], **api.variables).code == 0
    assert run("get", api.ids[0], api.unknown_id, **api.variables).code == 1
    assert run("get", api.ids[0], **{**api.variables, "ELEVENLABS_API_KEY": "sk_other"}).code == 3
    (tmp_path / "ids.txt").write_text("\n".join([*api.ids, api.unknown_id, ".."]), encoding="ascii")
    ids, output = tmp_path / "ids.txt", tmp_path / "out.jsonl"
    assert run("fetch", ids, "--dry-run").code == 2
    assert run("fetch", ids, "-o", output, **api.variables).code == 5
    status = [json.loads(line)["status"] for line in output.read_text(encoding="utf-8").splitlines()]
    assert status == ["found"] * len(api.ids) + ["not_found", "failed"]
    assert run("demo", "--numbers", "20").code == 0


@pytest.mark.parametrize(
    ("url", "complaint"),
    [("http://127.0.0.1:1", "could not connect"), ("https://host.invalid", "could not be resolved")],
)
@pytest.mark.usefixtures("loop_in_process")
def test_a_host_that_is_not_there_is_reported_alike(url: str, complaint: str) -> None:
    ended = run("get", "phnum_1", "--base-url", url, "--deadline", "2", ELEVENLABS_API_KEY=KEY)
    assert ended.code == 7
    assert complaint in ended.errors
    assert ended.errors.count("\n") == 1


def test_ctrl_c_ends_a_lookup_that_is_not_answered(on_loop: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(  # noqa: S603 - this interpreter
            command("get", "phnum_1", "--base-url", url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(ELEVENLABS_API_KEY=KEY, **on_loop),
        )
        connection, _ = silent.accept()
        with connection:
            connection.settimeout(PATIENCE)
            assert connection.recv(4).startswith(b"GET")
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors.lstrip("\n")) == (130, "", "elevenphone: interrupted\n")


@pytest.mark.parametrize("limit", [8, 11])
def test_where_no_loop_can_open_its_files_one_line_says_so(on_loop: dict[str, str], limit: int) -> None:
    ended = subprocess.run(  # noqa: S603 - this interpreter
        ["/bin/sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", *command("get", "phnum_1")],
        capture_output=True,
        text=True,
        env=environment(ELEVENLABS_API_KEY=KEY, **on_loop),
        timeout=PATIENCE,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (4, "")
    assert ended.stderr == (
        "elevenphone: Too many open files: raise the limit, such as by `ulimit -n 1024`\n"
    )
