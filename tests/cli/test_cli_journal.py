"""The parts that `fetch` keeps its word with."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevenphone import (
    ElevenPhoneError,
    Failed,
    Found,
    Lookup,
    NotFoundError,
    OtherPhoneNumber,
    RequestTimeoutError,
    ServerError,
    decode,
    errors,
)
from elevenphone.cli._background import BackgroundIds, in_background
from elevenphone.cli._csv_rows import COLUMNS, CSVRows
from elevenphone.cli._exit_codes import OutputError, Refusal
from elevenphone.cli._ids import IdSource, Survey
from elevenphone.cli._journal import Header, Journal, may_pass
from elevenphone.cli._lines import decode_line, encode_line
from elevenphone.cli._lock import file_beside
from elevenphone.cli._output import LineWriter, whole_file
from elevenphone.emulator import Emulator

EMULATOR = Emulator(numbers=60)
HEADER = Header.of("https://api.example", Survey(60, "digest"))
OTHER = decode(b'{"provider":"new","phone_number":"+1","label":"\xc2\x9b",\n"phone_number_id":"p","x":1}')
ERRORS = [
    each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ElevenPhoneError)
]


def found(index: int) -> Found:
    phone_number_id = EMULATOR.ids[index]
    return Found(index, phone_number_id, 1, 0.25, EMULATOR.number(phone_number_id))


def late(index: int) -> Failed:
    return Failed(index, EMULATOR.ids[index], 3, 0.5, RequestTimeoutError("late"))


def keep(path: Path, *lookups: Lookup, header: Header = HEADER) -> list[Lookup]:
    """Open a journal, say what stands in it, and add to it."""
    journal = Journal(path)
    try:
        standing = list(journal.resume(header)) if journal.header else []
        if journal.header is None:
            journal.begin(header)
        for lookup in lookups:
            journal.add(lookup)
        journal.finish()
    finally:
        journal.close()
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
def test_a_line_tells_every_error(kind: type[ElevenPhoneError]) -> None:
    error = kind(429, "code", "gone", "req") if issubclass(kind, errors.StatusError) else kind("gone")
    again = decode_line(encode_line(Failed(3, "a\udcff", 2, 0.1, error)))
    assert isinstance(again, Failed)
    assert (type(again.error), again.index, again.phone_number_id) == (kind, 3, "a\\udcff")
    assert "gone" in str(again.error)


@pytest.mark.parametrize("line", [b"", b"{}", b"\0\0\n", b"\xff", b'{"index":0,"phone_number_id":"p"'])
def test_what_is_no_line_is_told(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a line"):
        decode_line(line)


PASSING = {
    *("TransportError", "ConnectionFailedError", "RequestTimeoutError", "ProtocolError"),
    *("ResponseTooLargeError", "DeadlineExceededError", "AuthenticationError", "PermissionDeniedError"),
    *("RateLimitError", "ServerError"),
}
STATUSES = {"ServerError": 503, "NotFoundError": 404, "UnprocessableEntityError": 422}


@pytest.mark.parametrize("kind", ERRORS)
def test_what_may_pass(kind: type[ElevenPhoneError]) -> None:
    error = kind(STATUSES.get(kind.__name__, 400)) if issubclass(kind, errors.StatusError) else kind("x")
    assert may_pass(Failed(0, "p", 1, 0.1, error)) == (kind.__name__ in PASSING)


def test_what_may_not_pass() -> None:
    assert not may_pass(Failed(0, "p", 1, 0.1, ServerError(501)))
    assert not may_pass(found(0))


def test_what_passes_does_not_stand_and_the_last_word_counts(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    assert keep(path, late(0), found(1), late(2)) == []
    assert keep(path, found(0)) == [found(1)]
    assert keep(path, found(2)) == [found(1), found(0)]
    journal = Journal(path)
    assert [lookup for _, lookup in journal.in_order(3)] == [found(0), found(1), found(2)]
    with pytest.raises(Refusal, match="lacks 1 answer"):
        list(journal.in_order(4))
    journal.close()


@given(cut=st.integers(0, 100_000), torn=st.binary(max_size=200))
def test_wherever_it_is_cut_the_rest_stands(
    tmp_path_factory: pytest.TempPathFactory, cut: int, torn: bytes
) -> None:
    path = tmp_path_factory.mktemp("torn") / "journal"
    lookups = [found(index) for index in range(20)]
    keep(path, *lookups)
    whole = path.read_bytes()
    ends = [position + 1 for position, byte in enumerate(whole) if byte == 10]
    cut %= len(whole) + 1
    path.write_bytes(whole[:cut] + torn.replace(b"\n", b""))
    standing = keep(path, *lookups) if cut >= ends[0] else []
    assert standing == lookups[: max(0, sum(end <= cut for end in ends) - 1)]
    if cut >= ends[0]:
        assert keep(path) == lookups


def test_a_line_that_went_bad_is_one_line_lost(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    keep(path, found(0), found(1), found(2))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"\0" * 50 + b"\n", lines[3]]))
    assert keep(path) == [found(0), found(2)]


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (Header.of("https://other.example", Survey(60, "digest")), "other.example"),
        (Header.of("https://api.example", Survey(61, "digest2")), "60 ids"),
    ],
)
def test_another_run_is_refused(tmp_path: Path, header: Header, complaint: str) -> None:
    keep(tmp_path / "journal", found(0))
    with pytest.raises(Refusal, match=complaint):
        keep(tmp_path / "journal", header=header)
    assert keep(tmp_path / "journal", header=Header.of("https://api.example", None)) == [found(0)]


@pytest.mark.parametrize("content", [b"my own file\n", b'{"journal":2}\n', b"\xff\n"])
def test_what_is_no_journal_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    with pytest.raises(Refusal, match="no journal"):
        Journal(path)
    assert path.read_bytes() == content


def test_another_id_at_an_answered_place_is_refused(tmp_path: Path) -> None:
    keep(tmp_path / "journal", found(1))
    journal = Journal(tmp_path / "journal")
    list(journal.resume(HEADER))
    assert [journal.has(index, EMULATOR.ids[index]) for index in (0, 1, 2, 9_999)[:3]] == [False, True, False]
    assert not journal.has(9_999, "p")
    with pytest.raises(Refusal, match="id 2 is now 'phnum_other'"):
        journal.has(1, "phnum_other")
    journal.close()


def test_where_the_system_has_no_locks_a_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with file_beside(path), pytest.raises(OutputError, match=r"delete '.*journal\.lock'"), file_beside(path):
        pass
    with file_beside(path):
        assert (tmp_path / "journal.lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    with contextlib.suppress(KeyboardInterrupt), whole_file(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("out", "old")]
    with whole_file(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("out", "new")]


def test_lines_of_several_threads_do_not_mingle(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb", buffering=0) as file:
        writer = LineWriter(file.fileno(), "out")

        def write(number: int) -> None:
            for _ in range(200):
                writer.add(b"%d\n" % number * 100)
                writer.write()

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = (tmp_path / "out").read_bytes().splitlines()
    assert len(lines) == 4 * 200 * 100
    assert set(lines) == {b"0", b"1", b"2", b"3"}


async def test_what_blocks_in_the_background_can_be_left() -> None:
    released = threading.Event()

    def block() -> None:
        released.wait(10)

    def fail() -> None:
        raise OutputError("x", "y")

    blocked = asyncio.create_task(in_background(block))
    await asyncio.sleep(0)
    blocked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await blocked
    released.set()
    with pytest.raises(OutputError):
        await in_background(fail)


async def test_ids_come_while_a_pipe_is_open_and_end_when_told(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    ids = BackgroundIds(IdSource(fifo, None))
    with fifo.open("w", encoding="utf-8") as pipe:
        coming = aiter(ids)
        for phone_number_id in ("a", "b"):
            pipe.write(f"{phone_number_id}\n")
            pipe.flush()
            assert await anext(coming) == phone_number_id
        waiting = asyncio.ensure_future(anext(coming))
        await asyncio.sleep(0)
        ids.stop()
        with pytest.raises(StopAsyncIteration):
            await waiting
    assert not ids.ended


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=30))
def test_ids_of_a_csv_are_those_that_were_written(
    tmp_path_factory: pytest.TempPathFactory, values: list[str]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "ids.csv"
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerows([["x", "phone_number_id"], *(["-", value] for value in values)])
    path.write_bytes(text.getvalue().encode())
    assert list(IdSource(path, None).ids()) == [value.strip() for value in values]


def test_csv_has_the_columns_of_the_arrow_schema() -> None:
    pytest.importorskip("pyarrow")
    from elevenphone.arrow import SCHEMA  # noqa: PLC0415 - where there is pyarrow

    assert set(COLUMNS) == {*SCHEMA.empty_table().flatten().column_names, "index"}


def test_csv_keeps_what_only_a_new_provider_has() -> None:
    file = io.BytesIO()
    rows = CSVRows(file)
    for lookup in (
        Found(0, "p", 1, 0.1, OTHER),
        Failed(1, "q\udcff", 1, 0.1, NotFoundError(404, "c", "gone")),
    ):
        rows.add(b"", lookup)
    rows.finish()
    first, second = csv.DictReader(io.StringIO(file.getvalue().decode(), newline=""))
    assert isinstance(OTHER, OtherPhoneNumber)
    assert (first["provider"], first["raw"].encode()) == ("new", OTHER.raw)
    assert (second["phone_number_id"], second["error_code"]) == ("q\\udcff", "c")
