"""`elevenphone fetch` in processes of their own, which are killed, interrupted and resumed."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

from cli_helpers import PATIENCE, command, environment

_SECONDS_BETWEEN_LOOKS = 0.02


class Fetch:
    """`fetch` of a list into a file, again and again."""

    def __init__(self, folder: Path, ids: list[str], variables: dict[str, str]) -> None:
        self.folder = folder
        self.ids = ids
        self.variables = variables
        self.input = folder / "ids.txt"
        self.output = folder / "out.jsonl"
        self.journal = folder / "out.jsonl.journal"
        folder.mkdir(exist_ok=True)
        self.write(ids)

    def write(self, ids: list[str]) -> None:
        self.input.write_text("".join(f"{each}\n" for each in ids), encoding="utf-8")

    def start(self, *arguments: str, source: str = "ids.txt") -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - this interpreter
            command("fetch", source, "-o", "out.jsonl", *arguments),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**self.variables),
            cwd=self.folder,
        )

    def run(self, *arguments: str, source: str = "ids.txt", given: str = "") -> tuple[int, str]:
        process = self.start(*arguments, source=source)
        _, errors = process.communicate(given, timeout=PATIENCE)
        assert "Traceback" not in errors
        return process.returncode, errors

    def kept(self, *, of_a_run_under_way: bool = False) -> int:
        """Count the answers in the journal; those of a run under way are read past its lock."""
        if not self.journal.exists():
            return 0
        options = "immutable=1" if of_a_run_under_way else "mode=rw"
        database = sqlite3.connect(f"{self.journal.as_uri()}?{options}", uri=True)
        with contextlib.closing(database):
            if not of_a_run_under_way:
                return int(database.execute("SELECT count(*) FROM answers").fetchone()[0])
            with contextlib.suppress(sqlite3.Error):  # in the middle of a commit
                return int(database.execute("SELECT count(*) FROM answers").fetchone()[0])
            return 0

    def wait_until_kept(self, count: int) -> None:
        patience = time.monotonic() + PATIENCE
        while self.kept(of_a_run_under_way=True) < count and time.monotonic() < patience:
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def interrupt(self, number: signal.Signals, after: int) -> tuple[int, str]:
        process = self.start("--rate", "300")
        self.wait_until_kept(after)
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE)
        return process.returncode, errors

    def assert_whole(self) -> None:
        lines = [json.loads(line) for line in self.output.read_text(encoding="utf-8").splitlines()]
        assert [line["phone_number_id"] for line in lines] == self.ids
        assert [line["index"] for line in lines] == list(range(len(self.ids)))
        assert {line["status"] for line in lines} == {"found"}
        assert sorted(path.name for path in self.folder.iterdir()) == ["ids.txt", "out.jsonl"]
