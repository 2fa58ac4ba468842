"""Run a guide's script on a real engine, against an emulator in a separate process."""

# pyright: reportUnknownMemberType=false
# The stubs of pyarrow leave parts of its types open.

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, cast

import psutil
import pyarrow
import pyarrow.dataset
import pyarrow.parquet

from elevenphone.arrow import SCHEMA
from elevenphone.emulator import Emulator

GUIDES = Path(__file__).parents[2] / "docs" / "engines"
# ELEVENPHONE_ENGINES_IDS=20000 takes about a minute an engine.
NUMBERS = int(os.environ.get("ELEVENPHONE_ENGINES_IDS", "4000"))
PATIENCE = 600.0
_FILES = 4
_SETTINGS = {
    "--numbers": str(NUMBERS),
    "--latency": "uniform:0.004,0.012",
    "--concurrency-limit": "12",
    "--server-errors": "0.01",
    "--drops": "0.005",
    "--truncated": "0.005",
}


class Service(NamedTuple):
    """An emulator in a separate process.

    Attributes:
        variables: The environment variables that point the client at it.
        expected: Each id, and the status that its lookup ends with.
        log: Has a line for each request that was answered.
    """

    variables: Mapping[str, str]
    expected: Mapping[str, str]
    log: Path

    @property
    def requests(self) -> int:
        return self.log.read_bytes().count(b"\n")


@contextmanager
def service(folder: Path) -> Generator[Service]:
    log = folder / "requests.log"
    settings = [part for setting in _SETTINGS.items() for part in setting]
    command = [sys.executable, "-m", "elevenphone", "emulator", "--log", *settings]
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,  # noqa: S603
    ):
        try:
            yield Service(_announced(process), _expected(), log)
        finally:
            process.terminate()


def _announced(process: subprocess.Popen[str]) -> dict[str, str]:
    variables: dict[str, str] = {}
    assert process.stdout is not None
    for line in process.stdout:
        if exported := re.match(r"export (\w+)=(\S+)", line):
            variables[exported[1]] = exported[2]
        if line.startswith("# Ctrl-C"):
            break
    return variables


def _expected() -> dict[str, str]:
    emulator = Emulator(NUMBERS)  # the same as that of the other process: ids come from the seed
    return dict.fromkeys(emulator.ids, "found") | dict.fromkeys(emulator.unknown_ids, "not_found")


def script_of(guide: str, folder: Path) -> Path:
    """Write the first block of a guide, which is a whole script, to a file."""
    text = (GUIDES / guide).read_text(encoding="utf-8")
    block = re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    script = folder / "look_up.py"
    script.write_text(block[1], encoding="utf-8")
    return script


def write_ids(ids: Sequence[str], folder: Path) -> None:
    """Write ids to some Parquet files, with a second column that must be ignored."""
    folder.mkdir()
    each = -(-len(ids) // _FILES)
    for start in range(0, len(ids), each):
        piece = list(ids[start : start + each])
        table = pyarrow.table({"customer": list(range(len(piece))), "phone_number_id": piece})
        pyarrow.parquet.write_table(table, folder / f"ids-{start:06}.parquet")


def run_and_kill_a_worker(
    command: Sequence[str | Path],
    variables: Mapping[str, str],
    service: Service,
    is_worker: Callable[[psutil.Process], bool],
) -> None:
    """Run a script to its end, and kill one of its workers when half of the ids have been requested.

    Args:
        command: The script and its arguments.
        variables: Environment variables, besides those of the service.
        service: The emulator that it uses.
        is_worker: Whether a descendant of the script's process is a worker.
    """
    output = service.log.with_name("output.log")
    environment = {**os.environ, **service.variables, **variables}
    killed: psutil.Process | None = None
    ends = time.monotonic() + PATIENCE
    with output.open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603
        try:
            while process.poll() is None and time.monotonic() < ends:
                if killed is None and service.requests > len(service.expected) // 2:
                    killed = _kill_one(psutil.Process(process.pid), is_worker)
                time.sleep(0.05)
        finally:
            _end_with_descendants(process)
    said = output.read_text(errors="replace")
    assert process.returncode == 0, said[-5_000:]
    assert killed is not None, "no worker was found to kill"
    assert service.variables["ELEVENLABS_API_KEY"] not in said


def _kill_one(script: psutil.Process, is_worker: Callable[[psutil.Process], bool]) -> psutil.Process | None:
    for descendant in script.children(recursive=True):
        try:
            if is_worker(descendant):
                descendant.kill()
                return descendant
        except psutil.NoSuchProcess:
            continue
    return None


def _end_with_descendants(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        descendants = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for descendant in descendants:
            descendant.kill()
    process.wait()


def read_lookups(folder: Path) -> pyarrow.Table:
    return pyarrow.dataset.dataset(folder, format="parquet", exclude_invalid_files=True).to_table()


def assert_each_id_once(lookups: pyarrow.Table, service: Service) -> None:
    assert lookups.schema.equals(SCHEMA)
    rows = cast("list[dict[str, str]]", lookups.select(["phone_number_id", "status"]).to_pylist())
    assert [
        each for each, count in Counter(row["phone_number_id"] for row in rows).items() if count > 1
    ] == []
    assert {row["phone_number_id"]: row["status"] for row in rows} == service.expected
    # Only a part of the half that was done before the kill was done again.
    assert len(service.expected) < service.requests < 2 * len(service.expected)
