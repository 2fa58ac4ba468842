"""The work of `elevenphone demo`."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from rich.text import Text

from elevenphone import ClientStats, PhoneNumberClient
from elevenphone.cli._event_loop import run
from elevenphone.cli._exit_codes import ExitCode
from elevenphone.cli._fetching import Fetching
from elevenphone.cli._ids import IdSource
from elevenphone.cli._journal import Header, Journal
from elevenphone.cli._progress import run_progress
from elevenphone.cli._rendering import error_console, lookup_table, output_console
from elevenphone.cli._summary import headline, outcome_table, provider_table
from elevenphone.cli._tally import Tally
from elevenphone.cli._text import counted
from elevenphone.emulator import Emulator, Latency
from elevenphone.lookups import Found, Lookup

_CONCURRENCY_LIMIT = 12
_OUTAGE_SECONDS = 1.5
_IDS_TO_ONE_UNKNOWN = 50
_SAMPLES = 3
_NOTES = {
    "not found": "ids no number has, mixed in on purpose",
    "retries": "refused or broken answers, asked again",
    "throttled": f"refused (429), above {_CONCURRENCY_LIMIT} at once",
    "limit": f"requests at once, found by trying; {_CONCURRENCY_LIMIT} are taken",
}


def run_demo(count: int, seed: int) -> int:
    """Look up, and show what became of it.

    Args:
        count: How many ids.
        seed: What numbers and faults are made from.

    Returns:
        0 where every known id was found and no other, else 1.
    """
    emulator = Emulator(
        numbers=count,
        seed=seed,
        latency=Latency.lognormal(0.04, 0.4),
        concurrency_limit=_CONCURRENCY_LIMIT,
        server_errors=0.01,
        drops=0.005,
        truncated=0.005,
    )
    unknown = emulator.unknown_ids[: count // _IDS_TO_ONE_UNKNOWN]
    ids = [*emulator.ids[: count - len(unknown)], *unknown]
    Random(seed).shuffle(ids)
    console = output_console()
    console.print(
        Text(
            f"{counted(count, 'lookup')} against an emulator of the API on this machine. It takes "
            f"{_CONCURRENCY_LIMIT} requests at once, answers in about 40 ms, fails 2 times in 100, and goes "
            f"away for {_OUTAGE_SECONDS:g} s; the client has to find that out."
        )
    )
    demo = _Demo(emulator, ids)
    with tempfile.TemporaryDirectory() as folder:
        run(demo.look_up(Path(folder)))
    if demo.interrupted:
        raise KeyboardInterrupt
    demo.show()
    expected = (count - len(unknown), len(unknown), 0)
    as_expected = (demo.tally.found, demo.tally.not_found, demo.tally.failed) == expected
    return ExitCode.ALL_FOUND if as_expected else ExitCode.SOME_FAILED


class _Demo:
    """One run in two parts, and what it came to.

    Attributes:
        tally: Its lookups.
        interrupted: Whether somebody ended it for good.
    """

    def __init__(self, emulator: Emulator, ids: list[str]) -> None:
        self.tally = Tally()
        self.interrupted = False
        self._emulator = emulator
        self._ids = ids
        self._fetching: Fetching | None = None
        self._samples: dict[str, Found] = {}
        self._stats: ClientStats | None = None
        self._seconds = 0.0

    async def look_up(self, folder: Path) -> None:
        """Look all ids up, with the progress on standard error."""
        path, journal_path = folder / "ids.txt", folder / "journal"
        path.write_text("".join(f"{phone_number_id}\n" for phone_number_id in self._ids), encoding="ascii")
        source = IdSource(path, None)
        header = Header.of("the emulator", source.survey())
        async with (
            self._emulator as emulator,
            PhoneNumberClient(emulator.api_key, base_url=emulator.base_url) as client,
        ):
            started = time.perf_counter()
            with contextlib.closing(_WatchedJournal(journal_path, self._note)) as journal:
                journal.begin(header)
                await self._fetch(client, source, journal)
            if not self.interrupted and self.tally.done < len(self._ids):
                with contextlib.closing(_WatchedJournal(journal_path, self._note)) as journal:
                    kept = sum(1 for _ in journal.resume(header))
                    text = f"Interrupted on purpose; {kept:,} answers are in the journal, and it goes on."
                    output_console().print(text)
                    await self._fetch(client, source, journal)
            self._seconds = time.perf_counter() - started
            self._stats = client.stats

    async def _fetch(self, client: PhoneNumberClient, source: IdSource, journal: Journal) -> None:
        progress = run_progress(error_console(), len(self._ids), self.tally.done)
        self._fetching = Fetching(client, source, journal, self.tally, progress, deadline=300.0, grace=10.0)
        try:
            await self._fetching.run()
        finally:
            journal.finish()
        self.interrupted = self._fetching.interrupted

    def _note(self, lookup: Lookup) -> None:
        """Watch the answers, and have two accidents on the way."""
        if isinstance(lookup, Found) and lookup.number.assigned_agent and len(self._samples) < _SAMPLES:
            self._samples.setdefault(lookup.number.provider, lookup)
        if self.tally.done == len(self._ids) // 4:
            self._emulator.outage = True
            asyncio.get_running_loop().call_later(_OUTAGE_SECONDS, setattr, self._emulator, "outage", False)
        if self.tally.done == len(self._ids) // 2 and self._fetching is not None:
            self._fetching.stop()

    def show(self) -> None:
        """Print the summary, the samples, and what to do next."""
        console = output_console()
        console.print()
        console.print(headline(self.tally, self._seconds))
        if self._stats is not None:
            console.print(outcome_table(self.tally, self._stats, _NOTES))
        if self._samples:
            console.print()
            console.print(provider_table(self.tally))
            console.print()
            console.print(Text("One of each", style="bold"))
            console.print(lookup_table(self._samples.values(), console.width))
        console.print()
        console.print(Text("With a key of your own", style="bold"))
        console.print(
            "  export ELEVENLABS_API_KEY=...\n"
            "  elevenphone get phnum_...\n"
            "  elevenphone fetch ids.txt -o numbers.csv"
        )


class _WatchedJournal(Journal):
    """A journal that tells of each answer."""

    def __init__(self, path: Path, seen: Callable[[Lookup], None]) -> None:
        super().__init__(path)
        self._seen = seen

    def add(self, lookup: Lookup) -> None:
        """Append an answer, and tell of it."""
        super().add(lookup)
        self._seen(lookup)
