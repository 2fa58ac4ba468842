"""The formats of results: JSONL, CSV, Parquet and SQLite, whole or selected."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest
from cli_helpers import Api, Ended, run, run_process
from hypothesis import given
from hypothesis import strategies as st

from elevenphone import (
    Failed,
    Found,
    NotFoundError,
    OtherPhoneNumber,
    OutboundTrunk,
    SIPTrunkPhoneNumber,
    decode,
)
from elevenphone.cli.formats.columns import COLUMNS, NUMBER_COLUMNS, Selection
from elevenphone.cli.formats.database import DatabaseRows
from elevenphone.cli.formats.lines import encode_line
from elevenphone.cli.formats.rows import CSVLines

PACKAGE = Path(__file__).parents[2]
OTHER = decode(b'{"provider":"new","phone_number":"+1","label":"\xc2\x9b",\n"phone_number_id":"p","x":1}')


@pytest.fixture
def ids(api: Api, tmp_path: Path) -> Path:
    path = tmp_path / "ids.txt"
    path.write_text("\n".join([*api.ids, api.unknown_id]), encoding="utf-8")
    return path


def fetch(*arguments: object, api: Api) -> Ended:
    ended = run("fetch", *arguments, "--quiet", **api.variables)
    assert (ended.code, ended.errors) == (1, "")
    return ended


def csv_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_a_row_for_each_with_the_parts_flat(api: Api, ids: Path, tmp_path: Path) -> None:
    fetch(ids, "-o", tmp_path / "out.csv", api=api)
    rows = csv_rows((tmp_path / "out.csv").read_bytes().decode())
    assert [row["phone_number_id"] for row in rows] == [*api.ids, api.unknown_id]
    assert (rows[-1]["error_kind"], rows[-1]["http_status"]) == ("not_found", "404")
    for row in rows[:-1]:
        number = api.emulator.number(row["phone_number_id"])
        agent = number.assigned_agent
        assert row["status"] == "found"
        assert row["label"] == number.label
        assert row["supports_inbound"] == json.dumps(number.supports_inbound)
        assert row["assigned_agent.agent_id"] == (agent.agent_id if agent else "")
        trunk = number.outbound_trunk if isinstance(number, SIPTrunkPhoneNumber) else None
        codecs = json.dumps(trunk.enabled_codecs, separators=(",", ":")) if trunk else ""
        assert row["outbound_trunk.enabled_codecs"] == codecs


@given(
    label=st.text(st.sampled_from("ab \",;'\r\n\t\u00e9\u4e2d"), max_size=5),
    headers=st.dictionaries(st.text('ab",\n', max_size=3), st.text('ab",\\', max_size=3), max_size=2),
)
def test_csv_of_any_text_is_what_the_csv_module_writes(label: str, headers: dict[str, str]) -> None:
    trunk = OutboundTrunk(
        address="a", transport="tls", media_encryption="allowed", has_auth_credentials=True, headers=headers
    )
    number = SIPTrunkPhoneNumber(
        phone_number="+1", label=label, phone_number_id="p", livekit_stack="standard", outbound_trunk=trunk
    )
    form = CSVLines(Selection())
    row = form.encode(Found(0, "p", 1, 0.25, number)).decode()
    (read,) = csv.DictReader(io.StringIO(form.header.decode() + row, newline=""))
    assert read["label"] == label
    assert json.loads(read["outbound_trunk.headers"]) == headers
    assert read["elapsed"] == "0.25"
    again = io.StringIO(newline="")
    csv.writer(again, lineterminator="\r\n").writerow(read.values())
    assert again.getvalue().removesuffix("\r\n") == row.removesuffix("\n")


def test_csv_of_one_column_that_is_empty_or_nested_has_a_line_for_each() -> None:
    number = SIPTrunkPhoneNumber(phone_number="+1", label="", phone_number_id="p", livekit_stack="standard")
    for column in ("label", "outbound_trunk.headers"):
        form = CSVLines(Selection((column,), of_numbers=True))
        assert (form.header, form.encode(Found(0, "p", 1, 0.25, number))) == (f"{column}\n".encode(), b'""\n')


def test_a_database_has_the_columns_of_the_csv_and_each_body(api: Api, ids: Path, tmp_path: Path) -> None:
    for ending in ("db", "sqlite", "sqlite3"):
        fetch(ids, "-o", tmp_path / f"out.{ending}", api=api)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".db", ".sqlite", ".sqlite3", ".txt"]
    with closing(sqlite3.connect(tmp_path / "out.db")) as database:
        database.row_factory = sqlite3.Row
        rows = database.execute('SELECT * FROM lookups ORDER BY "index"').fetchall()
        without = database.execute(
            "SELECT count(*) FROM lookups WHERE status = 'found' AND \"assigned_agent.agent_id\" IS NULL"
        ).fetchone()[0]
        types = {name: type_ for _, name, type_, *_ in database.execute("PRAGMA table_info(lookups)")}
    assert tuple(rows[0].keys()) == COLUMNS
    assert [row["phone_number_id"] for row in rows] == [*api.ids, api.unknown_id]
    for row in rows[:-1]:
        assert decode(row["raw"].encode()) == api.emulator.number(row["phone_number_id"])
        assert row["supports_outbound"] in (0, 1)
    assert rows[-1]["raw"] is None
    assert without == sum(api.emulator.number(each).assigned_agent is None for each in api.ids)
    assert (types["index"], types["elapsed"], types["label"]) == ("INTEGER", "REAL", "TEXT")
    assert types["outbound_trunk.has_auth_credentials"] == "INTEGER"


def test_a_database_that_cannot_be_opened_is_an_error_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="unable to open database file"):  # as SQLite says of a long path, too
        DatabaseRows(str(tmp_path), Selection())


def test_parquet_is_the_schema_of_the_arrow_extra(api: Api, ids: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    from elevenphone.arrow import SCHEMA  # noqa: PLC0415 - where there is pyarrow

    output = tmp_path / "out.parquet"
    fetch(ids, "-o", output, api=api)
    table = parquet.read_table(output)
    assert table.schema.equals(SCHEMA)
    assert table.column("phone_number_id").to_pylist() == [*api.ids, api.unknown_id]
    fetch(output, "-o", tmp_path / "again.parquet", api=api)
    assert parquet.read_table(tmp_path / "again.parquet").column("status").equals(table.column("status"))


def test_without_pyarrow_one_line_says_what_to_install(
    api: Api, ids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyarrow.py").write_text("raise ModuleNotFoundError('hidden by a test')\n", encoding="ascii")
    ended = run_process(
        *("fetch", ids, "-o", "x.parquet"), **api.variables, PYTHONPATH=f"{tmp_path}{os.pathsep}{PACKAGE}"
    )
    assert ended.code == 2
    assert "pip install 'elevenphone[arrow]'" in ended.errors
    assert not (tmp_path / "x.parquet.journal").exists()


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet", "db"])
def test_selected_fields_stand_beside_id_and_status(api: Api, ids: Path, tmp_path: Path, ending: str) -> None:
    output = tmp_path / f"out.{ending}"
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    fetch(ids, "-o", output, "--select", "index, phone_number, assigned_agent", api=api)
    rows = read(output)
    agent = [f"assigned_agent.{name}" for name in ("agent_id", "agent_name", "environment", "branch_id")]
    assert list(rows[0]) == ["phone_number_id", "status", "index", "phone_number", *agent]
    assert [str(row["index"]) for row in rows] == [str(index) for index in range(len(api.ids) + 1)]
    for row in rows[:-1]:
        number = api.emulator.number(str(row["phone_number_id"]))
        assert row["phone_number"] == number.phone_number
        expected = number.assigned_agent.agent_name if number.assigned_agent else None
        assert (row["assigned_agent.agent_name"] or None) == expected
    assert rows[-1]["status"] == "not_found"


def read(path: Path) -> list[dict[str, object]]:
    match path.suffix:
        case ".jsonl":
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        case ".csv":
            return [dict(row) for row in csv_rows(path.read_bytes().decode())]
        case ".db":
            with closing(sqlite3.connect(path)) as database:
                database.row_factory = sqlite3.Row
                return [dict(row) for row in database.execute("SELECT * FROM lookups")]
        case _:
            parquet = pytest.importorskip("pyarrow.parquet")
            rows: list[dict[str, object]] = parquet.read_table(path).to_pylist()
            return rows


def test_no_agent_leaves_out_ids_that_were_not_found(api: Api, ids: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    fetch(ids, "-o", output, "--no-agent", "--select", "label", api=api)
    rows = csv_rows(output.read_bytes().decode())
    expected = [each for each in api.ids if api.emulator.number(each).assigned_agent is None]
    assert [row["phone_number_id"] for row in rows] == expected
    assert {row["status"] for row in rows} == {"found"}
    again = run("fetch", ids, "-o", output, "--no-agent", "--resume", **api.variables)
    assert again.code == 2
    assert "--force" in again.errors


def test_csv_on_a_pipe(api: Api, ids: Path) -> None:
    ended = fetch(ids, "-o", "-", "--format", "csv", "--no-agent", api=api)
    rows = csv_rows(ended.output)
    assert tuple(rows[0]) == COLUMNS
    expected = {each for each in api.ids if api.emulator.number(each).assigned_agent is None}
    assert {row["phone_number_id"] for row in rows} == expected


@pytest.mark.parametrize("format_", ["parquet", "db"])
def test_formats_that_need_a_file_are_refused_on_a_pipe(api: Api, ids: Path, format_: str) -> None:
    ended = run("fetch", ids, "-o", "-", "--format", format_, **api.variables)
    assert ended.code == 2
    assert "as answers come" in ended.errors


def test_csv_has_the_columns_of_the_arrow_schema() -> None:
    pytest.importorskip("pyarrow")
    from elevenphone.arrow import SCHEMA  # noqa: PLC0415 - where there is pyarrow

    assert set(COLUMNS) == {*SCHEMA.empty_table().flatten().column_names, "index"}
    assert set(NUMBER_COLUMNS) < set(COLUMNS)


def test_csv_keeps_what_only_a_new_provider_has() -> None:
    form = CSVLines(Selection())
    text = form.header + b"".join(
        form.encode(lookup)
        for lookup in (
            Found(0, "p", 1, 0.1, OTHER),
            Failed(1, "q\udcff", 1, 0.1, NotFoundError(404, "c", "gone")),
        )
    )
    first, second = csv_rows(text.decode())
    assert isinstance(OTHER, OtherPhoneNumber)
    assert (first["provider"], json.loads(first["raw"])) == ("new", json.loads(OTHER.raw))
    assert first["raw"].isprintable()
    assert (second["phone_number_id"], second["error_code"]) == ("q\\udcff", "c")


def test_a_line_leaves_nothing_in_memory() -> None:
    found = Found(0, "p", 1, 0.5, OTHER)
    encode_line(found)
    tracemalloc.start()
    try:
        for _ in range(3_000):
            encode_line(found)
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Threads of the test runner allocate a little meanwhile.
    assert left < 3_000 * 30
