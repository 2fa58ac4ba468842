"""The output of `fetch` is the same however its answers come, and whatever fails on the way."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from elevenphone.cli.errors import OutputError
from elevenphone.cli.fetch import sinks
from elevenphone.cli.fetch.journal import Header, Journal
from elevenphone.cli.fetch.sinks import FileSink
from elevenphone.cli.formats.columns import Selection
from elevenphone.cli.formats.files import target_of
from elevenphone.emulator import Emulator
from elevenphone.errors import NotFoundError
from elevenphone.lookups import Failed, Found, Lookup
from elevenphone.models import decode

EMULATOR = Emulator(numbers=200)
OTHER = decode(
    b'{"provider": "new",\n "phone_number": "+1", "label": "a,\x7f\\"b", "phone_number_id": "p", "sku": 1}'
)
LOOKUPS: list[Lookup] = [
    *(Found(n, each, 1, 0.1234567, EMULATOR.number(each)) for n, each in enumerate(EMULATOR.ids)),
    Failed(200, "phnum_x", 1, 0.25, NotFoundError(404, None, "unknown, or not yours")),
    Found(201, "p", 1, 0.5, OTHER),
]


def content(path: Path) -> object:
    if path.suffix != ".db":
        return path.read_bytes()
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT * FROM lookups ORDER BY rowid").fetchall()


def written(output: Path, lookups: list[Lookup]) -> tuple[object, bytes]:
    """Write lookups as they come, forty at a time, and return what is in the files."""
    target = target_of(str(output), None)
    failures = output.with_suffix(".failed")
    with closing(Journal(target.journal, output)) as journal:
        journal.begin(Header("server", "key", len(lookups), None))
        with closing(FileSink(journal, target, Selection(), failures)) as sink:
            for place, lookup in enumerate(lookups):
                sink.add(lookup)
                if place % 40 == 0:
                    sink.finish()
            sink.finish()
            sink.complete(len(lookups))
        journal.remove()
    assert {each.name for each in output.parent.iterdir()} == {output.name, failures.name}
    return content(output), failures.read_bytes()


@pytest.fixture(params=["jsonl", "csv", "db", "parquet"])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    (tmp_path / "work").mkdir()
    return tmp_path / "work" / f"out.{request.param}"


@pytest.fixture
def expected(output: Path) -> tuple[object, bytes]:
    """What is written of answers that come in order."""
    whole = written(output, LOOKUPS)
    for each in output.parent.iterdir():
        each.unlink()
    return whole


@pytest.mark.parametrize("most_early", [0, 3, 100, 1_000])
def test_answers_in_any_order_make_the_same_files(
    output: Path, expected: tuple[object, bytes], most_early: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks, "_MOST_EARLY", most_early)
    random = Random(18)
    nearly_in_order = sorted(LOOKUPS, key=lambda lookup: lookup.index + 30 * random.random())
    assert written(output, nearly_in_order) == expected
    for each in output.parent.iterdir():
        each.unlink()
    assert written(output, random.sample(LOOKUPS, len(LOOKUPS))) == expected


def test_a_disk_that_was_full_for_a_while_makes_the_same_files(
    output: Path, expected: tuple[object, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def takes(selection: Selection, lookup: Lookup) -> bool:  # noqa: ARG001 - as the method
        nonlocal calls
        calls += 1
        if calls == 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return True

    monkeypatch.setattr(Selection, "takes", takes)
    assert written(output, LOOKUPS) == expected
    assert calls == 100 + len(LOOKUPS)


def test_unfinished_files_make_room_for_the_journal(
    output: Path, expected: tuple[object, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = Journal.keep
    beside: list[int] = []

    def kept(journal: Journal, batch: list[Lookup]) -> Iterable[tuple[list[Lookup], bytes]]:
        beside.append(len(list(output.parent.glob("*.part"))))
        if len(beside) == 3:
            raise OutputError("'journal'", "database or disk is full")
        return keep(journal, batch)

    monkeypatch.setattr(Journal, "keep", kept)
    assert written(output, LOOKUPS) == expected
    assert beside == [2, 2, 2, *[0] * 5]
