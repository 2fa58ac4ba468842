"""What a bulk run says while it waits."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from elevenphone import ClientStats, PhoneNumberClient, RetryPolicy
from elevenphone.cli.fetch import fetching
from elevenphone.cli.fetch.fetching import Fetching
from elevenphone.cli.fetch.sinks import StreamSink
from elevenphone.cli.formats.columns import Selection
from elevenphone.cli.formats.files import Target
from elevenphone.cli.formats.ids import IdSource
from elevenphone.cli.shell import Shell
from elevenphone.cli.show.results import Tally
from elevenphone.cli.show.runs import RunProgress
from elevenphone.emulator import Emulator


class Watched(RunProgress):
    """Calls back with each note."""

    def __init__(self, noted: Callable[[str], None]) -> None:
        self._noted = noted

    def update(self, tally: Tally, stats: ClientStats, note: str = "") -> None:  # noqa: ARG002 - as all
        self._noted(note)


@contextmanager
def fetching_of(
    count: int, client: PhoneNumberClient, folder: Path, noted: Callable[[str], None]
) -> Generator[Fetching]:
    """Make the run of a `fetch` of so many ids, which reports each note."""
    (folder / "ids.txt").write_text("".join(f"phnum_{n}\n" for n in range(count)), encoding="ascii")
    source, target = (
        IdSource(folder / "ids.txt", None, None),
        Target(folder / "out.jsonl", "jsonl", is_stream=True),
    )
    with StreamSink(Shell([], {}, None, None, None), target, Selection(), None) as sink:
        yield Fetching(client, source, sink, Tally(), Watched(noted), deadline=9.0, grace=0.05)


async def test_a_wait_names_the_failure_of_the_first_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_SILENCE", 0.0)
    notes: list[str] = []

    def noted(note: str) -> None:
        notes.append(note)
        if "server error" in note:
            run_under_way.stop()

    async with Emulator(numbers=1, outage=True) as away:
        client = PhoneNumberClient(away.api_key, base_url=away.base_url, retry=RetryPolicy(wait_initial=0.01))
        async with client:
            with fetching_of(30, client, tmp_path, noted) as run_under_way:
                await run_under_way.run()
    assert "no lookup has been answered for 0 s: server error" in notes


async def test_a_queue_of_the_server_is_named_as_what_holds_the_run(tmp_path: Path) -> None:
    notes: list[str] = []
    async with (
        Emulator(numbers=400, concurrency_limit=2, queue=math.inf, latency=0.005) as slow,
        PhoneNumberClient(slow.api_key, base_url=slow.base_url) as client,
    ):
        with fetching_of(400, client, tmp_path, notes.append) as run:
            await run.run()
    assert any(" at once; more would only wait there" in note for note in notes)
