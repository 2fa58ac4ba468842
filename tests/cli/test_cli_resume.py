"""A run that ends before its end, however it does, and the one that goes on."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_helpers import PATIENCE, Running, emulator, environment

IDS = 800


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An emulator slow enough for a run to be met in its middle."""
    ids_file = tmp_path_factory.mktemp("emulator") / "ids.txt"
    settings = ("--latency", "0.02", "--concurrency-limit", "40", "--server-errors", "0.01")
    with emulator("--numbers", str(IDS), *settings, ids_file=ids_file) as running:
        yield running


class Fetch:
    """`elevenphone fetch` of a list into a file, again and again."""

    def __init__(self, folder: Path, ids: list[str], variables: dict[str, str]) -> None:
        self.folder = folder
        self.ids = ids
        self.variables = variables
        self.input = folder / "ids.txt"
        self.output = folder / "out.jsonl"
        self.journal = folder / "out.jsonl.journal"
        folder.mkdir(exist_ok=True)
        self.write(ids)

    def write(self, ids: list[str]) -> None:
        self.input.write_text("".join(f"{each}\n" for each in ids), encoding="utf-8")

    def start(self, *arguments: str, source: str = "ids.txt") -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - this interpreter
            [
                *(sys.executable, "-W", "error", "-m", "elevenphone", "fetch", source),
                *("-o", "out.jsonl", *arguments),
            ],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**self.variables),
            cwd=self.folder,
        )

    def run(self, *arguments: str, source: str = "ids.txt", given: str = "") -> tuple[int, str]:
        process = self.start(*arguments, source=source)
        _, errors = process.communicate(given, timeout=PATIENCE)
        assert "Traceback" not in errors
        return process.returncode, errors

    def kept(self) -> int:
        return max(0, self.journal.read_bytes().count(b"\n") - 1) if self.journal.exists() else 0

    def wait_until_kept(self, count: int) -> None:
        patience = time.monotonic() + PATIENCE
        while self.kept() < count and time.monotonic() < patience:
            time.sleep(0.02)
        assert self.kept() >= count

    def interrupt(self, number: signal.Signals, after: int) -> tuple[int, str]:
        process = self.start("--rate", "300")
        self.wait_until_kept(after)
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE)
        return process.returncode, errors

    def assert_whole(self) -> None:
        lines = [json.loads(line) for line in self.output.read_text(encoding="utf-8").splitlines()]
        assert [line["phone_number_id"] for line in lines] == self.ids
        assert [line["index"] for line in lines] == list(range(len(self.ids)))
        assert {line["status"] for line in lines} == {"found"}
        assert sorted(path.name for path in self.folder.iterdir()) == ["ids.txt", "out.jsonl"]


@pytest.fixture
def fetch(api: Running, tmp_path: Path) -> Fetch:
    # Twice the same id, near and far: an input has its own line each time.
    return Fetch(tmp_path, [*api.ids, api.ids[-1], api.ids[0]], api.variables)


def test_killed_five_times_each_input_is_there_once(fetch: Fetch) -> None:
    for _ in range(5):
        before = fetch.kept()
        process = fetch.start("--resume", "--rate", "300")
        fetch.wait_until_kept(before + random.randint(1, 100))
        process.kill()
        process.communicate()
        assert before < fetch.kept() < IDS
        with fetch.journal.open("ab") as journal:  # as a machine that lost power may leave it
            journal.write(random.choice([b"", b'{"index":0,"phone_n', b"\0" * 700, b"\xff\n"]))
    assert not fetch.output.exists()
    code, errors = fetch.run("--resume")
    assert code == 0, errors
    assert "were there before" in errors
    fetch.assert_whole()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_all_and_says_how_to_go_on(
    fetch: Fetch, number: signal.Signals, on_loop: dict[str, str]
) -> None:
    fetch.variables = {**fetch.variables, **on_loop}
    code, errors = fetch.interrupt(number, 100)
    assert code == 130
    assert errors.splitlines()[-3:-2] == ["elevenphone: interrupted"]
    assert f"{fetch.kept():,} answers are kept in 'out.jsonl.journal'" in errors
    assert errors.endswith("\n  elevenphone fetch ids.txt -o out.jsonl --rate 300 --resume\n")
    assert fetch.run("--resume")[0] == 0
    fetch.assert_whole()


def test_the_end_of_what_is_in_flight_is_waited_for_once(
    fetch: Fetch, tmp_path: Path, on_loop: dict[str, str]
) -> None:
    """A server that goes silent holds the first Ctrl-C up, and not the second."""
    slow = ("--slow-bodies", "0.2", "--slow-body-seconds", "9")
    with emulator("--numbers", str(IDS), *slow, ids_file=tmp_path / "ids.txt") as silent:
        fetch.variables = {**silent.variables, **on_loop}
        fetch.ids = silent.ids
        process = fetch.start()
        fetch.wait_until_kept(10)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
        assert time.monotonic() - started < 5
    assert process.returncode == 130
    assert f"{fetch.kept():,} answers are kept" in errors


def test_a_stream_that_is_interrupted_has_every_answer(fetch: Fetch) -> None:
    with (fetch.folder / "stream.jsonl").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "elevenphone", "fetch", "ids.txt", "-o", "-", "--rate", "300"],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**fetch.variables),
            cwd=fetch.folder,
        )
        patience = time.monotonic() + PATIENCE
        while output.tell() < 10_000 and time.monotonic() < patience:
            time.sleep(0.02)
            output.seek(0, os.SEEK_END)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    lines: list[dict[str, object]] = [
        json.loads(line) for line in (fetch.folder / "stream.jsonl").read_bytes().splitlines()
    ]
    places = dict(enumerate(fetch.ids))
    assert {line["index"]: line["phone_number_id"] for line in lines}.items() <= places.items()
    assert f"{len(lines):,} lookups in" in errors
    assert "--resume" not in errors


def test_a_journal_is_neither_overwritten_nor_shared(fetch: Fetch) -> None:
    process = fetch.start("--rate", "100")
    fetch.wait_until_kept(50)
    code, errors = fetch.run("--resume")
    assert (code, errors.count("\n")) == (4, 1)
    assert "another run" in errors
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    code, errors = fetch.run()
    assert code == 2
    assert "--resume" in errors
    assert "--force" in errors
    assert fetch.kept() >= 50
    assert fetch.run("--force")[0] == 0
    fetch.assert_whole()


def test_another_input_is_refused(fetch: Fetch) -> None:
    fetch.interrupt(signal.SIGINT, 100)
    kept = fetch.kept()
    for changed in (fetch.ids[1:], [*fetch.ids, "phnum_more"], [*fetch.ids[:-1], "phnum_other"]):
        fetch.write(changed)
        code, errors = fetch.run("--resume")
        assert (code, errors.count("\n")) == (2, 1)
        assert "input has changed" in errors
    piped = "\n".join(fetch.ids[::-1][1:])
    code, errors = fetch.run("--resume", source="-", given=piped)
    assert code == 2
    assert "id 1 is now" in errors
    code, errors = fetch.run("--resume", source="-", given="\n".join(fetch.ids[:20]))
    assert code == 2
    assert "fewer ids" in errors
    assert fetch.kept() == kept
    assert fetch.run("--resume", source="-", given="\n".join(fetch.ids))[0] == 0
    fetch.write(fetch.ids)
    fetch.assert_whole()


def test_another_server_is_refused(fetch: Fetch) -> None:
    fetch.interrupt(signal.SIGINT, 50)
    fetch.variables = {**fetch.variables, "ELEVENLABS_BASE_URL": "http://127.0.0.1:9/elsewhere"}
    code, errors = fetch.run("--resume")
    assert code == 2
    assert "http://127.0.0.1:9/elsewhere" in errors


def test_a_full_disk_loses_nothing(fetch: Fetch) -> None:
    limit = 100_000
    process = subprocess.run(
        [sys.executable, "-W", "error", "-m", "elevenphone", "fetch", "ids.txt", "-o", "out.jsonl", "-q"],
        capture_output=True,
        text=True,
        env=environment(**fetch.variables),
        cwd=fetch.folder,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        check=False,
    )
    assert process.returncode == 4
    first, *rest = process.stderr.splitlines()
    assert first == "elevenphone: cannot write 'out.jsonl.journal': File too large"
    assert rest[-1] == "  elevenphone fetch ids.txt -o out.jsonl -q --resume"
    assert fetch.journal.stat().st_size == limit
    code, errors = fetch.run("--resume")
    assert code == 0
    assert "were there before" in errors
    fetch.assert_whole()


def test_what_may_pass_is_asked_again_and_nothing_else(tmp_path: Path) -> None:
    with emulator("--quota", "40", "--port", "0", ids_file=tmp_path / "ids") as first:
        fetch = Fetch(tmp_path / "work", [*first.ids, first.unknown_id], first.variables)
        code, errors = fetch.run()
        assert code == 3
        assert "quota" in errors
        assert not fetch.output.exists()
        port = first.variables["ELEVENLABS_BASE_URL"].rpartition(":")[2]
    answered = {
        line["phone_number_id"]
        for line in map(json.loads, fetch.journal.read_text(encoding="utf-8").splitlines()[1:])
        if line["status"] != "failed"  # the unknown one may have come before the quota was used up
    }
    assert 30 <= len(answered) < 50
    with emulator("--log", "--port", port, ids_file=tmp_path / "ids") as second:
        assert fetch.run("--resume")[0] == 1
        second.process.send_signal(signal.SIGTERM)
        _, log = second.process.communicate(timeout=PATIENCE)
    asked = {line.split()[2].rpartition("/")[2] for line in log.splitlines()}
    assert asked == set(fetch.ids) - answered
    assert fetch.output.read_text(encoding="utf-8").count('"status":"found"') == 50


def test_a_server_that_stays_away_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    outage = ("--outages", "1.5,600", "--latency", "0.05", "--concurrency-limit", "4")
    with emulator(*outage, "--numbers", "500", ids_file=tmp_path / "ids") as away:
        fetch = Fetch(tmp_path / "work", away.ids, away.variables)
        code, errors = fetch.run("--deadline", "1")
    assert code == 1
    assert "--resume" in errors
    assert 0 < fetch.kept() < 500
    assert not fetch.output.exists()
