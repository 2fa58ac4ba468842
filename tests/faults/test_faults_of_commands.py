"""Rows 68 to 75: the command's files, pipes and streams, and what happens to them."""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
import os
import shlex
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from commands import ended, run, start
from fault_helpers import KEY, Serve, ids, until
from misbehaving_server import found

pytest.importorskip("click", reason="the command needs it: pip install 'elevenphone[cli]'")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shells, signals and permissions of POSIX")

IDS = ids(40)
PACKAGE = Path(__file__).parents[2]


@pytest.fixture
def http() -> str:
    """Start servers once: these tests run commands, each of which chooses its form of HTTP by itself."""
    return "auto"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ids.txt").write_text("".join(f"{each}\n" for each in IDS))
    return tmp_path


async def in_shell(base_url: str, folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash, in which `elevenphone` is this one."""
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ELEVENLABS_")},
        "ELEVENLABS_API_KEY": KEY,
        "ELEVENLABS_BASE_URL": base_url,
        "PYTHONPATH": str(PACKAGE),
    }
    # Not -X dev: asyncio would print how long a step took on a busy machine.
    command = f"{shlex.quote(sys.executable)} -W default -m elevenphone"
    script = f'set -o pipefail; elevenphone() {{ {command} "$@"; }}; {text}'
    return await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        env=variables,
        cwd=folder,
        timeout=30,
        check=False,
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("label", ["Main\rline", "Main\nline", "Main\r\nline", '"Main"\r'])
def test_row_68_a_line_end_in_a_label_stays_in_its_row(label: str) -> None:
    from elevenphone import Found, decode  # noqa: PLC0415 - with the command
    from elevenphone.cli.formats.columns import Selection  # noqa: PLC0415 - as above
    from elevenphone.cli.formats.rows import CSVLines  # noqa: PLC0415 - as above

    body = {"provider": "twilio", "phone_number": "+1", "label": label, "phone_number_id": "p"}
    form = CSVLines(Selection())
    lookup = Found(0, "p", 1, 0.1, decode(json.dumps(body).encode()))
    text = (
        form.header + form.encode(lookup) + form.encode(msgspec.structs.replace(lookup, index=1))
    ).decode()
    first, second = csv.DictReader(text.splitlines(keepends=True))
    assert (first["label"], second["label"]) == (label, label)
    assert text.endswith("\n")
    assert "\r\n" not in text.replace(label, "")


@pytest.mark.parametrize("output", [">(gzip > out.gz)", "/dev/stdout", "/dev/fd/1"])
async def test_row_69_a_pipe_in_the_place_of_a_file_is_a_stream(
    output: str, folder: Path, serve_plain: Serve
) -> None:
    server = await serve_plain(found)
    piped = "cat" if output.startswith(">") else "gzip > out.gz"
    done = await in_shell(
        server.base_url, folder, f"elevenphone fetch ids.txt -q -o {output} | {piped}; wait"
    )
    assert (done.returncode, done.stderr) == (0, "")

    def whole() -> bool:
        try:
            return gzip.decompress((folder / "out.gz").read_bytes()) != b""
        except (OSError, EOFError):
            return False

    await until(whole, "gzip's end")
    got = [json.loads(line) for line in gzip.decompress((folder / "out.gz").read_bytes()).splitlines()]
    assert {line["phone_number_id"] for line in got} == set(IDS)


async def test_row_69_standard_output_by_its_path_is_standard_output(
    folder: Path, serve_plain: Serve
) -> None:
    server = await serve_plain(found)
    text = "echo before > out; elevenphone fetch ids.txt -q -o /dev/stdout >> out"
    assert (await in_shell(server.base_url, folder, text)).returncode == 0
    assert (folder / "out").read_text().startswith("before\n{")


async def test_row_70_names_beside_the_output_belong_to_their_owners(
    folder: Path, serve_plain: Serve
) -> None:
    server = await serve_plain(found)
    for name in ("out.csv.part", "out.csv.journal"):
        (folder / name).write_text("mine")
    for more in ((), ("--force",), ("--resume",)):
        refused = await run(server.base_url, folder, "fetch", "ids.txt", "-o", "out.csv", *more)
        assert (refused.code, "is not a journal of elevenphone" in refused.shown) == (2, True)
    (folder / "out.csv.journal").unlink()
    assert (await run(server.base_url, folder, "fetch", "ids.txt", "-o", "out.csv")).code == 0
    assert (folder / "out.csv.part").read_text() == "mine"


async def test_row_70_the_input_is_not_taken_for_a_journal(folder: Path, serve_plain: Serve) -> None:
    server = await serve_plain(found)
    (folder / "ids.txt").rename(folder / "out.csv.journal")
    before = (folder / "out.csv.journal").read_bytes()
    ended = await run(server.base_url, folder, "fetch", "out.csv.journal", "-o", "out.csv", "--force")
    assert (ended.code, "are the same file" in ended.shown) == (2, True)
    assert (folder / "out.csv.journal").read_bytes() == before


async def test_row_70_an_output_that_appears_during_the_run_is_not_replaced(
    folder: Path, serve_plain: Serve
) -> None:
    server = await serve_plain(found)
    process = await start(server.base_url, folder, "fetch", "ids.txt", "-o", "out.csv", "--rate", "50")
    await until(lambda: len(server.requests) > 5, "some requests", 20_000)
    (folder / "out.csv").write_text("theirs")
    outcome = await ended(process)
    assert (outcome.code, "has appeared in the meantime" in outcome.shown) == (2, True)
    assert (folder / "out.csv").read_text() == "theirs"
    (folder / "out.csv").unlink()
    assert (await run(server.base_url, folder, "fetch", "ids.txt", "-o", "out.csv", "--resume")).code == 0
    assert len(server.requests) == len(IDS)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
async def test_row_71_a_file_that_is_overwritten_keeps_its_permissions(
    mode: int, folder: Path, serve_plain: Serve
) -> None:
    server = await serve_plain(found)
    output = folder / "out.csv"
    output.write_text("old")
    output.chmod(mode)
    assert (await run(server.base_url, folder, "fetch", "ids.txt", "-o", "out.csv", "--force")).code == 0
    assert stat.S_IMODE(output.stat().st_mode) == mode


async def test_row_72_the_count_on_a_full_disk_is_true(folder: Path, serve_plain: Serve) -> None:
    server = await serve_plain(found)
    many = ids(3_000)
    (folder / "ids.txt").write_text("\n".join(many))
    full = await ended(
        await start(server.base_url, folder, "fetch", "ids.txt", "-o", "out.jsonl", largest_file=400_000)
    )
    assert full.code == 4
    with closing(sqlite3.connect(folder / "out.jsonl.journal")) as journal:
        (kept,) = journal.execute("SELECT sum(length(positions)) / 8 FROM answers").fetchone()
    assert 0 < kept < 3_000
    assert f"{kept:,} answers are kept" in full.shown
    assert (await run(server.base_url, folder, "fetch", "ids.txt", "-o", "out.jsonl", "--resume")).code == 0
    assert [line["phone_number_id"] for line in lines(folder / "out.jsonl")] == many


async def test_row_73_ctrl_c_in_the_export_to_parquet_is_quiet(folder: Path, serve_plain: Serve) -> None:
    pytest.importorskip("pyarrow")
    server = await serve_plain(found)
    # The command, interrupted when the writer of Parquet is asked for its second row group.
    (folder / "sitecustomize.py").write_text(
        "import os, signal, pyarrow.parquet as parquet\n"
        "from elevenphone.cli.formats import parquet as rows\n"
        "rows._ROWS = 10\n"
        "write = parquet.ParquetWriter.write_table\n"
        "def interrupted(self, *arguments, **named):\n"
        "    write(self, *arguments, **named)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "parquet.ParquetWriter.write_table = interrupted\n"
    )
    path = f"{folder}{os.pathsep}{PACKAGE}"
    outcome = await run(
        server.base_url, folder, "fetch", "ids.txt", "-o", "out.parquet", "-q", PYTHONPATH=path
    )
    assert outcome.code == 130
    assert outcome.shown.splitlines()[0] == "elevenphone: interrupted"
    assert "Traceback" not in outcome.shown
    assert "Exception ignored" not in outcome.shown
    assert names(folder) == [
        "ids.txt",
        "out.parquet.journal",
        "sitecustomize.py",
    ]


async def test_row_74_a_flipped_bit_in_a_journal_is_noticed(folder: Path, serve_plain: Serve) -> None:
    server = await serve_plain(found)
    process = await start(server.base_url, folder, "fetch", "ids.txt", "-o", "out.jsonl", "--rate", "40")
    await until(lambda: len(server.requests) > 20, "some requests", 20_000)
    process.send_signal(signal.SIGINT)
    assert (await ended(process)).code == 130
    journal = folder / "out.jsonl.journal"
    content = journal.read_bytes()
    at = content.index(b'{"index":3,') + len(b'{"index":')
    journal.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])  # 3 becomes 7
    resumed = await run(server.base_url, folder, "fetch", "ids.txt", "-o", "out.jsonl", "--resume")
    assert resumed.code == 0
    assert "1 group of answers in 'out.jsonl.journal' changed on the disk: asked for again" in resumed.shown
    got = lines(folder / "out.jsonl")
    assert [line["phone_number_id"] for line in got] == IDS
    assert [line["index"] for line in got] == list(range(len(IDS)))


CLOSED_OUTPUT = "elevenphone: cannot write standard output: it is closed\n"
CLOSED_INPUT = "elevenphone: cannot read the ids from standard input: it is closed.\n"


@pytest.mark.parametrize(
    ("text", "code", "errors"),
    [
        ("elevenphone fetch ids.txt -o - >&-", 4, CLOSED_OUTPUT),
        ("elevenphone fetch ids.txt -o /dev/stdout >&-", 4, CLOSED_OUTPUT),
        ("elevenphone get phnum_1 >&-", 4, CLOSED_OUTPUT),
        ("elevenphone doctor >&-", 4, CLOSED_OUTPUT),
        ("elevenphone fetch ids.txt -o - >&- 2>&-", 4, ""),
        ("elevenphone fetch - -o out.csv <&-", 2, CLOSED_INPUT),
        ("elevenphone get - <&-", 2, CLOSED_INPUT),
        ("elevenphone fetch ids.txt -q -o out.csv >&- 2>&- <&-", 0, ""),
    ],
)
async def test_row_75_closed_streams_are_a_clear_error(
    text: str, code: int, errors: str, folder: Path, serve_plain: Serve
) -> None:
    server = await serve_plain(found)
    done = await in_shell(server.base_url, folder, text)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", errors)
    assert names(folder) == (["ids.txt", "out.csv"] if code == 0 else ["ids.txt"])
