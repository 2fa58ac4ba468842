"""Plays worlds from new seeds, for as long as one likes, and lists those in which a law is broken.

    python benchmarks/worlds.py --hours 1                     new seeds, on all processors
    python benchmarks/worlds.py --worlds 200000 --jobs 2      so many, and no more
    python benchmarks/worlds.py --first-seed 5000             from this seed on
    pytest -s --world-seed 17 tests/worlds                    plays one again and shows what happens

The worlds are those of tests/worlds, where seeds 1 to 1,000 are part of the tests. New seeds
start at a number drawn from the clock. The exit status is 1 where a law was broken.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from pathlib import Path
from typing import NamedTuple

_TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(_TESTS), str(_TESTS / "worlds")]

from world_drawing import draw  # noqa: E402 - found in tests/
from world_laws import judge  # noqa: E402
from world_playing import play  # noqa: E402

_BATCH = 20
_PROGRESS_SECONDS = 30.0
_NEW_SEEDS = 1_000_000


class Batch(NamedTuple):
    """What came of some worlds.

    Attributes:
        worlds: How many there were.
        requests: How many requests were made in them.
        virtual_seconds: How long they lasted on their own clocks.
        broken: The laws that were broken: seed, law, and how.
    """

    worlds: int
    requests: int
    virtual_seconds: float
    broken: list[tuple[int, str, str]]


def play_batch(first_seed: int) -> Batch:
    """Play some worlds."""
    requests, virtual_seconds = 0, 0.0
    broken: list[tuple[int, str, str]] = []
    for seed in range(first_seed, first_seed + _BATCH):
        played = play(draw(seed))
        requests += len(played.server.log)
        virtual_seconds += played.ended
        broken += judge(played)
    return Batch(_BATCH, requests, virtual_seconds, broken)


class Tally:
    """The sum of all batches so far.

    Attributes:
        worlds: How many worlds.
        broken: The seeds in which a law was broken.
        laws: How many worlds broke each law.
    """

    def __init__(self) -> None:
        self.worlds = self.requests = 0
        self.virtual_seconds = 0.0
        self.broken: set[int] = set()
        self.laws: Counter[str] = Counter()
        self._started = self._reported = time.monotonic()

    def add(self, batch: Batch) -> None:
        """Add a batch, and show what was broken in it, and from time to time how far this is."""
        self.worlds += batch.worlds
        self.requests += batch.requests
        self.virtual_seconds += batch.virtual_seconds
        self.broken |= {seed for seed, _, _ in batch.broken}
        self.laws.update(law for _, law in {(seed, law) for seed, law, _ in batch.broken})
        for seed, law, what in batch.broken:
            print(f"world {seed}: {law.replace('_', ' ')}: {what}", flush=True)
        if time.monotonic() - self._reported >= _PROGRESS_SECONDS:
            self._reported = time.monotonic()
            print(self, flush=True)

    def __str__(self) -> str:
        seconds = time.monotonic() - self._started
        return (
            f"{self.worlds:,} worlds in {seconds:,.0f} s, {self.requests:,} requests, "
            f"{self.virtual_seconds / 3_600:,.0f} virtual hours: {len(self.broken)} with a law broken"
        )


def batches(options: argparse.Namespace) -> Iterator[int]:
    """Yield the first seed of each batch, until the time or the number is used up."""
    ends = time.monotonic() + options.hours * 3_600 if options.worlds is None else float("inf")
    last = float("inf") if options.worlds is None else options.first_seed + options.worlds
    seed = options.first_seed
    while seed < last and time.monotonic() < ends:
        yield seed
        seed += _BATCH


def play_all(options: argparse.Namespace) -> Iterator[Batch]:
    """Play batches in some processes, a few of them ahead, and yield each as it is done."""
    first_seeds = batches(options)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, spawn) as pool:
        under_way: set[Future[Batch]] = set()
        while True:
            under_way |= {
                pool.submit(play_batch, seed)
                for seed in islice(first_seeds, 2 * options.jobs - len(under_way))
            }
            if not under_way:
                return
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


def main() -> int:
    """Play, and sum up."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=1.0, help="for how long; default 1")
    parser.add_argument("--worlds", type=int, help="how many, in place of a time")
    parser.add_argument("--first-seed", type=int, help="default: a new one")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes; default: one a core"
    )
    options = parser.parse_args()
    if options.first_seed is None:
        options.first_seed = _NEW_SEEDS * int(time.time() // 60 % _NEW_SEEDS)
    print(f"from seed {options.first_seed}, {options.jobs} at a time", flush=True)
    tally = Tally()
    for batch in play_all(options):
        tally.add(batch)
    print(tally)
    for law, worlds in tally.laws.most_common():
        print(f"  {law.replace('_', ' ')}: {worlds}")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
