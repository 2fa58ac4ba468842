"""A run that ends early, however it does, and the one that resumes it."""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_helpers import PATIENCE, Api, command, emulator, environment, run
from fetch_runs import Fetch

IDS = 800


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """An emulator slow enough for a run to be met in its middle."""
    with emulator(IDS, latency=0.02, concurrency_limit=40, server_errors=0.01) as running:
        yield running


@pytest.fixture
def fetch(api: Api, tmp_path: Path) -> Fetch:
    # Twice the same id, near and far: an input has its own line each time.
    return Fetch(tmp_path, [*api.ids, api.ids[-1], api.ids[0]], api.variables)


def test_killed_four_times_each_input_is_there_once(fetch: Fetch) -> None:
    dice = random.Random(18)
    for _ in range(4):
        before = fetch.kept()
        process = fetch.start("--resume", "--rate", "300")
        fetch.wait_until_kept(before + dice.randint(1, 100))
        process.kill()
        process.communicate()
        assert before < fetch.kept() < IDS
    assert not fetch.output.exists()
    code, errors = fetch.run("--resume")
    assert code == 0, errors
    assert "were there before" in errors
    fetch.assert_whole()


@pytest.mark.parametrize("option", ["--force", "--resume"])
def test_no_unfinished_file_is_left_after_a_kill(fetch: Fetch, option: str) -> None:
    process = fetch.start("--rate", "300", "--failures", "failed.jsonl")
    fetch.wait_until_kept(1)
    process.kill()
    process.communicate()
    assert len(list(fetch.folder.glob("*.part"))) == 2
    code, errors = fetch.run(option)  # without the other file
    assert code == 0, errors
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


def test_any_number_of_signals_still_lets_the_run_say_how_to_go_on(
    fetch: Fetch, on_loop: dict[str, str]
) -> None:
    fetch.variables = {**fetch.variables, **on_loop}
    process = fetch.start("--rate", "300")
    fetch.wait_until_kept(10)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.005)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert f"{fetch.kept():,} answers are kept in 'out.jsonl.journal'" in errors


def test_requests_in_flight_are_waited_for_once(fetch: Fetch, on_loop: dict[str, str]) -> None:
    """A server that goes silent delays the end after the first Ctrl-C, and not after the second."""
    with emulator(IDS, slow_bodies=0.2, slow_body_seconds=9) as silent:
        fetch.variables = {**silent.variables, **on_loop}
        fetch.ids = silent.ids
        fetch.write(silent.ids)
        process = fetch.start()
        fetch.wait_until_kept(10)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
        assert time.monotonic() - started < 5
    assert process.returncode == 130
    assert f"{fetch.kept():,} answers are kept" in errors


def test_a_stream_that_is_interrupted_has_every_answer(fetch: Fetch) -> None:
    with (fetch.folder / "stream.jsonl").open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - this interpreter
            command("fetch", "ids.txt", "-o", "-", "--rate", "300"),
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**fetch.variables),
            cwd=fetch.folder,
        )
        patience = time.monotonic() + PATIENCE
        while output.tell() < 10_000 and time.monotonic() < patience:
            time.sleep(0.02)
            output.seek(0, 2)
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
    assert "another run of elevenphone writes it" in errors
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
        assert "input has changed: it had " in errors
        assert ("has other ids." in errors) == (len(changed) == len(fetch.ids))
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


def test_another_server_is_refused_and_another_key_is_mentioned(fetch: Fetch) -> None:
    fetch.interrupt(signal.SIGINT, 50)
    variables = fetch.variables
    fetch.variables = {**variables, "ELEVENLABS_BASE_URL": "http://127.0.0.1:9/elsewhere"}
    code, errors = fetch.run("--resume")
    assert code == 2
    assert "http://127.0.0.1:9/elsewhere" in errors
    fetch.variables = {**variables, "ELEVENLABS_API_KEY": "sk_a_wrong_key_of_some_length"}
    code, errors = fetch.run("--resume")
    assert code == 3
    assert "begun with another key" in errors
    fetch.variables = variables
    code, errors = fetch.run("--resume")
    assert code == 0
    assert "another key" not in errors


def test_a_full_disk_loses_nothing_and_the_count_is_true(fetch: Fetch) -> None:
    limit = 200_000
    process = subprocess.run(  # noqa: S603 - this interpreter
        command("fetch", "ids.txt", "-o", "out.jsonl", "-q"),
        capture_output=True,
        text=True,
        env=environment(**fetch.variables),
        cwd=fetch.folder,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        check=False,
    )
    assert process.returncode == 4
    first, *rest = process.stderr.splitlines()
    assert first.startswith("elevenphone: cannot write 'out.jsonl.journal': disk I/O error")
    assert rest == [
        f"{fetch.kept():,} answers are kept in 'out.jsonl.journal'. To go on:",
        "  elevenphone fetch ids.txt -o out.jsonl -q --resume",
    ]
    code, errors = fetch.run("--resume")
    assert code == 0
    assert "were there before" in errors
    fetch.assert_whole()


def test_a_failure_that_may_pass_is_asked_again_and_nothing_else(tmp_path: Path) -> None:
    with emulator(quota=40, port=0, concurrency_limit=4) as first:
        fetch = Fetch(tmp_path / "work", [*first.ids, first.unknown_id], first.variables)
        code, errors = fetch.run()
        assert code == 6
        assert "quota" in errors
        assert not fetch.output.exists()
        port = int(first.variables["ELEVENLABS_BASE_URL"].rpartition(":")[2])
    answered = fetch.kept()
    assert 30 <= answered < 50
    with emulator(port=port, record=True) as second:
        assert fetch.run("--resume")[0] == 1
        assert len(second.asked()) == len(fetch.ids) - answered
    assert fetch.output.read_text(encoding="utf-8").count('"status":"found"') == 50


def test_a_server_that_stays_away_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    with emulator(500, outages=[(0.6, 600)], latency=0.05, concurrency_limit=4) as away:
        fetch = Fetch(tmp_path / "work", away.ids, away.variables)
        code, errors = fetch.run("--deadline", "0.5")
    assert code == 7
    assert "--resume" in errors
    assert 0 < fetch.kept() < 500
    assert not fetch.output.exists()


def test_a_file_that_appeared_during_a_run_is_not_replaced(fetch: Fetch) -> None:
    fetch.interrupt(signal.SIGINT, 100)
    fetch.output.write_text("theirs")
    code, errors = fetch.run("--resume")
    assert code == 2
    assert "move it away" in errors
    fetch.write([*fetch.ids, "phnum_unknown"])  # another run, which needs --force
    process = fetch.start("--force", "--rate", "300")
    fetch.wait_until_begun_with(803)
    fetch.wait_until_kept(1)
    process.kill()
    process.communicate()
    assert fetch.output.read_text() == "theirs"
    assert fetch.run("--resume")[0] == 1
    assert fetch.output.read_text(encoding="utf-8").count("\n") == 803


def test_failures_that_may_pass_are_asked_again_into_the_same_output(tmp_path: Path) -> None:
    impatient = ("--timeout", "0.1", "--deadline", "0.15")
    with emulator(60, slow_bodies=0.2, slow_body_seconds=1, record=True) as api:
        fetch = Fetch(tmp_path, api.ids, api.variables)
        arguments = ("fetch", fetch.input, "-o", fetch.output, *impatient)
        first = run(*arguments, **api.variables)
        assert first.code == 5
        assert "failed for a reason that may pass. To ask again:\n  elevenphone fetch" in first.errors
        statuses = [json.loads(line)["status"] for line in fetch.output.read_bytes().splitlines()]
        late = [each for each, status in zip(api.ids, statuses, strict=True) if status == "failed"]
        assert 0 < len(late) < 40
        mine = tmp_path / "mine.txt"
        mine.write_text("mine")
        refused = run(*arguments, "--resume", "--failures", mine, **api.variables)
        assert (refused.code, "mine.txt' exists, and not from the run" in refused.errors) == (2, True)
        assert mine.read_text() == "mine"
        mine.unlink()
        api.emulator.slow_bodies = 0
        asked = len(api.asked())
        assert run(*arguments, "--resume", **api.variables).code == 0
        assert set(api.asked()[asked:]) == set(late)
        fetch.assert_whole()
