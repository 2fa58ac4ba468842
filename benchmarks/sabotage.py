"""Breaks the client on purpose, one way at a time, and shows in which world each is found.

    python benchmarks/sabotage.py                 each of SABOTAGES, in worlds 1 to 1,000
    python benchmarks/sabotage.py --only permit   those with this word in their name
    python benchmarks/sabotage.py --markdown      the table of docs/worlds.md

A sabotage is a text in a module of the package, and what takes its place. It is done to a
copy; the worlds of tests/worlds are played with that copy, in a process of its own, until a law
is broken that the package itself keeps in the same world. The exit status is 1 where one is
never found, or where its text is not in the package any more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

from worlds_lab.sabotages import SABOTAGES, Sabotage

_ROOT = Path(__file__).parents[1]
_PACKAGE = _ROOT / "elevenphone"
_WORLDS = 1_000
_SECONDS_WITHOUT_A_LAW = 600

# Plays worlds from the first seed to the last, until a law is broken; prints the seed and the law.
_PLAYER = """
import sys
from world_drawing import draw
from world_laws import judge
from world_playing import play

for seed in range(int(sys.argv[1]), int(sys.argv[2]) + 1):
    for violation in judge(play(draw(seed)))[:1]:
        print(seed, violation.law, flush=True)
        sys.exit(0)
"""


class Finding(NamedTuple):
    """What became of a sabotage.

    Attributes:
        sabotage: What was done.
        seed: In which world it was found; `None`: in none.
        law: By which law, or what else showed it.
    """

    sabotage: Sabotage
    seed: int | None
    law: str


def first_broken(package: Path, first: int, last: int) -> tuple[int, str] | None:
    """Play worlds with a copy of the package until a law is broken; return the seed and the law."""
    paths = (package.parent, _ROOT / "tests", _ROOT / "tests" / "worlds")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    command = [sys.executable, "-c", _PLAYER, str(first), str(last)]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            command,
            env=environment,
            cwd=package.parent,
            capture_output=True,
            text=True,
            timeout=_SECONDS_WITHOUT_A_LAW,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return last, "the event loop never comes to an end"
    if done.returncode:
        return first, f"a world cannot be played: {done.stderr.strip().splitlines()[-1]}"
    seed, _, law = done.stdout.strip().partition(" ")
    return (int(seed), law.replace("_", " ")) if seed else None


def try_out(sabotage: Sabotage, original: Path) -> Finding:
    """Do one, and play worlds until it is found."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "elevenphone"
        shutil.copytree(original, package, ignore=shutil.ignore_patterns("__pycache__"))
        module = package / sabotage.module
        module.write_text(sabotage.applied_to(module.read_text()))
        first = 1
        while first <= _WORLDS:
            broken = first_broken(package, first, _WORLDS)
            if broken is None:
                break
            seed, law = broken
            if first_broken(original, seed, seed) is None:
                return Finding(sabotage, seed, law)
            first = seed + 1  # the package itself breaks a law there: that shows nothing
    return Finding(sabotage, None, "no law was broken")


def main() -> int:
    """Try all out, and print what found them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="those with this word in their name alone")
    parser.add_argument("--markdown", action="store_true", help="print the table of the documentation")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    parser.add_argument("--package", type=Path, default=_PACKAGE, help="what is copied and broken")
    options = parser.parse_args()
    chosen = [sabotage for sabotage in SABOTAGES if options.only in sabotage.name]
    if stale := [sabotage.name for sabotage in chosen if not sabotage.fits(options.package)]:
        print("their text is not in the package, or more than once:", *stale, sep="\n  ")
        return 1
    if options.markdown:
        print("| what is broken | where | found in world | by |\n| --- | --- | --- | --- |")
    with ThreadPoolExecutor(options.jobs) as pool:
        findings = []
        for finding in pool.map(try_out, chosen, repeat(options.package)):
            findings.append(finding)
            sabotage, seed, law = finding
            where = "none" if seed is None else f"{seed:,}"
            if options.markdown:
                print(f"| {sabotage.name} | `{sabotage.module}` | {where} | {law} |", flush=True)
            else:
                print(f"{sabotage.name:60} world {where:>5}: {law}", flush=True)
    return 1 if any(finding.seed is None for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
