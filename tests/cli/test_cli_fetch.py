"""What `fetch` writes, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cli_helpers import (
    KEY,
    PATIENCE,
    Api,
    Ended,
    command,
    emulator,
    environment,
    run,
    run_on_terminal,
    run_shown,
)

from elevenphone import decode


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """An emulator with some faults, and six ids among three hundred that it does not know."""
    with emulator(300, server_errors=0.02, drops=0.02, concurrency_limit=20, record=True) as running:
        for position, unknown in enumerate(running.emulator.unknown_ids[:6]):
            running.ids.insert(51 * position + 25, unknown)
        yield running


@pytest.fixture
def ids(api: Api, tmp_path: Path) -> Path:
    return written(tmp_path / "ids.txt", api.ids)


def written(path: Path, ids: list[str]) -> Path:
    path.write_text("".join(f"{phone_number_id}\n" for phone_number_id in ids), encoding="utf-8")
    return path


def fetch(*arguments: object, api: Api, given: str | bytes = b"", **variables: str) -> Ended:
    return run("fetch", *arguments, given=given, **{**api.variables, **variables})


def documents(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_id_has_its_line_in_the_order_of_the_input(api: Api, ids: Path, tmp_path: Path) -> None:
    with ids.open("a", encoding="utf-8") as file:
        file.write(f"\r\n  {api.ids[0]}\r\n..\n+15551234567\n")
    output, failures = tmp_path / "out.jsonl", tmp_path / "failures.jsonl"
    ended = fetch(ids, "-o", output, "--failures", failures, api=api)
    assert ended.code == 5
    lines = documents(output.read_text(encoding="utf-8"))
    assert [line["phone_number_id"] for line in lines] == [*api.ids, api.ids[0], "..", "+15551234567"]
    assert [line["index"] for line in lines] == list(range(len(lines)))
    found = [line for line in lines if line["status"] == "found"]
    assert len(found) == 301
    for line in found:
        assert decode(json.dumps(line["number"]).encode()).phone_number_id == line["phone_number_id"]
    assert documents(failures.read_text(encoding="utf-8")) == [line for line in lines if "error" in line]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["failures.jsonl", "ids.txt", "out.jsonl"]
    for word in ("309 lookups in", "not found", "--region", "is a step in a path", "find +1555", "out.jsonl"):
        assert word in ended.errors
    for provider in ("Twilio", "SIP trunk", "Exotel"):
        assert provider in ended.errors
    assert "Without agent" in ended.errors
    assert "+15551234567" not in api.asked()
    assert ended.output == ""


def test_codes_of_a_run_that_came_to_its_end(api: Api, tmp_path: Path) -> None:
    known = [each for each in api.ids if each not in api.emulator.unknown_ids][:5]
    for number, (more, code) in enumerate([((), 0), ((api.unknown_id,), 1), ((api.unknown_id, ".."), 5)]):
        output = tmp_path / f"{number}.ndjson"
        ids = written(tmp_path / "ids", [*known, *more])
        ended = fetch(ids, "-o", output, "--quiet", "--concurrency", "2", "--rate", "500", api=api)
        assert ended == (code, "", "")
        # A finished run repeats its code.
        before = output.read_bytes()
        assert fetch(ids, "-o", output, "--resume", "--quiet", api=api) == (code, "", "")
        assert "is finished: 5 found" in fetch(ids, "-o", output, "--resume", api=api).errors
        late = fetch(ids, "-o", output, "--resume", "--failures", tmp_path / "failed.jsonl", api=api)
        assert (late.code, "failed.jsonl' was not made then" in late.errors) == (2, True)
        assert output.read_bytes() == before


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet", "db"])
def test_a_finished_run_of_each_format_repeats_its_code_for_the_same_ids_alone(
    api: Api, tmp_path: Path, ending: str
) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    ids = written(tmp_path / "ids.txt", [*api.ids[:20], "a\x1bb"])
    output = tmp_path / f"out.{ending}"
    code = fetch(ids, "-o", output, api=api).code
    assert fetch(ids, "-o", output, "--resume", api=api).code == code == 5
    narrower = fetch(ids, "-o", output, "--resume", "--select", "label", api=api)
    assert (narrower.code, "has other columns: --force starts over" in narrower.errors) == (2, True)
    for format_ in {"jsonl", "csv", "db"} - {ending}:
        refused = fetch(ids, "-o", output, "--resume", "--format", format_, api=api)
        assert (refused.code, "--force" in refused.errors) == (2, True)
    selected = tmp_path / f"selected.{ending}"
    for _ in range(2):
        assert fetch(ids, "-o", selected, "--resume", "--select", "label", api=api).code == 5
    for other in ((), ("--select", "phone_number")):
        assert "has other columns" in fetch(ids, "-o", selected, "--resume", *other, api=api).errors
    asked = len(api.asked())
    written(ids, api.ids[:21])
    changed = fetch(ids, "-o", output, "--resume", api=api)
    assert (changed.code, "is of other ids" in changed.errors) == (2, True)
    output.write_bytes(b"my own file")
    foreign = fetch(ids, "-o", output, "--resume", api=api)
    assert (foreign.code, output.read_bytes()) == (2, b"my own file")
    assert len(api.asked()) == asked


@pytest.mark.parametrize("ending", ["jsonl", "csv", "db"])
def test_an_id_with_a_nul_is_refused_and_its_row_can_be_read(api: Api, tmp_path: Path, ending: str) -> None:
    ids, output = tmp_path / "ids.json", tmp_path / f"out.{ending}"
    ids.write_text(json.dumps([api.ids[0], "a\0b"]), encoding="ascii")
    for _ in range(2):
        assert fetch(ids, "-o", output, "--resume", api=api).code == 5
    if ending != "db":
        again = fetch(output, "-o", "-", "--format", "csv", api=api)
        assert (again.code in {1, 5}, "\0" in again.output) == (True, False)
    text = fetch(written(tmp_path / "ids.txt", ["a\0b"]), "-o", "-", api=api)
    assert (text.code, "it is a binary file, not text" in text.errors) == (2, True)


def test_standard_output_gets_each_answer_while_ids_are_still_to_come(api: Api) -> None:
    process = subprocess.Popen(  # noqa: S603 - this interpreter
        command("fetch", "-", "-o", "-"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**api.variables),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for phone_number_id in api.ids[:3]:
        process.stdin.write(f"{phone_number_id}\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["phone_number_id"] == phone_number_id
    rest, errors = process.communicate("\n".join(api.ids[3:]), timeout=PATIENCE)
    assert process.returncode == 1
    assert {line["phone_number_id"] for line in documents(rest)} == set(api.ids[3:])
    assert "306 lookups in" in errors


def test_the_first_id_is_asked_for_once_and_its_answer_kept(tmp_path: Path) -> None:
    with emulator(30, record=True) as api:
        ids = [api.ids[0], *api.ids]
        ended = fetch(
            written(tmp_path / "ids.txt", ids), "-o", tmp_path / "out.jsonl", "--rate", "500", api=api
        )
        assert ended.code == 0
        assert sorted(api.asked()) == sorted(api.ids)
        lines = documents((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
        assert [line["phone_number_id"] for line in lines] == ids


def test_a_refused_key_and_an_absent_server_are_reported_at_once(api: Api, ids: Path, tmp_path: Path) -> None:
    refused = fetch(ids, "-o", tmp_path / "out.csv", api=api, ELEVENLABS_API_KEY="sk_a_wrong_key_of_length")
    assert refused.code == 3
    assert "--api-key-file" in refused.errors
    absent = fetch(ids, "-o", tmp_path / "out.csv", api=api, ELEVENLABS_BASE_URL="http://127.0.0.1:1")
    assert absent.code == 7
    assert "--base-url" in absent.errors
    assert "elevenphone doctor" in absent.errors
    assert list(tmp_path.iterdir()) == [ids]
    assert KEY not in refused.errors + absent.errors


def test_a_used_up_quota_has_its_own_code_and_words(tmp_path: Path) -> None:
    with emulator(quota=0) as api:
        ended = fetch(written(tmp_path / "ids.txt", api.ids), "-o", tmp_path / "out.csv", api=api)
    assert ended.code == 6
    assert "no retry helps" in ended.errors


@pytest.mark.parametrize(("source", "is_piped"), [("ids.txt", False), ("-", True)])
def test_the_command_to_go_on_asks_for_the_same_ids_where_they_were_piped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, is_piped: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    with emulator(quota=5) as api:
        given = "\n".join(api.ids)
        Path("ids.txt").write_text(given, encoding="utf-8")
        arguments = ("fetch", source, "-o", "out.jsonl", "--summary-json", "-")
        ended = run(*arguments, given=given, **api.variables)
    assert ended.code == 6
    assert f"elevenphone {' '.join(arguments)} --resume" in ended.errors
    assert ("(with the same ids)" in ended.errors) == is_piped


def test_an_empty_id_is_named_by_its_row(api: Api) -> None:
    table = f"phone_number_id,x\n{api.ids[0]},1\n,2\n,3\n"
    ended = fetch("-", "-o", "-", given=table, api=api)
    assert ended.code == 5
    assert "row 2 and 1 more: empty id." in ended.errors


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_summary_and_explanations_fit_the_terminal(api: Api, ids: Path, tmp_path: Path, columns: int) -> None:
    output = tmp_path / "o.csv"
    ended = run_shown("fetch", ids, "-o", output, columns=columns, variables=api.variables)
    assert ended.code == 1
    shown = ended.errors.rpartition("\x1b[J")[2]
    assert "306 lookups in" in shown
    lines = [line for line in shown.splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= columns
    # Broken at words: nothing of an explanation is lost or split.
    assert "Phone number with id" in " ".join(shown.split())


def test_a_bar_on_a_terminal(api: Api, ids: Path, tmp_path: Path) -> None:
    ended = run_on_terminal(
        *("fetch", ids, "-o", tmp_path / "out.csv", "--rate", "200"), variables=api.variables, columns=80
    )
    assert ended.code == 1
    assert "━" in ended.output
    assert "306 lookups in" in ended.output


def test_without_ids_the_output_is_empty(api: Api, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    ended = fetch(os.devnull, "-o", output, api=api)
    assert (ended.code, output.read_bytes()) == (0, b"")
    assert ended.errors == f"There are no ids in '{os.devnull}'.\nWritten to {output}\n"


def test_a_closed_pipe_ends_the_command_without_a_message(api: Api, ids: Path) -> None:
    process = subprocess.Popen(  # noqa: S603 - this interpreter
        command("fetch", ids, "-o", "-", "--quiet"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**api.variables),
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as stream:
        assert stream.read() == b""
    assert process.wait(PATIENCE) == 141


def test_a_summary_as_json_says_how_the_run_ended(api: Api, tmp_path: Path) -> None:
    known = [each for each in api.ids if each not in api.emulator.unknown_ids][:5]
    ids = written(tmp_path / "ids.txt", [*known, api.unknown_id, ".."])
    summary = tmp_path / "summary.json"

    def read(*more: str, **variables: str) -> dict[str, object]:
        arguments = (ids, "-o", tmp_path / "out.csv", "--summary-json", summary, "-q", *more)
        code = fetch(*arguments, api=api, **variables).code
        document: dict[str, object] = json.loads(summary.read_text())
        assert document["exit_code"] == code
        return document

    first = read()
    assert (first["ended"], first["exit_code"]) == ("complete", 5)
    assert [first[name] for name in ("done", "found", "not_found", "failed")] == [7, 5, 1, 1]
    assert first["errors"] == {"not_found": 1, "invalid_phone_number_id": 1}
    providers = {api.emulator.number(each).provider for each in known}
    assert providers == set(msgspec.convert(first["providers"], dict[str, int]))
    assert read()["ended"] == "refused"
    assert read("-o", str(tmp_path / "absent" / "out.csv"))["ended"] == "output_failed"
    again = read("--resume")
    assert [again[name] for name in ("ended", "done", "before", "found", "requests")] == [
        "complete",
        7,
        7,
        5,
        0,
    ]
    assert not {"errors", "providers", "without_agent"} & again.keys()
    assert read("--force", ELEVENLABS_API_KEY="sk_a_wrong_key_of_length")["ended"] == "key_refused"
    assert read("--force", ELEVENLABS_BASE_URL="http://127.0.0.1:1")["ended"] == "server_away"
    shown = fetch(ids, "-o", "-", "--summary-json", "-", "-q", api=api)
    assert json.loads(shown.errors)["found"] == 5
