"""The parts of `fetch` that write files, and those that block beside an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from elevenphone.cli.errors import OutputError, Refusal
from elevenphone.cli.fetch.background import BackgroundIds, in_background
from elevenphone.cli.fetch.sinks import Sink
from elevenphone.cli.formats.files import is_stream, whole_file
from elevenphone.cli.formats.ids import IdSource
from elevenphone.errors import NotFoundError
from elevenphone.lookups import Failed, Lookup

LOOKUP = Failed(0, "phnum_x", 1, 0.25, NotFoundError(404, None, "unknown"))


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    with contextlib.suppress(KeyboardInterrupt), whole_file(path, replace=True) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("out", "old")]
    with whole_file(path, replace=True) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("out", "new")]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_appears_in_the_meantime_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def no_links(_source: Path, _target: Path) -> None:
        raise PermissionError("no links here")

    if not has_links:
        monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "out"
    with whole_file(path, replace=False) as file:
        file.write(b"first")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("out", "first")]
    path.unlink()

    def write() -> None:
        with whole_file(path, replace=False) as file:
            file.write(b"new")
            path.write_text("theirs")

    with pytest.raises(Refusal, match="has appeared in the meantime"):
        write()
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("out", "theirs")]


def test_the_unfinished_file_of_the_same_run_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "out.1234abcd.part").write_text("of the run that was killed")
    (tmp_path / "out.part").write_text("mine")
    with whole_file(tmp_path / "out", replace=False, mark="1234abcd") as file:
        file.write(b"new")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out", "out.part"]


def test_a_path_that_cannot_be_looked_at_is_taken_for_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", denied)
        assert not is_stream(tmp_path / "out.csv")


def test_lines_of_several_threads_do_not_mingle(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb", buffering=0) as file:

        class Lines(Sink):
            def write(self, batch: list[Lookup]) -> None:
                for lookup in batch:
                    file.write(b"%d\n" % lookup.index * 100)

        writer = Lines()

        def write(number: int) -> None:
            for _ in range(200):
                writer.add(replace(LOOKUP, index=number))
                writer.finish()

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = (tmp_path / "out").read_bytes().splitlines()
    assert len(lines) == 4 * 200 * 100
    assert set(lines) == {b"0", b"1", b"2", b"3"}


async def test_the_error_of_a_write_is_not_lost_with_who_awaited_it() -> None:
    released = threading.Event()

    class FullDisk(Sink):
        may_block = True

        def write(self, batch: list[Lookup]) -> None:  # noqa: ARG002 - none can be written
            released.wait(10)
            raise OutputError("out", "No space left on device")

    writer = FullDisk()
    writer.add(LOOKUP)
    writing = asyncio.create_task(writer.flush())
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    released.set()
    with pytest.raises(OutputError, match="No space left on device"):
        writer.finish()


@pytest.mark.parametrize(("wait", "in_background"), [(0.03, True), (0.0, False)], ids=["slow", "fast"])
async def test_only_a_slow_disk_is_written_in_another_thread(wait: float, in_background: bool) -> None:
    threads: list[int] = []

    class Disk(Sink):
        def write(self, batch: list[Lookup]) -> None:  # noqa: ARG002 - only the time counts
            threads.append(threading.get_ident())
            time.sleep(wait)

    disk = Disk()
    for _ in range(10):
        disk.add(LOOKUP)
        await disk.flush()
    assert threads[0] == threading.get_ident()
    assert (threads[-1] != threading.get_ident()) is in_background


async def test_a_function_that_blocks_in_the_background_can_be_left() -> None:
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


async def test_ids_come_while_a_pipe_is_open_and_end_when_stopped(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    ids = BackgroundIds(IdSource(fifo, None, None))
    with fifo.open("w", encoding="utf-8") as pipe:
        coming = ids.batches()
        for phone_number_id in ("a", "b"):
            pipe.write(f"{phone_number_id}\n")
            pipe.flush()
            assert await anext(coming) == [phone_number_id]
        waiting = asyncio.ensure_future(anext(coming))
        await asyncio.sleep(0)
        ids.stop()
        with pytest.raises(StopAsyncIteration):
            await waiting
    assert not ids.ended
