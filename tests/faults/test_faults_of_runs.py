"""Row 30: a command that is killed, or whose disk is full."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import sys
from contextlib import closing, suppress
from operator import itemgetter
from pathlib import Path

import pytest
from commands import ended, run, start
from fault_helpers import Serve, ids, until
from misbehaving_server import Wire, drip, end, found, number, send, whole

pytest.importorskip("click", reason="the command needs it: pip install 'elevenphone[cli]'")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")

IDS = ids(600)
FETCH = ("fetch", "ids.txt", "-o", "out.jsonl")


@pytest.fixture
def http() -> str:
    """Start servers once: these tests run commands, each of which chooses its form of HTTP by itself."""
    return "auto"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ids.txt").write_text("".join(f"{each}\n" for each in IDS))
    return tmp_path


def kept(folder: Path, options: str = "mode=rw") -> list[str]:
    """List the ids whose answers a journal holds; `immutable=1` reads past the lock of a run under way."""
    journal = folder / "out.jsonl.journal"
    if not journal.exists():
        return []
    with closing(sqlite3.connect(f"{journal.as_uri()}?{options}", uri=True)) as database:
        rows = database.execute("SELECT lines FROM answers").fetchall()
    answers = [json.loads(line) for (lines,) in rows for line in lines.splitlines()]
    return [answer["phone_number_id"] for answer in sorted(answers, key=itemgetter("index"))]


def has_kept(folder: Path, count: int) -> bool:
    """Tell whether a run under way has kept more than so many answers."""
    with suppress(sqlite3.Error):  # read in the middle of a commit
        return len(kept(folder, "immutable=1")) > count
    return False


def assert_each_is_there_once(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "out.jsonl").read_bytes().splitlines()]
    assert [line["phone_number_id"] for line in lines] == IDS
    assert [line["index"] for line in lines] == list(range(len(IDS)))
    assert [line["number"]["phone_number_id"] for line in lines] == IDS
    assert sorted(path.name for path in folder.iterdir()) == ["ids.txt", "out.jsonl"]


@pytest.mark.parametrize("faulty", [False, True], ids=["a good server", "a faulty server"])
async def test_row_30_killed_in_the_middle_of_fetch_and_resumed(
    faulty: bool, folder: Path, serve_plain: Serve
) -> None:
    dice = random.Random(30)
    ways = [end("reset"), send(whole(503)), send(whole(200, number())[:-9], "close"), drip(b"HTTP", 0.01)]

    hurt: set[str] = set()

    async def answer(wire: Wire) -> None:
        is_hurt = faulty and wire.request.phone_number_id not in hurt and dice.random() < 0.2
        hurt.add(wire.request.phone_number_id)  # not again, or the first id might never be answered
        await (dice.choice(ways) if is_hurt else found)(wire)

    server = await serve_plain(answer)
    for _ in range(3):
        before = kept(folder)
        process = await start(server.base_url, folder, *FETCH, "--resume", "--rate", "300", "--timeout", "1")
        enough = len(before) + 20
        await until(lambda enough=enough: has_kept(folder, enough), "some answers", 20_000)  # type: ignore[misc]
        process.kill()
        assert (await ended(process)).code == -9
        assert set(before) <= set(kept(folder)) < set(IDS)
        await asyncio.sleep(0.03)  # for what it had sent to arrive
        await until(lambda: not server.tasks, "the end of what it had under way")
    assert not (folder / "out.jsonl").exists()
    stands = kept(folder)
    server.requests.clear()
    resumed = await run(server.base_url, folder, *FETCH, "--resume", "--timeout", "1")
    assert resumed.code == 0, resumed.shown
    assert_each_is_there_once(folder)
    asked = [request.phone_number_id for request in server.requests]
    assert set(asked) == set(IDS) - set(stands)
    if not faulty:
        assert len(asked) == len(set(asked))


async def test_row_30_disk_full_under_the_journal(folder: Path, serve_plain: Serve) -> None:
    server = await serve_plain(found)
    full = await ended(
        await start(server.base_url, folder, *FETCH, "-q", "--rate", "300", largest_file=120_000)
    )
    first, *rest = full.shown.splitlines()
    assert full.code == 4
    assert first == "elevenphone: cannot write 'out.jsonl.journal': disk I/O error"
    assert rest[-1] == "  elevenphone fetch ids.txt -o out.jsonl -q --rate 300 --resume"
    stands = kept(folder)
    assert 20 < len(stands) < len(IDS)
    server.requests.clear()
    resumed = await run(server.base_url, folder, *FETCH, "--resume")
    assert resumed.code == 0, resumed.shown
    assert_each_is_there_once(folder)
    assert {request.phone_number_id for request in server.requests} == set(IDS) - set(stands)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
async def test_row_30_disk_full_under_a_stream(folder: Path, serve_plain: Serve) -> None:
    server = await serve_plain(found)
    full_disk = os.open("/dev/full", os.O_WRONLY)
    try:
        process = await start(server.base_url, folder, "fetch", "ids.txt", "-o", "-", "-q", stdout=full_disk)
        full = await ended(process)
    finally:
        os.close(full_disk)
    assert full.code == 4
    assert full.shown == "elevenphone: cannot write standard output: No space left on device\n"
