"""`elevenphone fetch` in processes of their own, killed or interrupted, and resumed in this one."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from cli_helpers import PATIENCE, command, environment, run

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
        """Run to the end, in this process."""
        with contextlib.chdir(self.folder):
            ended = run("fetch", source, "-o", "out.jsonl", *arguments, given=given, **self.variables)
        return ended.code, ended.errors

    def kept(self, *, of_a_run_under_way: bool = False) -> int:
        """Count the answers in the journal; those of a run under way are read past its lock."""
        query = "SELECT coalesce(sum(length(positions)), 0) / 8 FROM answers"  # eight bytes for each
        return self._number(query, of_a_run_under_way=of_a_run_under_way)

    def _number(self, query: str, *, of_a_run_under_way: bool) -> int:
        if not self.journal.exists():
            return 0
        options = "immutable=1" if of_a_run_under_way else "mode=rw"
        database = sqlite3.connect(f"{self.journal.as_uri()}?{options}", uri=True)
        with contextlib.closing(database):
            try:
                return int(database.execute(query).fetchone()[0])
            except sqlite3.Error:
                if of_a_run_under_way:  # in the middle of a commit
                    return 0
                raise

    def wait_until_kept(self, count: int) -> None:
        self._wait_until(lambda: self.kept(of_a_run_under_way=True) >= count)

    def wait_until_begun_with(self, ids: int) -> None:
        """Wait until the journal is that of a run with so many ids."""
        self._wait_until(lambda: self._number("SELECT ids FROM run", of_a_run_under_way=True) == ids)

    @staticmethod
    def _wait_until(is_so: Callable[[], bool]) -> None:
        patience = time.monotonic() + PATIENCE
        while not is_so() and time.monotonic() < patience:
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
