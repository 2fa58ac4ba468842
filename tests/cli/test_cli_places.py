"""Files that `fetch` refuses to touch, and what it says about them."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

import pytest
from cli_helpers import Api, run, run_process

from elevenphone.cli.errors import OutputError
from elevenphone.cli.fetch.journal import Header, Journal


@pytest.fixture(autouse=True)
def folder(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ids.txt").write_text(api.unknown_id)
    (tmp_path / "there.csv").write_text("kept")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("ids.txt",), 2, "--output"),
        (("ids.txt", "-o", "out"), 2, "--format"),
        (("ids.txt", "-o", "-", "--resume"), 2, "stream"),
        (("ids.txt", "-o", "out.csv", "--resume", "--force"), 2, "one of them"),
        (("ids.txt", "-o", "ids.txt", "--format", "csv", "--force"), 2, "IDS and OUT are the same file"),
        (("ids.txt", "-o", "out.csv", "--failures", "./out.csv"), 2, "OUT and --failures are the same file"),
        (("ids.txt", "-o", "out.csv", "--failures", "out.csv.journal", "--force"), 2, "its journal"),
        (("ids.txt", "-o", "out.csv", "--summary-json", "out.csv.journal-journal"), 2, "its journal's"),
        (("ids.txt", "-o", "out.csv", "--log-file", "ids.txt"), 2, "IDS and --log-file are the same file"),
        (("ids.txt", "-o", "out.csv", "--log-file", "out.csv.journal"), 2, "its journal and --log-file"),
        (("ids.txt", "-o", "there.csv", "--force", "--ca-file", "there.csv"), 2, "OUT and --ca-file"),
        (("out.csv.journal", "-o", "out.csv"), 2, "IDS and its journal are the same file"),
        (("ids.txt", "-o", "out.csv", "--concurrency", "none"), 2, "auto"),
        (("ids.txt", "-o", "out.csv", "--rate", "0"), 2, "rate"),
        (("ids.txt", "-o", "out.csv", "--proxy", "proxy.example:3128"), 2, "http://proxy.example:3128"),
        (("ids.txt", "-o", "out.csv", "--proxy", "http://[::1"), 2, "http://proxy.example:3128"),
        (("ids.txt", "-o", "out.csv", "--proxy", "http://proxy:65536"), 2, "http://proxy.example:3128"),
        (("ids.txt", "-o", "out.csv", "--ca-file", "there.csv"), 2, "cannot use --ca-file 'there.csv'"),
        (("ids.txt", "-o", "out.csv", "--log-file", "absent/log"), 4, "cannot write 'absent/log'"),
        (("ids.txt", "-o", "there.csv"), 2, "--force"),
        (("ids.txt", "-o", "there.csv", "--resume"), 2, "not a csv file that `fetch` wrote"),
        (("ids.txt", "-o", "out.csv", "--failures", "there.csv"), 2, "--force"),
        (("ids.txt", "-o", "absent/out.csv"), 4, "'absent/out.csv': there is no directory 'absent'"),
        (("ids.txt", "-o", "out.csv", "--failures", "absent/f"), 4, "there is no directory 'absent'"),
        (("ids.txt", "-o", "out.csv", "--summary-json", "absent/s"), 4, "there is no directory 'absent'"),
        (("ids.txt", "-o", ""), 2, "OUT is empty"),
        (("", "-o", "out.csv"), 2, "IDS is empty"),
        (("absent.txt", "-o", "out.csv"), 2, "elevenphone: cannot read the ids from 'absent.txt'"),
        (("absent\x1b[2J", "-o", "out.csv"), 2, r"'absent\x1b[2J'"),
        (("ids.txt", "-o", ".", "--format", "csv"), 4, "directory"),
        (("ids.txt", "-o", "/dev/full"), 4, "No space left"),
        (("ids.txt", "-o", "-", "--failures", "/dev/null"), 2, "is not a file"),
    ],
)
def test_a_refusal_is_explained_and_leaves_all_files_as_they_are(
    api: Api, folder: Path, arguments: tuple[str, ...], code: int, complaint: str
) -> None:
    if arguments[-1].startswith("/dev") and not Path(arguments[-1]).exists():
        pytest.skip(f"has no {arguments[-1]}")
    before = contents(folder)
    ended = run("fetch", *arguments, **api.variables)
    assert ended.code == code, ended.errors
    assert ended.errors.count(complaint) == 1
    assert ended.errors.count("cannot write") <= 1
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("out.csv.journal", b"my own file\n", "is not a journal of elevenphone: move it away"),
        (
            "out.csv.journal",
            b"SQLite format 3\0" + bytes(84),
            "is not a journal of elevenphone: move it away",
        ),
        ("out.csv.journal", b'{"journal":1,"server":"x"}\n', "by an older version of elevenphone: finish"),
        ("out.csv.journal-journal", b"my own file\n", "is not a file of elevenphone: move it away"),
        ("out.csv.journal-wal", b"", "is not a file of elevenphone: move it away"),
        ("out.csv.journal-shm", b"my own file\n", "is not a file of elevenphone: move it away"),
        ("out.csv.journal", "a pipe", "is not a journal of elevenphone: move it away"),
        ("out.csv.journal-journal", "a pipe", "is not a file of elevenphone: move it away"),
        ("out.db-wal", b"", "another program has 'out.db' open"),
        ("out.db-journal", b"my own file\n", "another program has 'out.db' open"),
    ],
)
@pytest.mark.parametrize("option", [(), ("--resume",), ("--force",)])
def test_files_of_others_beside_the_output_are_left_alone(
    api: Api, folder: Path, name: str, content: bytes | str, complaint: str, option: tuple[str, ...]
) -> None:
    if isinstance(content, str):
        os.mkfifo(folder / name)
    else:
        (folder / name).write_bytes(content)
    before = contents(folder)
    output = "out.db" if name.startswith("out.db") else "out.csv"
    ended = run("fetch", "ids.txt", "-o", output, *option, **api.variables)
    assert ended.code == 2
    assert complaint in ended.errors
    assert contents(folder) == before


def test_names_that_a_run_might_have_used_are_left_alone(api: Api, folder: Path) -> None:
    (folder / "out.csv.part").write_text("mine")
    (folder / "out.csv.journal.lock").write_text("mine")
    assert run("fetch", "ids.txt", "-o", "out.csv", **api.variables).code == 1
    assert (folder / "out.csv.part").read_text() == "mine"
    assert (folder / "out.csv.journal.lock").read_text() == "mine"
    assert sorted(contents(folder)) == [
        *("ids.txt", "out.csv", "out.csv.journal.lock", "out.csv.part", "there.csv")
    ]


def test_a_file_whose_name_is_too_long_is_named(api: Api, folder: Path) -> None:
    ended = run_process("fetch", "ids.txt", "-o", f"{'a' * 240}.csv", **api.variables)
    assert ended.code == 4
    assert "aaa.csv.journal" in ended.errors
    assert ended.errors.endswith("': File name too long\n")
    assert sorted(contents(folder)) == ["ids.txt", "there.csv"]


@pytest.mark.parametrize("name", ["out.csv", "failed.jsonl"])
def test_a_read_only_file_is_not_overwritten_even_with_force(
    api: Api, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / name).write_text("mine")

    def may(path: Path, mode: int) -> bool:
        return mode != os.W_OK or Path(path).name != name

    monkeypatch.setattr(os, "access", may)  # root may write everywhere
    before = contents(folder)
    arguments = ("fetch", "ids.txt", "-o", "out.csv", "--failures", "failed.jsonl", "--force")
    ended = run(*arguments, **api.variables)
    assert ended.code == 4
    assert f"cannot write '{name}': it is read-only" in ended.errors
    assert contents(folder) == before


def test_a_summary_goes_into_a_pipe_or_through_a_link(api: Api, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder / "summary.json")
    reader = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        for place in ("pipe", "link"):
            code = run(
                "fetch", "ids.txt", "-o", f"{place}.csv", "--summary-json", place, **api.variables
            ).code
            assert code == 1
        assert json.loads(os.read(reader, 10_000))["not_found"] == 1
    finally:
        os.close(reader)
    assert (folder / "pipe").is_fifo()
    assert (folder / "link").is_symlink()
    assert json.loads((folder / "summary.json").read_bytes())["not_found"] == 1


def test_a_summary_that_cannot_be_written_hides_no_other_error(api: Api, folder: Path) -> None:
    (folder / "full").symlink_to("/dev/full")
    ended = run("fetch", "ids.txt", "-o", "there.csv", "--summary-json", "full", **api.variables)
    assert ended.code == 2
    assert "'there.csv' exists" in ended.errors
    assert "cannot write 'full'" in ended.errors


@pytest.mark.parametrize("ending", ["csv", "db"])
def test_a_name_that_looks_like_an_address_is_a_name(api: Api, folder: Path, ending: str) -> None:
    name = f"file:out.{ending}"
    assert run("fetch", "ids.txt", "-o", name, **api.variables).code == 1
    assert sorted(contents(folder)) == [name, "ids.txt", "there.csv"]


def test_a_link_that_leads_to_itself_is_reported(api: Api, folder: Path) -> None:
    (folder / "loop.csv").symlink_to(folder / "loop.csv")
    for arguments, complaint in (
        (("loop.csv", "-o", "out.csv"), "Too many levels of symbolic links"),
        (("ids.txt", "-o", "loop.csv"), "loop.csv' has appeared in the meantime"),
        (("ids.txt", "-o", "out.csv", "--failures", "loop.csv"), "loop.csv' has appeared in the meantime"),
    ):
        ended = run("fetch", *arguments, **api.variables)
        assert ended.code == 2
        assert complaint in ended.errors


def test_an_output_that_was_made_before_the_failures_could_be_is_the_runs_own(
    api: Api, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("fetch", "ids.txt", "-o", "out.csv", "--failures", "failed.jsonl")
    mine = folder / "failed.jsonl"
    note_made = Journal.note_made

    def noted(journal: Journal, path: Path) -> None:
        note_made(journal, path)
        mine.write_text("mine")  # appears after the output, and before the file of failures

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "note_made", noted)
        assert "has appeared in the meantime" in run(*arguments, **api.variables).errors
    assert mine.read_text() == "mine"
    mine.unlink()
    assert run(*arguments, "--resume", **api.variables).code == 1
    assert sorted(contents(folder)) == ["failed.jsonl", "ids.txt", "out.csv", "there.csv"]


def test_an_output_that_was_made_just_before_the_run_ended_is_the_runs_own(
    api: Api, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(journal: Journal, path: Path) -> None:  # noqa: ARG001 - as the method
        raise OutputError(f"'{journal.path}'", "database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "note_made", fail)
        assert "disk is full" in run("fetch", "ids.txt", "-o", "out.csv", **api.variables).errors
    assert sorted(contents(folder)) == ["ids.txt", "out.csv", "out.csv.journal", "there.csv"]
    (folder / "out.csv").rename(folder / "moved.csv")
    (folder / "out.csv").write_text("mine")
    assert "not from the run" in run("fetch", "ids.txt", "-o", "out.csv", "--resume", **api.variables).errors
    (folder / "moved.csv").rename(folder / "out.csv")
    assert run("fetch", "ids.txt", "-o", "out.csv", "--resume", **api.variables).code == 1
    assert sorted(contents(folder)) == ["ids.txt", "out.csv", "there.csv"]


def test_a_run_with_force_that_was_killed_before_its_first_answer_still_overwrites(
    api: Api, folder: Path
) -> None:
    there = folder / "there.csv"
    header = Header(api.variables["ELEVENLABS_BASE_URL"], "key", None, None)
    with closing(Journal(folder / "there.csv.journal", there)) as journal:
        journal.begin(header, may_replace=[there])
    assert run("fetch", "ids.txt", "-o", "there.csv", "--resume", **api.variables).code == 1
    assert there.read_text().startswith("index,")


def test_force_overwrites_and_keeps_a_link_and_the_permissions(api: Api, folder: Path) -> None:
    output = folder / "out.jsonl"
    output.write_text("old")
    output.chmod(0o600)
    link = folder / "link.jsonl"
    link.symlink_to(output)
    assert run("fetch", "ids.txt", "-o", "link.jsonl", "--force", **api.variables).code == 1
    assert link.is_symlink()
    assert json.loads(output.read_text(encoding="utf-8"))["phone_number_id"] == api.unknown_id
    assert output.stat().st_mode & 0o777 == 0o600
