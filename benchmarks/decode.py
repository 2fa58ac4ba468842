"""What it takes to make an object of a body: each provider, an unknown one, an absent one.

    python benchmarks/decode.py [--quick]

All decoders run in this process, in turn. A dash means that a decoder does not take such a body.
"""

from __future__ import annotations

import argparse
import sys
import time

from speed_lab import bodies, command, cores, decoders
from speed_lab.report import Report, Verdict, compare, median_ratio

METRIC = "µs a body"
MOST_OF_MSGSPEC = 1.3


def measure(options: argparse.Namespace) -> Report:
    """Measure every decoder with every kind of body."""
    rounds = options.rounds or (9 if options.quick else 101)
    seconds = 0.001 if options.quick else 0.003
    report = Report(benchmark="decode")
    made: dict[str, decoders.Decode] = {}
    for name in decoders.NAMES:
        decode = decoders.make(name)
        if decode is None:
            report.left_out.append(f"{name}: not installed")
        else:
            made[name] = decode
    with cores.on(cores.CLIENT_CORE):
        for kind, template in bodies.KINDS.items():
            body = bodies.body(template)
            turns = _race(made, body, rounds, seconds)
            against = decoders.MSGSPEC if decoders.MSGSPEC in turns else decoders.OURS
            report.figures += compare(kind, METRIC, turns, against)
            report.left_out += [f"{name}: refuses a body with {kind}" for name in made.keys() - turns.keys()]
            ratio = median_ratio(turns, decoders.OURS, decoders.MSGSPEC)
            if kind in bodies.KNOWN and ratio is not None:
                budget = f"decode, {kind}: times msgspec alone"
                report.verdicts.append(Verdict(budget=budget, measured=ratio, at_most=MOST_OF_MSGSPEC))
    return report


def _race(
    made: dict[str, decoders.Decode], body: bytes, rounds: int, seconds: float
) -> dict[str, list[float]]:
    counts: dict[str, int] = {}
    for name, decode in made.items():
        try:
            decode(body)
        except Exception:  # noqa: S112 - whatever it raises, it does not take this body
            continue
        _time(decode, body, 20)
        counts[name] = max(1, int(seconds / min(_time(decode, body, 10) for _ in range(5))))
    turns: dict[str, list[float]] = {name: [] for name in counts}
    names = list(counts)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            turns[name].append(_time(made[name], body, counts[name]) * 1e6)
    return turns


def _time(decode: decoders.Decode, body: bytes, count: int) -> float:
    """Say how much of the processor's time one call takes, in seconds."""
    repeats = range(count)
    started = time.thread_time()
    for _ in repeats:
        decode(body)
    return (time.thread_time() - started) / count


if __name__ == "__main__":
    sys.exit(command.main(__doc__ or "", measure))
