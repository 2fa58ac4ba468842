"""Fuzz one target, guided by coverage: `python tests/fuzz/fuzz_with_atheris.py decode -max_total_time=60`.

What follows the target's name goes to libFuzzer. Needs `atheris`.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

atheris = importlib.import_module("atheris")  # which has no types

with atheris.instrument_imports(include=["elevenphone"]):
    from fuzz_targets import KEY, TARGETS, seeds


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(TARGETS)} [libFuzzer's options]")
    target = TARGETS[sys.argv[1]]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds()):
            Path(corpus, f"{number}").write_bytes(seed)
            Path(corpus, f"{number}-answer").write_bytes(b"\x00\x64\nx: " + KEY.encode() + b"\n\n" + seed)
        atheris.Setup([sys.argv[0], *sys.argv[2:], corpus], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
