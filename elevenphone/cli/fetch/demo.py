"""The work of `elevenphone demo`."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path
from random import Random

from rich.text import Text

from elevenphone import ClientStats, PhoneNumberClient
from elevenphone.cli.errors import ExitCode
from elevenphone.cli.fetch.fetching import Fetching
from elevenphone.cli.fetch.journal import Header, Journal
from elevenphone.cli.fetch.sinks import FileSink
from elevenphone.cli.formats.columns import Selection
from elevenphone.cli.formats.files import Target, target_of
from elevenphone.cli.formats.ids import IdSource
from elevenphone.cli.formats.lines import decode_line
from elevenphone.cli.shell import Shell, run
from elevenphone.cli.show.results import Tally
from elevenphone.cli.show.runs import print_outcome, run_progress
from elevenphone.cli.show.terminal import COLUMNS, RowTable, error_console, lookup_cells, output_console
from elevenphone.cli.text import counted
from elevenphone.emulator import Emulator, Latency
from elevenphone.lookups import Found

_CONCURRENCY_LIMIT = 12
_OUTAGE_SECONDS = 1.5
_IDS_TO_ONE_UNKNOWN = 50
_SAMPLES = 3
_SECONDS_BETWEEN_LOOKS = 0.01
_NOTES = {
    "not found": "ids no number has, mixed in on purpose",
    "retries": "refused or broken answers, asked again",
    "throttled": f"refused (429), above {_CONCURRENCY_LIMIT} at once",
    "limit": f"requests at once, found by trying; {_CONCURRENCY_LIMIT} are accepted",
}


def run_demo(shell: Shell, count: int, seed: int) -> ExitCode:
    """Look up, and show the results; the code is 0 where every known id was found and no other, else 5."""
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
    output_console(shell).print(
        f"{counted(count, 'lookup')} against an emulator of the API on this machine. It takes "
        f"{_CONCURRENCY_LIMIT} requests at once, answers in about 40 ms, fails 2 times in 100, and goes "
        f"away for {_OUTAGE_SECONDS:g} s; the client has to find that out."
    )
    demo = _Demo(shell, emulator, ids)
    with tempfile.TemporaryDirectory() as folder:
        run(demo.look_up(Path(folder)))
    if demo.interrupted:
        raise KeyboardInterrupt
    demo.show()
    expected = (count - len(unknown), len(unknown), 0)
    as_expected = (demo.tally.found, demo.tally.not_found, demo.tally.failed) == expected
    return ExitCode.ALL_FOUND if as_expected else ExitCode.SOME_FAILED


class _Demo:
    """One run in two parts, of which somebody may have interrupted one for good."""

    def __init__(self, shell: Shell, emulator: Emulator, ids: list[str]) -> None:
        self.tally = Tally()
        self.interrupted = False
        self._shell = shell
        self._emulator = emulator
        self._ids = ids
        self._samples: dict[str, Found] = {}
        self._stats: ClientStats | None = None
        self._seconds = 0.0

    async def look_up(self, folder: Path) -> None:
        """Look all ids up, with the progress on standard error."""
        file = folder / "ids.txt"
        file.write_text("".join(f"{phone_number_id}\n" for phone_number_id in self._ids), encoding="ascii")
        source = IdSource(file, None, None)
        header = Header("the emulator", self._emulator.api_key, *source.survey())
        target = target_of(str(folder / "numbers.jsonl"), None)
        async with (
            self._emulator as emulator,
            PhoneNumberClient(emulator.api_key, base_url=emulator.base_url) as client,
        ):
            started = time.perf_counter()
            with contextlib.closing(Journal(target.journal, target.file)) as journal:
                journal.begin(header)
                await self._fetch(client, source, journal, target, with_accidents=True)
            with contextlib.closing(Journal(target.journal, target.file)) as journal:
                kept = sum(1 for _ in journal.resume(header))
                if not self.interrupted and self.tally.done < len(self._ids):
                    text = f"Interrupted on purpose; {kept:,} answers are in the journal, and it goes on."
                    output_console(self._shell).print(text)
                    await self._fetch(client, source, journal, target)
                self._seconds = time.perf_counter() - started
                if self.tally.done == len(self._ids):
                    self._take_samples(journal)
            self._stats = client.stats

    async def _fetch(
        self,
        client: PhoneNumberClient,
        source: IdSource,
        journal: Journal,
        target: Target,
        *,
        with_accidents: bool = False,
    ) -> None:
        progress = run_progress(error_console(self._shell), len(self._ids), self.tally.done)
        with contextlib.closing(FileSink(journal, target, Selection(), None)) as sink:
            fetching = Fetching(client, source, sink, self.tally, progress, deadline=300.0, grace=10.0)
            accidents = asyncio.create_task(self._cause_accidents(fetching)) if with_accidents else None
            try:
                await fetching.run()
            finally:
                if accidents is not None:
                    accidents.cancel()
                sink.finish()
        self.interrupted = fetching.interrupted

    async def _cause_accidents(self, fetching: Fetching) -> None:
        """Take the server away after a quarter of the lookups, and interrupt the run after half of them."""
        await self._passed(len(self._ids) // 4)
        self._emulator.outage = True
        asyncio.get_running_loop().call_later(_OUTAGE_SECONDS, setattr, self._emulator, "outage", False)
        await self._passed(len(self._ids) // 2)
        fetching.stop()

    async def _passed(self, count: int) -> None:
        while self.tally.done <= count:  # noqa: ASYNC110 - a tally has no event
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)

    def _take_samples(self, journal: Journal) -> None:
        """Take the first number with an agent of each provider."""
        for lookup in map(decode_line, journal.in_order(len(self._ids))):
            if isinstance(lookup, Found) and lookup.number.assigned_agent:
                self._samples.setdefault(lookup.number.provider, lookup)
            if len(self._samples) == _SAMPLES:
                return

    def show(self) -> None:
        """Print the summary, the samples, and what to do next."""
        console = output_console(self._shell)
        console.print()
        if self._stats is not None:
            print_outcome(console, self.tally, self._stats, self._seconds, notes=_NOTES)
        if self._samples:
            console.print(Text("One of each", style="bold"))
            table = RowTable(console, COLUMNS)
            for sample in self._samples.values():
                table.add(lookup_cells(sample))
        console.print()
        console.print(Text("With a key of your own", style="bold"))
        console.print(
            "  export ELEVENLABS_API_KEY=...\n"
            "  elevenphone get phnum_...\n"
            "  elevenphone fetch ids.txt -o numbers.csv",
            soft_wrap=True,
        )
