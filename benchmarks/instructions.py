"""Machine instructions a lookup, counted by valgrind: a figure that no other load on the machine changes.

    python benchmarks/instructions.py                             needs valgrind, and minutes
    python benchmarks/instructions.py --peers get "bare aiohttp + msgspec" --keep /tmp/profiles

What is counted is the difference of two runs that look up more and fewer ids, so that starting Python is not
in it. With `--keep` the longer run's profile is kept for `callgrind_annotate`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from speed_lab import command, cores
from speed_lab.peers import BARE, GATHER, GET, PEERS, STREAM, WIRE, installed
from speed_lab.report import Report, compare
from speed_lab.servers import HERE, serve

METRIC = "instructions a lookup, thousands"
_TOTAL = re.compile(rb"^(?:summary|totals): (\d+)", re.MULTILINE)
_FEWER, _MORE = 200, 1_200


def measure(options: argparse.Namespace) -> Report:
    """Count for each peer."""
    names, left_out = installed(options.peers or (GET, GATHER, STREAM, WIRE, BARE))
    report = Report(benchmark="instructions", left_out=left_out)
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        report.left_out.append("instructions: valgrind is not installed")
        return report
    with serve() as server, tempfile.TemporaryDirectory() as folder:
        report.server = server.name
        counts: dict[str, list[float]] = {}
        for name in names:
            kept = Path(folder) / "profile"
            fewer, more = (_count(valgrind, name, server.plain, lookups, kept) for lookups in (_FEWER, _MORE))
            counts[name] = [(more - fewer) / (_MORE - _FEWER) / 1000]
            if options.keep is not None:
                options.keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(kept, options.keep / f"callgrind.{name.replace(' ', '_')}")
        report.figures = compare(f"plain, asyncio, {_IN_FLIGHT} in flight", METRIC, counts, BARE)
    return report


_IN_FLIGHT = 64


def _count(valgrind: str, peer: str, base_url: str, lookups: int, profile: Path) -> int:
    with cores.on(cores.CLIENT_CORE):
        subprocess.run(  # noqa: S603 - ours
            [
                valgrind,
                "--tool=callgrind",
                f"--callgrind-out-file={profile}",
                "-q",
                sys.executable,
                "-m",
                "speed_lab.fixed_run",
                peer,
                base_url,
                str(_IN_FLIGHT),
                str(lookups),
            ],
            check=True,
            env={**os.environ, "PYTHONPATH": str(HERE), "PYTHONHASHSEED": "0"},
        )
    found = _TOTAL.search(profile.read_bytes())
    if found is None:
        raise RuntimeError("valgrind wrote no total")
    return int(found[1])


def main() -> int:
    """Count and print.

    Returns:
        The exit status.
    """
    parser = command.parser(__doc__ or "")
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), metavar="NAME", help=", ".join(PEERS))
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the profiles there")
    return command.exit_status(command.run(parser.parse_args(), [measure]))


if __name__ == "__main__":
    sys.exit(main())
