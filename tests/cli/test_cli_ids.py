"""Lists of ids: the forms that are read, those that are refused, and what is no id."""

from __future__ import annotations

import csv
import gzip
import io
import os
from pathlib import Path

import pytest
from cli_helpers import KEY, run
from hypothesis import given
from hypothesis import strategies as st

from elevenphone.cli.errors import Refusal
from elevenphone.cli.formats.ids import IdSource

IDS = ["phnum_1", "", "phnum_2"]


def read(path: Path, column: str | None = None) -> list[str]:
    return list(IdSource(path, None, column).ids())


def piped(content: bytes, column: str | None = None) -> list[str]:
    reading, writing = os.pipe()
    try:
        os.write(writing, content)
        os.close(writing)
        return list(IdSource(None, reading, column).ids())
    finally:
        os.close(reading)


def piped_in(pieces: list[bytes]) -> list[str]:
    """Read a pipe that has one more piece at each read."""
    reading, writing = os.pipe()
    waiting = iter(pieces)

    def before_read() -> None:
        if piece := next(waiting, None):
            os.write(writing, piece)
        else:
            os.close(writing)

    try:
        return list(IdSource(None, reading, None).ids(before_read))
    finally:
        os.close(reading)


@pytest.mark.parametrize("content", [b'[{"id": "phnum_1"}]', b'{"id": "phnum_1"}\n'])
def test_objects_without_the_column_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ids.json").write_bytes(content)
    with pytest.raises(Refusal, match="no column 'phone_number_id', but 'id': give --column"):
        read(tmp_path / "ids.json")


@pytest.mark.parametrize(
    "content", [gzip.compress(b"phnum_1\n", mtime=0), b"\xef\xbb\xbfphnum_1\n"], ids=["gzip", "BOM"]
)
def test_a_form_is_recognized_though_the_first_read_is_one_byte(content: bytes) -> None:
    assert piped_in([content[:1], content[1:]]) == ["phnum_1"]


def test_a_field_of_a_table_may_be_long(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text(f'raw,phone_number_id\n"{"x" * 200_000}",phnum_1\n')
    assert read(tmp_path / "out.csv") == ["phnum_1"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ids.csv", b"x,phone_number_id\n1,phnum_1\n2,\n3,phnum_2\n"),
        ("ids.csv", b"\xef\xbb\xbfphone_number_id;x\r\nphnum_1;\xc3\xbc\r\n;\r\n\r\nphnum_2\r\n"),
        ("ids.tsv", b"x\tphone_number_id\n1\tphnum_1\n2\t\n3\tphnum_2"),
        ("ids.txt", b'index,phone_number_id\n0,"phnum_1"\n1,\n2,phnum_2\n'),
        ("ids.json", b'["phnum_1", "", "phnum_2"]'),
        (
            "ids.json",
            b'\n[{"phone_number_id": "phnum_1", "x": [1]},\n{"x": 1}, {"phone_number_id": "phnum_2"}]',
        ),
        ("ids.txt", b'[\n"phnum_1",\nnull,\n"phnum_2"]'),
        ("ids.jsonl", b'{"phone_number_id":"phnum_1"}\n\n{"x":{}}\r\n{"phone_number_id":"phnum_2"}'),
        (
            "ids.txt",
            b'{"phone_number_id":"phnum_1"}\n{"phone_number_id":null}\n{"phone_number_id":"phnum_2"}\n',
        ),
    ],
)
def test_tables_are_recognized_by_ending_or_beginning(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert read(path) == IDS
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(content[:20]) + gzip.compress(content[20:]))
    assert read(packed) == IDS
    (tmp_path / "unnamed").write_bytes(gzip.compress(content))
    assert read(tmp_path / "unnamed") == IDS
    assert piped(content) == IDS
    assert piped(gzip.compress(content)) == IDS


@pytest.mark.parametrize(
    ("content", "column"),
    [
        (b'name,phone id\n"a ""b""\nc,", phnum_1 \n,""\n,phnum_2', "phone id"),
        (b"id|x\nphnum_1|1\n|2\nphnum_2|3", "id"),
        (b'{"id":"phnum_1"}\n{"id":""}\n{"id":"phnum_2"}', "id"),
        (b'[{"id":"phnum_1"},{"id":null},{"id":"phnum_2"}]', "id"),
    ],
)
def test_a_column_of_another_name(content: bytes, column: str) -> None:
    assert piped(content, column) == IDS


def test_text_is_one_id_a_line() -> None:
    assert piped(b"\xef\xbb\xbfphnum_1\n\n  phnum_2\r\nphnum_1") == ["phnum_1", "phnum_2", "phnum_1"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ids.txt", b"phnum_1\rphnum_2\r"),
        ("ids.txt", b"\xef\xbb\xbf\rphnum_1\r\rphnum_2"),
        ("ids.csv", b'x;phone_number_id\r"a;\rb";phnum_1\r2;phnum_2\r'),
        ("ids.jsonl", b'{"phone_number_id":"phnum_1"}\r{"phone_number_id":"phnum_2"}'),
    ],
)
def test_lines_may_end_in_carriage_returns_alone(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert read(tmp_path / name) == ["phnum_1", "phnum_2"]
    assert piped(content) == ["phnum_1", "phnum_2"]
    assert piped(gzip.compress(content)) == ["phnum_1", "phnum_2"]


def test_a_list_with_carriage_returns_alone_may_be_long(tmp_path: Path) -> None:
    ids = [f"phnum_{number}" for number in range(20_000)]
    (tmp_path / "ids.txt").write_text("\r".join(ids), newline="")
    assert read(tmp_path / "ids.txt") == ids


def test_a_carriage_return_within_a_field_stays_if_lines_end_in_line_feeds(tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_bytes(b'"a\rb",phone_number_id\n1,"phnum_1\r2"\n')
    assert read(tmp_path / "ids.csv") == ["phnum_1\r2"]


@pytest.mark.parametrize("pieces", [[b"phnum_1\r", b"\nphnum_2"], [b"phnum_1", b"\rphnum_2\r"]])
def test_line_ends_are_recognized_though_a_read_ends_within_one(pieces: list[bytes]) -> None:
    assert piped_in(pieces) == ["phnum_1", "phnum_2"]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("ids.csv", b"a,b\n1,2\n", "no column 'phone_number_id', but 'a', 'b': give --column"),
        ("ids.csv", b"a,b,c,d,e,f,g,h,i,j,k\n", "'i', 'j' and 1 more: give --column"),
        ("ids.tsv", b"a\tb\n", "but 'a', 'b': give --column"),
        ("ids.jsonl", b'{"phone_number_id":"a"}\n{"phone_number_id":7}\n', "line 2"),
        ("ids.jsonl", b'{"phone_number_id":"a"}\n{\n', "line 2"),
        ("ids.json", b'["a", 7]', "not a JSON array of ids"),
        ("ids.json", b'["a"', "not a JSON array of ids"),
        ("ids.txt", b"\xff\xfea\0", "UTF-16"),
        ("ids.xlsx", b"PK\x03\x04abc", "spreadsheet: save it as CSV"),
        ("ids.bin", b"\x7fELF\x02\x01\x01\0", "it is a binary file"),
        ("ids.gz", gzip.compress(b"phnum_1\n" * 99, mtime=0)[:-9], "its gzip is cut short"),
        ("ids.gz", gzip.compress(b"phnum_1\n", mtime=0) + b"junk", "its gzip is damaged"),
        ("ids.gz", gzip.compress(b"a\0b", mtime=0), "it is a binary file"),
        ("absent.txt", None, "No such file"),
        (".", None, "directory"),
    ],
)
def test_ids_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, complaint: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Refusal, match=complaint):
        IdSource(path, None, None).survey()


def test_unreadable_ids_end_the_command_before_anything_is_sent(tmp_path: Path) -> None:
    ended = run("fetch", "absent.txt", "-o", tmp_path / "out.csv", ELEVENLABS_API_KEY=KEY)
    assert (ended.code, ended.output, ended.errors.count("\n")) == (2, "", 1)
    assert "absent.txt" in ended.errors
    assert list(tmp_path.iterdir()) == []


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8), max_size=30
    )
)
def test_ids_of_a_csv_are_those_that_were_written(
    tmp_path_factory: pytest.TempPathFactory, values: list[str]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "ids.csv"
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerows([["x", "phone_number_id"], *(["-", value] for value in values)])
    path.write_bytes(text.getvalue().encode())
    assert read(path) == [value.strip() for value in values]


USUAL = "phnum_01jxaeyg3feh3tmx39d4ky63rd"


def test_a_dry_run_checks_ids_without_a_key() -> None:
    ended = run("fetch", "-", "--dry-run", given=f"{USUAL}\n..\n{USUAL}\nOhQB1UPPClNjPRypfIrz\n" + "x" * 300)
    assert (ended.code, ended.output) == (2, "5 ids in standard input, 1 of them repeated\n")
    assert [line.split(":")[1] for line in ended.errors.splitlines()] == [" id 2", " id 5"]
    assert run("fetch", "-", "--dry-run", given=f"{USUAL}\n") == (0, "1 id in standard input\n", "")


def test_a_dry_run_warns_of_what_does_not_look_like_an_id() -> None:
    odd = ["# comment", '"quoted"', "foo bar", "id", f"{USUAL};"]
    ended = run("fetch", "-", "--dry-run", given="\n".join([USUAL, *odd]))
    assert ended.code == 0
    assert [line.partition(": id ")[2] for line in ended.errors.splitlines()] == [
        f"{number}: {each!r} does not look like an id" for number, each in enumerate(odd, 2)
    ]


def test_a_dry_run_refuses_what_fetch_would_not_send() -> None:
    ended = run("fetch", "-", "--dry-run", given="phone_number_id\n+15551234567\n\n,\n")
    assert ended.code == 2
    assert "id 1: '+15551234567' is a telephone number, not an id" in ended.errors
    assert "row 2: empty id" in ended.errors
    many = run("fetch", "-", "--dry-run", given="..\n" * 25)
    assert many.errors.splitlines()[10:] == ["elevenphone: and 15 more"]
