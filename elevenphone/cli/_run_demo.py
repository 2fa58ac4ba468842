"""The work of `elevenphone demo`."""

from __future__ import annotations

import asyncio
import time
from random import Random

from rich.text import Text

from elevenphone import ClientStats, PhoneNumberClient
from elevenphone.cli._exit_codes import ExitCode
from elevenphone.cli._progress import run_progress
from elevenphone.cli._rendering import error_console, lookup_table, output_console
from elevenphone.cli._summary import headline, outcome_table, provider_table
from elevenphone.cli._tally import Tally
from elevenphone.cli._text import counted
from elevenphone.emulator import Emulator, Latency
from elevenphone.lookups import Found, Lookup

_CONCURRENCY_LIMIT = 12
_IDS_TO_ONE_UNKNOWN = 50
_SAMPLES = 3
_NOTES = {
    "not found": "ids no number has, mixed in on purpose",
    "retries": "refused or broken answers, asked again",
    "throttled": f"refused (429), above {_CONCURRENCY_LIMIT} at once",
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
            f"{_CONCURRENCY_LIMIT} requests at once, answers in about 40 ms and fails 2 times in 100; "
            "the client has to find that out."
        )
    )
    demo = _Demo()
    asyncio.run(demo.look_up(emulator, ids))
    demo.show()
    expected = (count - len(unknown), len(unknown), 0)
    as_expected = (demo.tally.found, demo.tally.not_found, demo.tally.failed) == expected
    return ExitCode.ALL_FOUND if as_expected else ExitCode.SOME_FAILED


class _Demo:
    """One run, and what it came to."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._samples: dict[str, Found] = {}
        self._stats: ClientStats | None = None
        self._seconds = 0.0

    async def look_up(self, emulator: Emulator, ids: list[str]) -> None:
        """Look all ids up, with the progress on standard error."""
        async with emulator, PhoneNumberClient(emulator.api_key, base_url=emulator.base_url) as client:
            started = time.perf_counter()
            with run_progress(error_console(), len(ids)) as progress:
                async with client.stream(ids) as lookups:
                    async for lookup in lookups:
                        self._note(lookup)
                        progress.update(self.tally, lambda: client.stats)
            self._seconds = time.perf_counter() - started
            self._stats = client.stats

    def _note(self, lookup: Lookup) -> None:
        self.tally.add(lookup)
        if isinstance(lookup, Found) and lookup.number.assigned_agent and len(self._samples) < _SAMPLES:
            self._samples.setdefault(lookup.number.provider, lookup)

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
        console.print("  export ELEVENLABS_API_KEY=...\n  elevenphone get phnum_...")
