"""Ids that cannot be read, or cannot be ids."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_helpers import KEY, run

from elevenphone.cli._exit_codes import Refusal
from elevenphone.cli._ids import IdSource


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("ids.csv", b"a,b\n1,2\n", "no column 'phone_number_id', but 'a', 'b': give --column"),
        ("ids.csv", b"a,b,c,d,e,f,g,h,i,j,k\n", "'i', 'j' and 1 more: give --column"),
        ("ids.jsonl", b'{"phone_number_id":"a"}\n{"phone_number_id":7}\n', "line 2"),
        ("ids.jsonl", b'{"phone_number_id":"a"}\n{\n', "line 2"),
        ("ids.txt", b"\xff\xfea\0", "UTF-16"),
        ("ids.parquet", b"PAR1", "cannot read the ids"),
        ("absent.txt", None, "No such file"),
        (".", None, "directory"),
    ],
)
def test_ids_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, complaint: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Refusal, match=complaint):
        IdSource(path, None).survey()


def test_unreadable_ids_end_the_command_before_anything_is_sent(tmp_path: Path) -> None:
    ended = run("fetch", "absent.txt", "-o", str(tmp_path / "out.csv"), ELEVENLABS_API_KEY=KEY)
    assert (ended.code, ended.output, ended.errors.count("\n")) == (2, "", 1)
    assert "absent.txt" in ended.errors
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_checks_ids_without_a_key() -> None:
    ended = run("fetch", "-", "--dry-run", given="phnum_1\n..\nphnum_1\na b\n" + "x" * 300)
    assert (ended.code, ended.output) == (2, "5 ids in standard input, 1 of them repeated\n")
    assert [line.split(":")[1] for line in ended.errors.splitlines()] == [" id 2", " id 5"]
    assert run("fetch", "-", "--dry-run", given="a\nb\n") == (0, "2 ids in standard input\n", "")
