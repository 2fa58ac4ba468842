"""Memory: what one number takes, and whether a stream of a million lookups stays flat.

    python benchmarks/memory.py [--lookups N] [--quick]

Bytes a number are the growth of a process that holds many, half Twilio and half SIP trunk, over how many. The
stream goes over sockets.
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys

from speed_lab import bodies, command, cores, decoders
from speed_lab.contenders import contenders, in_turn
from speed_lab.peak import peak_bytes
from speed_lab.peers import STREAM
from speed_lab.plans import Task
from speed_lab.report import Figure, Report, Verdict, compare
from speed_lab.servers import HERE, serve

HELD, STREAMED = "numbers held", "a long stream"
MOST_GROWTH_MB = 20.0
_HOLD = {decoders.SDK: 4_000}
_HOLD_MOST = 40_000
_FIRST = 10_000


def measure(options: argparse.Namespace) -> Report:
    """Measure both."""
    report = Report(benchmark="memory")
    held: dict[str, list[float]] = {}
    for name in decoders.NAMES:
        count = _HOLD.get(name, _HOLD_MOST) // (20 if options.quick else 1)
        grown = _hold_elsewhere(name, count)
        if grown is None:
            report.left_out.append(f"{name}: not installed, or failed")
        else:
            held[name] = [grown / count]
    report.figures += compare(HELD, "bytes a number", held, decoders.MSGSPEC)
    lookups = options.lookups or (5_000 if options.quick else 1_000_000)
    _add_stream(report, lookups, 1_000 if options.quick else _FIRST)
    return report


def _add_stream(report: Report, lookups: int, first: int) -> None:
    with serve() as server:
        report.server = server.name
        task = Task(peer=STREAM, base_url=server.plain, in_flight=64)
        with contenders([task], "asyncio", report.left_out) as able:
            for contender in able:
                # Laps of one stream each would begin anew: the first is short, the second is the long one.
                peaks = in_turn(
                    [contender],
                    1,
                    lambda one: (one.lap(first).peak_bytes, one.lap(lookups).peak_bytes),
                    report.left_out,
                ).get(contender)
                if peaks:
                    _add_peaks(report, lookups, first, *peaks[0])


def _add_peaks(report: Report, lookups: int, first: int, before: int, after: int) -> None:
    for subject, peak in ((f"after {first:,} lookups", before), (f"after {lookups:,} more", after)):
        report.figures.append(Figure(case=STREAMED, subject=subject, metric="peak, MB", value=peak / 1e6))
    budget = f"stream of {lookups:,}: growth of the peak after the first {first:,}, MB"
    report.verdicts.append(Verdict(budget=budget, measured=(after - before) / 1e6, at_most=MOST_GROWTH_MB))


def _hold_elsewhere(name: str, count: int) -> int | None:
    """Hold numbers in a process of their own, and say by how many bytes it grew."""
    with cores.on(cores.CLIENT_CORE):
        process = subprocess.run(  # noqa: S603 - ours
            [sys.executable, __file__, "--hold", name, "--lookups", str(count)],
            capture_output=True,
            check=False,
            cwd=HERE,
        )
    return int(process.stdout) if process.returncode == 0 else None


def _hold(name: str, count: int) -> int:
    decode = decoders.make(name)
    if decode is None:
        raise SystemExit(f"{name} is not installed")
    templates = (bodies.TWILIO, bodies.SIP_TRUNK)
    held = [decode(bodies.body(templates[index % 2], index)) for index in range(100)]
    gc.collect()
    before = peak_bytes()
    held += [decode(bodies.body(templates[index % 2], index)) for index in range(count)]
    return peak_bytes() - before


def main() -> int:
    """Measure and print.

    Returns:
        The exit status.
    """
    parser = command.parser(__doc__ or "")
    add_options(parser)
    parser.add_argument("--hold", choices=decoders.NAMES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hold is not None:
        print(_hold(options.hold, options.lookups))
        return 0
    return command.exit_status(command.run(options, [measure]))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what only this benchmark has."""
    parser.add_argument("--lookups", type=int, metavar="N", help="length of the stream (a million)")


if __name__ == "__main__":
    sys.exit(main())
