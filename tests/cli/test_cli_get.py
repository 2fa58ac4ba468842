from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import KEY, Running, environment, run, run_on_terminal

from elevenphone import decode


def test_numbers_are_lines_of_json_in_input_order(api: Running) -> None:
    ids = api.ids[:5]
    ended = run("get", *ids, **api.variables)
    assert ended.code == 0
    lines = ended.output.splitlines()
    documents = [json.loads(line) for line in lines]
    assert [document["index"] for document in documents] == list(range(5))
    assert {document["status"] for document in documents} == {"found"}
    numbers = [decode(json.dumps(document["number"]).encode()) for document in documents]
    assert [number.phone_number_id for number in numbers] == ids
    assert ended.errors == ""


def test_every_input_has_a_line(api: Running) -> None:
    given = f"\ufeff{api.ids[0]}\n\n  {api.unknown_id}\r\n{api.ids[1]}\n{api.ids[0]}"
    ended = run("get", "-", given=given, **api.variables)
    assert ended.code == 1
    documents = [json.loads(line) for line in ended.output.splitlines()]
    assert [document["phone_number_id"] for document in documents] == [
        api.ids[0],
        api.unknown_id,
        api.ids[1],
        api.ids[0],
    ]
    error = documents[1]["error"]
    assert (error["kind"], error["http_status"], error["code"]) == (
        "not_found",
        404,
        "phone_number_not_found",
    )
    assert api.unknown_id in error["message"]
    assert api.unknown_id in ended.errors
    assert "--region" in ended.errors


def test_no_ids_is_nothing_to_do(api: Running) -> None:
    ended = run("get", "-", **api.variables)
    assert ended == (0, "", "")


@pytest.mark.parametrize(
    ("given", "shown"), [(b"..\n", ".."), (b"a\xff\n", "a\\udcff"), (b"a\x1b[31m\n", "a\x1b[31m")]
)
def test_a_bad_id_is_wrong_usage(api: Running, given: bytes, shown: str) -> None:
    for more in (b"", f"{api.ids[0]}\n".encode()):
        ended = run("get", "-", given=given + more, **api.variables)
        assert ended.code == 2
        document = json.loads(ended.output.splitlines()[0])
        assert document["phone_number_id"] == shown
        assert document["error"]["kind"] == "invalid_phone_number_id"
        assert "\x1b" not in ended.output + ended.errors
        assert "Traceback" not in ended.errors


def test_a_refused_key(api: Running) -> None:
    ended = run(
        "get", *api.ids[:3], **{**api.variables, "ELEVENLABS_API_KEY": "sk_a_wrong_key_of_some_length"}
    )
    assert ended.code == 3
    assert len(ended.output.splitlines()) == 3
    assert "and 2 more" in ended.errors
    assert "--api-key-file" in ended.errors
    assert "sk_a_wrong" not in ended.output + ended.errors


def test_a_key_from_a_file(api: Running, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    variables = {"ELEVENLABS_BASE_URL": api.variables["ELEVENLABS_BASE_URL"], "ELEVENLABS_API_KEY": "wrong"}
    ended = run("get", "--api-key-file", str(file), api.ids[0], **variables)
    assert (ended.code, ended.errors) == (0, "")
    assert KEY not in ended.output


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot read"),
        (b" \n", "empty"),
        (b"sk_one\nsk_two\n", "not an API key"),
        (b"\xff\xfe", "not an"),
    ],
)
def test_an_unusable_key_file(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    ended = run("get", "--api-key-file", str(file), "phnum_1")
    assert ended.code == 2
    assert complaint in ended.errors
    assert "sk_one" not in ended.errors


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "Missing argument"),
        (("-", "phnum_1"), "standard input"),
        (("--region", "mars", "phnum_1"), "mars"),
        (("--region", "eu", "--base-url", "https://example.com", "phnum_1"), "--base-url"),
        (("--base-url", "http://example.com", "phnum_1"), "https"),
        (("--timeout", "0", "phnum_1"), "timeout"),
        (("--deadline", "nan", "phnum_1", "phnum_2"), "deadline"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], complaint: str) -> None:
    ended = run("get", *arguments, ELEVENLABS_API_KEY=KEY)
    assert ended.code == 2
    assert complaint in ended.errors
    assert "Traceback" not in ended.errors
    assert KEY not in ended.errors


def test_no_key_says_where_to_put_it() -> None:
    ended = run("get", "phnum_1")
    assert ended.code == 2
    assert "ELEVENLABS_API_KEY" in ended.errors
    assert "elevenphone demo" in ended.errors


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    ended = run("get", "--base-url", "http://127.0.0.1:1", "phnum_1", ELEVENLABS_API_KEY=KEY)
    assert ended.code == 1
    assert json.loads(ended.output)["error"]["kind"] == "connection_failed"
    assert "--base-url" in ended.errors


def test_a_full_disk_is_told(api: Running) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("has no /dev/full")
    with full.open("wb") as output:
        ended = subprocess.run(  # noqa: S603 - this interpreter
            [sys.executable, "-m", "elevenphone", "get", api.ids[0]],
            stdout=output,
            stderr=subprocess.PIPE,
            env=environment(**api.variables),
            check=False,
        )
    assert ended.returncode == 4
    assert ended.stderr.startswith(b"elevenphone: cannot write")
    assert ended.stderr.count(b"\n") == 1


def test_a_reader_that_goes_away_is_left_in_peace(api: Running) -> None:
    process = subprocess.Popen(  # noqa: S603 - this interpreter
        [sys.executable, "-m", "elevenphone", "get", *api.ids[:3]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**api.variables),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as stream:
        errors = stream.read()
    assert (process.wait(), errors) == (141, b"")


def test_one_number_is_a_card_on_a_terminal(api: Running) -> None:
    ended = run_on_terminal("get", api.ids[0], variables=api.variables)
    assert ended.code == 0
    assert api.ids[0] in ended.output
    assert "Provider" in ended.output
    assert "{" not in ended.output


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_several_are_a_table_that_fits_the_terminal(api: Running, columns: int) -> None:
    ended = run_on_terminal("get", *api.ids[:3], api.unknown_id, columns=columns, variables=api.variables)
    assert ended.code == 1
    rows = ended.output.splitlines()
    for phone_number_id in (*api.ids[:3], api.unknown_id):
        assert any(row.startswith(phone_number_id) for row in rows)
    assert "not found" in ended.output


def test_json_on_a_terminal_where_asked_for(api: Running) -> None:
    ended = run_on_terminal("get", "--json", api.ids[0], variables=api.variables)
    assert json.loads(ended.output)["phone_number_id"] == api.ids[0]
