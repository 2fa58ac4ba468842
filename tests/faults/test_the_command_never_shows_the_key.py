"""The key, looked for in all that the command line prints and keeps, over every class of error."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from commands import run
from fault_helpers import KEY, Serve
from misbehaving_server import Wire, found
from provoked_errors import CASES, echo

from elevenphone.errors import AuthenticationError, InvalidPhoneNumberIdError

pytest.importorskip("click", reason="the command needs it: pip install 'elevenphone[cli]'")

# By the id that provokes it; an id with a line break would be two, and a refused key ends a run.
BY_ID = {
    name.replace(" ", "_"): case
    for name, case in CASES.items()
    if case.kind not in (InvalidPhoneNumberIdError, AuthenticationError)
}
REFUSED = "refused"
_KEPT = 40


async def provoke(wire: Wire) -> None:
    """Do to each id what it is called after."""
    name = wire.request.phone_number_id
    if name == REFUSED:
        await echo(401)(wire)
    elif name in BY_ID:
        await BY_ID[name].behaviour(wire)
    else:
        await found(wire)


@pytest.fixture
def http() -> str:
    """Start servers once: these tests run commands, each of which chooses its form of HTTP by itself."""
    return "auto"


def among_good_ones(ids: Iterable[str]) -> list[str]:
    """Put ids among others that are found: nothing but failures would be taken for a server that is away."""
    return [each for name in ids for each in (f"before_{name}", name, f"after_{name}")]


def texts(folder: Path) -> Iterator[str]:
    """Read all that a command has written."""
    for path in folder.iterdir():
        yield path.read_bytes().decode(errors="replace")


@pytest.mark.parametrize("format_", ["jsonl", "csv"])
async def test_neither_output_nor_journal_nor_failures_hold_it(
    format_: str, serve_plain: Serve, tmp_path: Path
) -> None:
    server = await serve_plain(provoke)
    ids = among_good_ones(BY_ID)
    (tmp_path / "ids.txt").write_text("\n".join(ids))
    ended = await run(
        server.base_url,
        tmp_path,
        *("fetch", "ids.txt", "-o", f"out.{format_}", "--failures", "failures.jsonl"),
        *("--timeout", "0.3", "--deadline", "1"),
    )
    assert ended.code == 5
    assert "--resume" in ended.shown  # some of it may pass, and so the journal is kept
    assert len(list(texts(tmp_path))) == 4
    with closing(sqlite3.connect(tmp_path / f"out.{format_}.journal")) as journal:
        assert journal.execute("SELECT sum(length(positions)) FROM answers").fetchone() == (8 * len(ids),)
    assert "[API key]" in "".join(texts(tmp_path))  # it has been there, and was taken out
    for text in (ended.shown, *texts(tmp_path)):
        assert KEY not in text


async def test_a_run_that_a_refused_key_ends_does_not_show_it(serve_plain: Serve, tmp_path: Path) -> None:
    server = await serve_plain(provoke)
    (tmp_path / "ids.txt").write_text("\n".join([f"phnum_{n}" for n in range(_KEPT)] + [REFUSED]))
    ended = await run(server.base_url, tmp_path, "fetch", "ids.txt", "-o", "out.jsonl", "--concurrency", "1")
    assert ended.code == 3
    assert f"{_KEPT} answers are kept" in ended.shown
    for text in (ended.shown, *texts(tmp_path)):
        assert KEY not in text


async def test_a_run_that_ends_for_its_output_does_not_show_it(serve_plain: Serve, tmp_path: Path) -> None:
    server = await serve_plain(provoke)
    (tmp_path / "ids.txt").write_text("phnum_1\n")
    ended = await run(server.base_url, tmp_path, "fetch", "ids.txt", "-o", "absent/out.jsonl")
    assert ended.code == 4
    assert KEY not in ended.shown


@pytest.mark.parametrize("arguments", [(), ("--json",)], ids=["for people", "as JSON"])
async def test_get_does_not_show_it(arguments: tuple[str, ...], serve_plain: Serve, tmp_path: Path) -> None:
    server = await serve_plain(provoke)
    ids = among_good_ones(BY_ID)
    patience = ("--timeout", "0.3", "--deadline", "1")
    ended = await run(server.base_url, tmp_path, "get", *ids, *patience, *arguments)
    assert ended.code == 5
    assert "[API key]" in ended.shown
    assert KEY not in ended.shown


@pytest.mark.parametrize("status", [200, 302, 401, 404, 429, 500])
async def test_the_doctor_does_not_show_it(status: int, serve_plain: Serve, tmp_path: Path) -> None:
    server = await serve_plain(echo(status))
    ended = await run(server.base_url, tmp_path, "doctor")
    assert "lookup" in ended.shown
    assert "of an unusual form" in ended.shown
    assert KEY not in ended.shown


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "https://127.0.0.1:9", "https://a..b"])
async def test_the_doctor_does_not_show_it_where_there_is_no_way(address: str, tmp_path: Path) -> None:
    ended = await run(address, tmp_path, "doctor")
    assert KEY not in ended.shown
    assert "Traceback" not in ended.shown
    assert ended.code == 7
    assert "fail  host" in ended.shown


async def test_a_key_that_is_none_is_not_shown(serve_plain: Serve, tmp_path: Path) -> None:
    server = await serve_plain(found)
    for content in (f"{KEY} {KEY}", f"{KEY}\n{KEY}", f"{KEY}\u00e9", f"{KEY}\x00"):
        (tmp_path / "key").write_text(content)
        for command in (("get", "phnum_1"), ("doctor",)):
            ended = await run(server.base_url, tmp_path, *command, "--api-key-file", "key")
            assert ended.code == 2
            assert KEY not in ended.shown
    assert server.requests == []
