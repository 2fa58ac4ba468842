"""`elevenphone fetch` into a file against `gather` alone, and its peak of memory.

    python benchmarks/fetch.py [--lookups N] [--formats jsonl csv db] [--quick]

Each is a process on uvloop, timed from its start to its end, in turn with the others. What `fetch` adds is
the journal, the file and its imports; the bytecode of all is there, as in an installed package. Its memory
must not depend on the number of ids: a run of a million shows whether it stays flat.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from speed_lab import bodies, command, cores
from speed_lab.report import Report, Verdict, compare, median_ratio
from speed_lab.servers import HERE, serve

GATHER = "gather alone"
LEAST_OF_GATHER, MOST_MB = 0.6, 64.0
_GATHER = """
import asyncio, json, sys, time, uvloop
from elevenphone import Found, PhoneNumberClient
from speed_lab.peak import peak_bytes

async def main(ids):
    async with PhoneNumberClient() as client:
        return sum(isinstance(lookup, Found) for lookup in await client.gather(ids))

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    found = runner.run(main(open(sys.argv[1]).read().split()))
print(json.dumps({"cpu": time.process_time(), "found": found, "peak": peak_bytes()}))
"""
_FETCH = """
import json, sys, time
from elevenphone.cli import main
from speed_lab.peak import peak_bytes

code = main()
print(json.dumps({"cpu": time.process_time(), "code": code, "peak": peak_bytes()}))
"""


def measure(options: argparse.Namespace) -> Report:
    """Run `gather`, and `fetch` into each format, in turn."""
    rounds = options.rounds or (1 if options.quick else 3)
    lookups = options.lookups or (2_000 if options.quick else 100_000)
    report = Report(benchmark="fetch")
    seconds: dict[str, list[float]] = {}
    processor: dict[str, list[float]] = {}
    peaks: dict[str, list[float]] = {}
    with serve() as server, tempfile.TemporaryDirectory(prefix="fetch_", dir=options.folder) as name:
        report.server = server.name
        ids = Path(name) / "ids.txt"
        ids.write_text("".join(f"{each}\n" for each in bodies.ids(0, lookups)), encoding="ascii")
        few = ids.with_name("few.txt")
        few.write_text("".join(f"{each}\n" for each in bodies.ids(0, 10)), encoding="ascii")
        _run(["-c", _GATHER, str(few)], server.plain, ids.parent)  # these runs write the bytecode
        for format_ in options.formats:
            _run(["-c", _FETCH, *_fetch(few, few.with_name(f"few.{format_}"))], server.plain, ids.parent)
        for _ in range(rounds):
            for subject in [*([] if options.fetch_alone else [GATHER]), *options.formats]:
                output = ids.with_name(f"out.{subject}")
                line = (
                    ["-c", _GATHER, str(ids)] if subject == GATHER else ["-c", _FETCH, *_fetch(ids, output)]
                )
                ended = _run(line, server.plain, ids.parent)
                seconds.setdefault(subject, []).append(ended["seconds"])
                processor.setdefault(subject, []).append(ended["cpu"])
                peaks.setdefault(subject, []).append(ended["peak"] / 1e6)
    case = f"{lookups:,} ids"
    report.figures = compare(case, "seconds", seconds, GATHER)
    report.figures += compare(case, "processor, s", processor, GATHER) + compare(
        case, "peak, MB", peaks, None
    )
    for subject in options.formats:
        ratio = median_ratio(seconds, GATHER, subject)
        if ratio is not None:
            budget = f"fetch into {subject}: speed, times that of gather alone"
            report.verdicts.append(Verdict(budget=budget, measured=ratio, at_least=LEAST_OF_GATHER))
        budget = f"fetch into {subject}: peak, MB"
        report.verdicts.append(Verdict(budget=budget, measured=max(peaks[subject]), at_most=MOST_MB))
    return report


def _fetch(ids: Path, output: Path) -> list[str]:
    return ["fetch", str(ids), "-o", str(output), "--force", "--quiet"]


def _run(line: list[str], base_url: str, folder: Path) -> dict[str, float]:
    """Run a process that prints what it took, with its bytecode in a folder, and add its seconds.

    Raises:
        SystemExit: It failed.
    """
    with cores.on(cores.CLIENT_CORE):
        started = time.perf_counter()
        process = subprocess.run(  # noqa: S603 - ours
            [sys.executable, *line],
            capture_output=True,
            check=False,
            env={
                **os.environ,
                "PYTHONPATH": str(HERE),
                "PYTHONDONTWRITEBYTECODE": "",
                "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
                "ELEVENLABS_BASE_URL": base_url,
                "ELEVENLABS_API_KEY": bodies.API_KEY,
            },
        )
        seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(process.stderr.decode())
    ended: dict[str, float] = json.loads(process.stdout)
    return ended | {"seconds": seconds}


def main() -> int:
    """Measure and print.

    Returns:
        The exit status.
    """
    parser = command.parser(__doc__ or "")
    parser.add_argument("--lookups", type=int, metavar="N", help="ids in the file (100,000)")
    parser.add_argument(
        "--formats", nargs="+", default=["jsonl", "csv", "db"], choices=["jsonl", "csv", "db", "parquet"]
    )
    parser.add_argument(
        "--fetch-alone", action="store_true", help="leave gather out, which keeps all in memory"
    )
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where the files are made (the system's)")
    return command.exit_status(command.run(parser.parse_args(), [measure]))


if __name__ == "__main__":
    sys.exit(main())
