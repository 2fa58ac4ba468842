"""The journal of `fetch`: what it keeps, what it notices, whom it refuses."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from elevenphone import (
    ElevenPhoneError,
    Failed,
    Found,
    Lookup,
    OtherPhoneNumber,
    RequestTimeoutError,
    ServerError,
    decode,
    errors,
)
from elevenphone.cli.errors import OutputError, Refusal, may_pass
from elevenphone.cli.fetch.journal import Header, Journal
from elevenphone.cli.fetch.journal_file import JournalFile
from elevenphone.cli.formats.lines import decode_line, encode_line
from elevenphone.emulator import Emulator

EMULATOR = Emulator(numbers=60)
KEY = "sk_a_key_of_some_length"
HEADER = Header("https://api.example", KEY, 60, "digest")
OTHER = decode(b'{"provider":"new","phone_number":"+1","label":"\xc2\x9b",\n"phone_number_id":"p","x":1}')
ERRORS = [
    each
    for each in vars(errors).values()
    if isinstance(each, type)
    and issubclass(each, ElevenPhoneError)
    and each is not errors.FaultyElementError  # a listing's, never a lookup's
]


def found(index: int) -> Found:
    phone_number_id = EMULATOR.ids[index]
    return Found(index, phone_number_id, 1, 0.25, EMULATOR.number(phone_number_id))


def late(index: int) -> Failed:
    return Failed(index, EMULATOR.ids[index], 3, 0.5, RequestTimeoutError("late"))


def opened(path: Path, *, start_over: bool = False) -> Journal:
    return Journal(path, path.with_name("out"), start_over=start_over)


def keep(path: Path, *lookups: Lookup, header: Header = HEADER) -> list[Lookup]:
    """Open a journal, return what stands in it, and add to it."""
    with closing(opened(path)) as journal:
        standing = list(journal.resume(header)) if journal.has_answers else []
        if not journal.has_answers:
            journal.begin(header)
        before = journal.kept
        assert before == len(standing)
        if lookups:
            journal.keep(list(lookups))
        assert journal.kept == before + sum(not may_pass(lookup) for lookup in lookups)
    return standing


@pytest.mark.parametrize("lookup", [*(found(index) for index in range(60)), Found(0, "p", 1, 0.0, OTHER)])
def test_a_line_is_the_lookup(lookup: Found) -> None:
    line = encode_line(lookup)
    assert line.count(b"\n") == 1
    again = decode_line(line)
    if isinstance(lookup.number, OtherPhoneNumber):
        assert isinstance(again, Found)
        assert again.number.phone_number == lookup.number.phone_number
    else:
        assert again == lookup


@pytest.mark.parametrize("kind", ERRORS)
def test_a_line_has_every_error(kind: type[ElevenPhoneError]) -> None:
    error = kind(429, "code", "gone", "req") if issubclass(kind, errors.StatusError) else kind("gone")
    again = decode_line(encode_line(Failed(3, "a\udcff", 2, 0.1, error)))
    assert isinstance(again, Failed)
    assert (type(again.error), again.index, again.phone_number_id) == (kind, 3, "a\\udcff")
    assert "gone" in str(again.error)


@pytest.mark.parametrize("line", [b"", b"{}", b"\0\0\n", b"\xff", b'{"index":0,"phone_number_id":"p"'])
def test_other_lines_are_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a line"):
        decode_line(line)


PASSING = {
    *("TransportError", "ConnectionFailedError", "RequestTimeoutError", "ProtocolError"),
    *("ResponseTooLargeError", "DeadlineExceededError", "AuthenticationError", "PermissionDeniedError"),
    *("RateLimitError", "ServerError", "ConfigurationError"),
}
STATUSES = {"ServerError": 503, "NotFoundError": 404, "UnprocessableEntityError": 422}


@pytest.mark.parametrize("kind", ERRORS)
def test_which_failures_may_pass(kind: type[ElevenPhoneError]) -> None:
    error = kind(STATUSES.get(kind.__name__, 400)) if issubclass(kind, errors.StatusError) else kind("x")
    assert may_pass(Failed(0, "p", 1, 0.1, error)) == (kind.__name__ in PASSING)


def test_which_lookups_are_asked_for_again() -> None:
    assert not may_pass(Failed(0, "p", 1, 0.1, ServerError(501)))
    assert not may_pass(found(0))


def test_a_failure_that_may_pass_does_not_stand_and_the_last_answer_counts(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    assert keep(path, late(0), found(2), late(1)) == []
    assert keep(path, found(1)) == [found(2)]
    assert keep(path, found(0)) == [found(1), found(2)]
    with closing(opened(path)) as journal:
        assert [decode_line(line) for line in journal.in_order(3)] == [found(0), found(1), found(2)]
        with pytest.raises(Refusal, match="lacks the answer to id 4"):
            list(journal.in_order(4))
        with pytest.raises(Refusal, match="fewer ids"):
            list(journal.in_order(2))
    assert [each.name for each in tmp_path.iterdir()] == ["journal"]


@pytest.mark.parametrize("column", ["lines", "positions", "text", "position", "may_pass", "checksum"])
def test_a_changed_row_is_noticed_and_asked_for_again(tmp_path: Path, column: str) -> None:
    path = tmp_path / "journal"
    for index in range(3):  # a row for each
        keep(path, found(index))
    changes = {
        "lines": "lines = CAST(replace(CAST(lines AS TEXT), '\"found\"', '\"fount\"') AS BLOB)",
        "positions": "positions = x'0200000000000000'",
        "text": "lines = CAST(lines AS TEXT)",
        "position": "position = 9",
        "may_pass": "may_pass = 1",
        "checksum": "checksum = checksum + 1",
    }
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"UPDATE answers SET {changes[column]} WHERE position = 1")  # noqa: S608 - as above
    with closing(opened(path)) as journal:
        assert list(journal.resume(HEADER)) == [found(0), found(2)]
        assert journal.damaged == 1
        assert [journal.has(index, EMULATOR.ids[index]) for index in range(3)] == [True, False, True]
        with pytest.raises(Refusal, match="lacks the answer to id 2"):
            list(journal.in_order(3))
    assert keep(path, found(1)) == [found(0), found(2)]
    with closing(opened(path)) as journal:
        assert list(journal.resume(HEADER)) == [found(0), found(1), found(2)]
        assert journal.damaged == 0


def test_answers_that_come_in_any_order_go_out_in_that_of_the_input(tmp_path: Path) -> None:
    positions = list(range(1_200))
    Random(3).shuffle(positions)
    asked = found(0)
    with closing(opened(tmp_path / "journal")) as journal:
        journal.begin(HEADER)
        for place in range(0, 1_200, 70):
            journal.keep([replace(asked, index=position) for position in positions[place : place + 70]])
        for start in (0, 499, 500, 1_199, 1_200):
            lookups = [decode_line(line) for line in journal.in_order(1_200, start)]
            assert lookups == [replace(asked, index=position) for position in range(start, 1_200)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A journal of sixty answers, and its bytes."""
    path = tmp_path_factory.mktemp("written") / "journal"
    keep(path, *(found(index) for index in range(60)))
    return path, path.read_bytes()


@given(offset=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_no_flipped_bit_makes_another_answer(written: tuple[Path, bytes], offset: int, bit: int) -> None:
    path, whole = written
    content = bytearray(whole)
    content[offset % len(content)] ^= 1 << bit
    path.write_bytes(content)
    try:
        standing = keep(path)
    except (Refusal, OutputError):
        return
    assert all(lookup == found(lookup.index) for lookup in standing)


@given(cut=st.integers(0, 10**6), junk=st.binary(max_size=200))
def test_a_file_that_was_cut_is_resumed_or_refused_and_can_be_started_over(
    written: tuple[Path, bytes], cut: int, junk: bytes
) -> None:
    path, whole = written
    path.write_bytes(whole[: cut % len(whole)] + junk)
    try:
        standing = keep(path)
    except Refusal as refusal:
        assert "--force" in str(refusal) or "move it away" in str(refusal)  # noqa: PT017 - either is fine
    else:
        assert all(lookup == found(lookup.index) for lookup in standing)
    if path.read_bytes()[:100] == whole[:100]:
        with closing(opened(path, start_over=True)) as journal:
            journal.begin(HEADER)
            assert path.stat().st_size < len(whole)


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (Header("https://other.example", KEY, 60, "digest"), "other.example"),
        (Header("https://api.example", KEY, 61, "digest2"), "60 ids"),
    ],
)
def test_another_run_is_refused(tmp_path: Path, header: Header, complaint: str) -> None:
    keep(tmp_path / "journal", found(0))
    with pytest.raises(Refusal, match=complaint):
        keep(tmp_path / "journal", header=header)
    assert keep(tmp_path / "journal", header=Header("https://api.example", KEY, None, None)) == [found(0)]


def test_files_of_the_run_may_be_replaced_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with closing(opened(path)) as journal:
        journal.begin(HEADER, may_replace=[tmp_path / "out\nof two lines\udcff.csv"])
        journal.note_made(tmp_path / "folder" / "failed.jsonl")
    moved = tmp_path / "moved"
    moved.mkdir()
    with closing(opened(path.rename(moved / "journal"))) as journal:
        assert journal.may_replace(moved / "out\nof two lines\udcff.csv")
        assert journal.may_replace(moved / "folder" / "failed.jsonl")
        assert not journal.may_replace(moved / "failed.jsonl")


def test_another_key_is_noticed_and_none_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    keep(path, found(0))
    with closing(opened(path)) as journal:
        assert journal.has_key(KEY)
        assert not journal.has_key("sk_another_key_of_some_length")
    assert KEY.encode() not in path.read_bytes()


def test_another_id_at_an_answered_place_is_refused(tmp_path: Path) -> None:
    keep(tmp_path / "journal", found(1))
    with closing(opened(tmp_path / "journal")) as journal:
        list(journal.resume(HEADER))
        assert [journal.has(index, EMULATOR.ids[index]) for index in (0, 1, 2)] == [False, True, False]
        assert not journal.has(9_999, "p")
        with pytest.raises(Refusal, match="id 2 is now 'phnum_other'"):
            journal.has(1, "phnum_other")


def test_a_second_run_is_refused_until_the_first_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with closing(opened(path)) as journal:
        journal.begin(HEADER)
        journal.keep([found(0)])
        for start_over in (False, True):
            with pytest.raises(OutputError, match="another run of elevenphone writes it"):
                opened(path, start_over=start_over)
    assert keep(path) == [found(0)]


def test_a_journal_that_was_left_before_it_was_begun_is_begun(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    opened(path).close()
    assert path.stat().st_size
    with closing(opened(path)) as journal:
        assert not journal.has_answers
    assert keep(path, found(0)) == []
    assert keep(path) == [found(0)]


@pytest.mark.skipif(os.name != "posix", reason="only there it is deleted while it is open")
def test_a_run_that_is_killed_while_its_journal_goes_leaves_no_file_of_it(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "journal", tmp_path / "out.csv", replace_damaged=False)
    with closing(file.connection):
        file.begin(*"123456")
        file.is_spent = True
        file.connection = sqlite3.connect(":memory:")
        file.close()
        assert not list(tmp_path.iterdir())


def test_a_finished_journal_goes_and_one_of_a_private_output_is_private(tmp_path: Path) -> None:
    (tmp_path / "out").touch(0o600)
    with closing(opened(tmp_path / "journal")) as journal:
        journal.begin(HEADER)
        assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o600
        journal.remove()
    assert [each.name for each in tmp_path.iterdir()] == ["out"]
