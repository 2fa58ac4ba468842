"""Fuzz one target, guided by coverage: `python tests/fuzz/fuzz_with_atheris.py decode -max_total_time=60`.

What follows the target's name goes to libFuzzer. Needs `atheris`, and the extra `cli`.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

atheris = importlib.import_module("atheris")  # which has no types

with atheris.instrument_imports(include=["elevenphone"]):
    from fuzz_targets import KEY, TARGETS, seeds
    from reader_targets import READERS, reader_seeds

ALL = TARGETS | READERS


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in ALL:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(ALL)} [libFuzzer's options]")
    target = ALL[sys.argv[1]]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(_seeds_of(sys.argv[1])):
            Path(corpus, f"{number}").write_bytes(seed)
        atheris.Setup([sys.argv[0], *sys.argv[2:], corpus], target)
        atheris.Fuzz()


def _seeds_of(target: str) -> list[bytes]:
    """Return the first inputs of a target: bodies, answers with a head, or files of readers."""
    if target in READERS:
        return reader_seeds()
    return [*seeds(), *(b"\x00\x64\nx: " + KEY.encode() + b"\n\n" + seed for seed in seeds())]


if __name__ == "__main__":
    main()
