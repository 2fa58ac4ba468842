"""What a program pays before its first lookup: imports, memory, and the first lookup itself.

    python benchmarks/startup.py [--quick]

Each is a whole process, started in turn with the others; its byte code has been compiled before.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from speed_lab import command, cores
from speed_lab.peers import BARE, GET, SDK, installed
from speed_lab.report import Report, Verdict, compare, median_ratio
from speed_lab.servers import HERE, serve

IMPORTS, FIRST = "imports, the whole process", "the first lookup, the whole process"
TIME, MEMORY = "time, ms", "memory, MiB"
PYTHON, MSGSPEC, OURS = "Python alone", "import msgspec", "import elevenphone"
MOST_OF_MSGSPEC = 1.5

_STATEMENTS = {
    PYTHON: "",
    MSGSPEC: MSGSPEC,
    OURS: OURS,
    "elevenphone.decode": "from elevenphone import decode",
    "PhoneNumberClient": "from elevenphone import PhoneNumberClient",
    "PhoneNumberClient, made": "from elevenphone import PhoneNumberClient; PhoneNumberClient('key')",
    "aiohttp, msgspec": "import aiohttp, msgspec",
    "official SDK": "from elevenlabs import AsyncElevenLabs",
}
_TELL = "\nfrom speed_lab.peak import peak_bytes\nprint(peak_bytes())"
_LAZY = "import sys, elevenphone\nprint(int('aiohttp' in sys.modules or 'asyncio' in sys.modules))"


class _Process(NamedTuple):
    seconds: float
    peak_mib: float


def measure(options: argparse.Namespace) -> Report:
    """Start everything in turn."""
    rounds = options.rounds or (1 if options.quick else 21)
    there, left_out = installed([GET, BARE, SDK])
    report = Report(benchmark="startup", left_out=left_out)
    statements = dict(_STATEMENTS)
    if SDK not in there:
        del statements["official SDK"]
    commands = {name: [sys.executable, "-c", code + _TELL] for name, code in statements.items()}
    imports = _race(commands, rounds, warm=not options.quick)
    _add(report, IMPORTS, imports, MSGSPEC)
    times = {name: [one.seconds for one in turns] for name, turns in imports.items()}
    ratio = median_ratio(times, OURS, MSGSPEC)
    if ratio is not None:
        budget = "import elevenphone: times import msgspec"
        report.verdicts.append(Verdict(budget=budget, measured=ratio, at_most=MOST_OF_MSGSPEC))
    eager = subprocess.check_output([sys.executable, "-c", _LAZY])  # noqa: S603 - ours
    budget = "import elevenphone: imports aiohttp or asyncio (0 no, 1 yes)"
    report.verdicts.append(Verdict(budget=budget, measured=float(eager), at_most=0.0))
    with serve() as server:
        report.server = server.name
        commands = {
            name: [sys.executable, "-m", "speed_lab.fixed_run", name, server.plain, "1", "1"]
            for name in there
        }
        _add(report, FIRST, _race(commands, rounds, warm=not options.quick), BARE)
    return report


def _race(commands: dict[str, list[str]], rounds: int, *, warm: bool) -> dict[str, list[_Process]]:
    if warm:
        for line in commands.values():
            _start(line)  # compiles, and fills the file cache
    turns: dict[str, list[_Process]] = {name: [] for name in commands}
    names = list(turns)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            process = _start(commands[name])
            if process is not None:
                turns[name].append(process)
    return turns


def _start(line: list[str]) -> _Process | None:
    """Run a process that prints its peak of memory, and say what it took; `None` where it failed."""
    with cores.on(cores.CLIENT_CORE), tempfile.TemporaryDirectory() as elsewhere:
        started = time.perf_counter()
        process = subprocess.run(  # noqa: S603 - ours
            line, capture_output=True, check=False, cwd=elsewhere, env={**os.environ, "PYTHONPATH": str(HERE)}
        )
        seconds = time.perf_counter() - started
    return _Process(seconds, int(process.stdout) / 2**20) if process.returncode == 0 else None


def _add(report: Report, case: str, turns: dict[str, list[_Process]], against: str) -> None:
    turns = {name: processes for name, processes in turns.items() if processes}
    times = {name: [one.seconds * 1e3 for one in processes] for name, processes in turns.items()}
    peaks = {name: [one.peak_mib for one in processes] for name, processes in turns.items()}
    report.figures += compare(case, TIME, times, against) + compare(case, MEMORY, peaks, against)


if __name__ == "__main__":
    sys.exit(command.main(__doc__ or "", measure))
