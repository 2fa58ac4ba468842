"""What a bulk run tells while it waits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from elevenphone import ClientStats, PhoneNumberClient, RetryPolicy
from elevenphone.cli import _fetching
from elevenphone.cli._fetching import Fetching
from elevenphone.cli._ids import IdSource
from elevenphone.cli._progress import RunProgress
from elevenphone.cli._stream import StreamSink
from elevenphone.cli._tally import Tally
from elevenphone.emulator import Emulator


class Watched(RunProgress):
    """Calls back with each note."""

    def __init__(self, noted: Callable[[str], None]) -> None:
        self._noted = noted

    def update(self, tally: Tally, stats: Callable[[], ClientStats], note: str = "") -> None:  # noqa: ARG002 - as all
        self._noted(note)


async def test_a_wait_says_what_the_first_id_met_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_fetching, "_SILENCE", 0.0)
    (tmp_path / "ids.txt").write_text("".join(f"phnum_{n}\n" for n in range(30)), encoding="ascii")
    notes: list[str] = []

    def noted(note: str) -> None:
        notes.append(note)
        if "server error" in note:
            fetching.stop()

    async with Emulator(numbers=1, outage=True) as away:
        client = PhoneNumberClient(away.api_key, base_url=away.base_url, retry=RetryPolicy(wait_initial=0.01))
        async with client:
            with StreamSink(tmp_path / "out.jsonl", None) as sink:
                source = IdSource(tmp_path / "ids.txt", None)
                fetching = Fetching(client, source, sink, Tally(), Watched(noted), deadline=9.0, grace=0.05)
                await fetching.run()
    assert "no lookup has been answered for 0 s: server error" in notes
