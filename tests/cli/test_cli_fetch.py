from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_helpers import KEY, PATIENCE, Ended, Running, emulator, environment, run, run_on_terminal

from elevenphone import SIPTrunkPhoneNumber, decode
from elevenphone.cli._exit_codes import Refusal
from elevenphone.cli._ids import IdSource


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An emulator with some faults, and six ids in three hundred that it does not know."""
    ids_file = tmp_path_factory.mktemp("emulator") / "ids.txt"
    faults = ("--server-errors", "0.02", "--drops", "0.02", "--concurrency-limit", "20")
    with emulator("--numbers", "300", "--with-unknown", *faults, ids_file=ids_file) as running:
        yield running


@pytest.fixture
def ids(api: Running, tmp_path: Path) -> Path:
    return written(tmp_path / "ids.txt", api.ids)


def written(path: Path, ids: list[str]) -> Path:
    path.write_text("".join(f"{phone_number_id}\n" for phone_number_id in ids), encoding="utf-8")
    return path


def fetch(*arguments: object, api: Running, given: str | bytes = b"", **variables: str) -> Ended:
    return run("fetch", *map(str, arguments), given=given, **{**api.variables, **variables})


def documents(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_id_has_its_line_in_the_order_of_the_input(api: Running, ids: Path, tmp_path: Path) -> None:
    with ids.open("a", encoding="utf-8") as file:
        file.write(f"\r\n  {api.ids[0]}\r\n..\n")
    output, failures = tmp_path / "out.jsonl", tmp_path / "failures.jsonl"
    ended = fetch(ids, "-o", output, "--failures", failures, api=api)
    assert ended.code == 1
    lines = documents(output.read_text(encoding="utf-8"))
    assert [line["phone_number_id"] for line in lines] == [*api.ids, api.ids[0], ".."]
    assert [line["index"] for line in lines] == list(range(len(lines)))
    found = [line for line in lines if line["status"] == "found"]
    assert len(found) == 301
    for line in found:
        assert decode(json.dumps(line["number"]).encode()).phone_number_id == line["phone_number_id"]
    assert documents(failures.read_text(encoding="utf-8")) == [line for line in lines if "error" in line]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["failures.jsonl", "ids.txt", "out.jsonl"]
    for word in ("308 lookups in", "not found", "--region", "is a step in a path", "out.jsonl"):
        assert word in ended.errors
    assert ended.output == ""


def test_all_found_is_zero_and_quiet_is_silent(api: Running, tmp_path: Path) -> None:
    known = [phone_number_id for phone_number_id in api.ids if phone_number_id != api.unknown_id][:5]
    one = run("get", *known, **api.variables)
    known = [str(line["phone_number_id"]) for line in documents(one.output) if line["status"] == "found"]
    ids = written(tmp_path / "ids", known)
    ended = fetch(
        ids, "-o", tmp_path / "out.ndjson", "--quiet", "--concurrency", "2", "--rate", "500", api=api
    )
    assert ended == (0, "", "")


def test_csv_has_a_row_for_each_with_the_parts_flat(api: Running, ids: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    assert fetch(ids, "-o", output, api=api).code == 1
    with output.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["phone_number_id"] for row in rows] == api.ids
    lines = {
        line["phone_number_id"]: line for line in documents(run("get", *api.ids, **api.variables).output)
    }
    for row in rows:
        line = lines[row["phone_number_id"]]
        assert row["status"] == line["status"]
        if "number" not in line:
            assert (row["error_kind"], row["http_status"]) == ("not_found", "404")
            continue
        number = decode(json.dumps(line["number"]).encode())
        agent = number.assigned_agent
        assert row["label"] == number.label
        assert row["supports_inbound"] == json.dumps(number.supports_inbound)
        assert row["assigned_agent.agent_id"] == (agent.agent_id if agent else "")
        trunk = number.outbound_trunk if isinstance(number, SIPTrunkPhoneNumber) else None
        codecs = json.dumps(trunk.enabled_codecs, separators=(",", ":")) if trunk else ""
        assert row["outbound_trunk.enabled_codecs"] == codecs


def test_parquet_is_the_schema_of_the_arrow_extra(api: Running, ids: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    from elevenphone.arrow import SCHEMA  # noqa: PLC0415 - where there is pyarrow

    output = tmp_path / "out.parquet"
    assert fetch(ids, "-o", output, api=api).code == 1
    table = parquet.read_table(output)
    assert table.schema.equals(SCHEMA)
    assert table.column("phone_number_id").to_pylist() == api.ids
    again = fetch(output, "-o", tmp_path / "again.parquet", "--quiet", api=api)
    assert (again.code, again.errors) == (1, "")
    assert parquet.read_table(tmp_path / "again.parquet").column("status").equals(table.column("status"))
    with pytest.raises(Refusal, match="'phone_number_id', 'status'"):
        IdSource(output, "label_").survey()
    with pytest.raises(Refusal, match="not of text"):
        IdSource(output, "attempts").survey()


def test_without_pyarrow_one_line_says_what_to_install(api: Running, ids: Path, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        f"sys.argv[1:] = ['fetch', {str(ids)!r}, '-o', 'x.parquet']\n"
        "from elevenphone.cli import main\nsys.exit(main())"
    )
    ended = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment(**api.variables),
        cwd=tmp_path,
        check=False,
    )
    assert ended.returncode == 2
    assert "pip install 'elevenphone[arrow]'" in ended.stderr
    assert list(tmp_path.iterdir()) == [ids]


def test_standard_output_gets_each_answer_while_ids_are_still_to_come(api: Running) -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "elevenphone", "fetch", "-", "-o", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**api.variables),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for phone_number_id in api.ids[:3]:
        process.stdin.write(f"{phone_number_id}\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["phone_number_id"] == phone_number_id
    rest, errors = process.communicate("\n".join(api.ids[3:]), timeout=PATIENCE)
    assert process.returncode == 1
    assert {line["phone_number_id"] for line in documents(rest)} == set(api.ids[3:])
    assert "306 lookups in" in errors


TABLES = {
    "quoted": ('name,phone id\n"a ""b""\nc,", {0} \n,{1}\n,{2}', "phone id", "out"),
    "semicolons": ("\ufeffid;name\n{0};x\n\n{1};\u00fc\n{2}", "id", "csv"),
    "json": ('\n{{"id":"{0}","x":[1]}}\n{{"x":{{}},"id":"{1}"}}\r\n\n{{"id":"{2}"}}', "id", "jsonl"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_column_of_a_table(api: Running, kind: str) -> None:
    text, column, _ = TABLES[kind]
    ended = fetch("-", "--column", column, "-o", "-", given=text.format(*api.ids), api=api)
    got = sorted(documents(ended.output), key=lambda line: int(str(line["index"])))
    assert [line["phone_number_id"] for line in got] == api.ids[:3]


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("ids.txt",), 2, "--output"),
        (("ids.txt", "-o", "out"), 2, "--format"),
        (("ids.txt", "-o", "-", "--format", "csv"), 2, "as answers come"),
        (("ids.txt", "-o", "-", "--resume"), 2, "stream"),
        (("ids.txt", "-o", "out.csv", "--resume", "--force"), 2, "one of them"),
        (("ids.txt", "-o", "ids.txt", "--format", "csv", "--force"), 2, "different files"),
        (("ids.txt", "-o", "out.csv", "--concurrency", "none"), 2, "auto"),
        (("ids.txt", "-o", "out.csv", "--rate", "0"), 2, "rate"),
        (("ids.txt", "-o", "there.csv"), 2, "--force"),
        (("ids.txt", "-o", "there.csv", "--resume"), 2, "finished"),
        (("ids.txt", "-o", "out.csv", "--failures", "there.csv"), 2, "--force"),
        (("ids.txt", "-o", "absent/out.csv"), 4, "'absent/out.csv': there is no directory 'absent'"),
        (("ids.txt", "-o", "out.csv", "--failures", "absent/f"), 4, "there is no directory 'absent'"),
        (("ids.txt", "-o", ""), 2, "OUT is empty"),
        (("", "-o", "out.csv"), 2, "IDS is empty"),
        (("absent.txt", "-o", "out.csv"), 2, "elevenphone: cannot read the ids from 'absent.txt'"),
        (("absent\x1b[2J", "-o", "out.csv"), 2, r"'absent\x1b[2J'"),
        (("ids.txt", "-o", ".", "--format", "csv"), 4, "directory"),
        (("ids.txt", "-o", "/dev/full"), 4, "No space left"),
        (("ids.txt", "-o", "-", "--failures", "/dev/null"), 2, "is no file"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    api: Running, tmp_path: Path, arguments: tuple[str, ...], code: int, complaint: str
) -> None:
    if arguments[-1].startswith("/dev") and not Path(arguments[-1]).exists():
        pytest.skip(f"has no {arguments[-1]}")
    written(tmp_path / "ids.txt", [api.unknown_id])
    (tmp_path / "there.csv").write_text("kept")
    ended = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-W", "error", "-m", "elevenphone", "fetch", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(**api.variables),
        cwd=tmp_path,
        check=False,
    )
    assert (ended.returncode, "Traceback" in ended.stderr) == (code, False), ended.stderr
    assert complaint in ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ids.txt", "there.csv"]
    assert (tmp_path / "there.csv").read_text() == "kept"


def test_force_overwrites(api: Running, ids: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text("old")
    link = tmp_path / "link.jsonl"
    link.symlink_to(output)
    assert fetch(ids, "-o", link, "--force", api=api).code == 1
    assert link.is_symlink()
    assert len(documents(output.read_text(encoding="utf-8"))) == len(api.ids)


def test_a_reader_that_goes_away_is_left_in_peace(api: Running, ids: Path) -> None:
    process = subprocess.Popen(  # noqa: S603 - this interpreter
        [sys.executable, "-m", "elevenphone", "fetch", str(ids), "-o", "-", "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**api.variables),
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as stream:
        assert stream.read() == b""
    assert process.wait(PATIENCE) == 141


def test_a_refused_key_and_an_absent_server_are_told_at_once(api: Running, ids: Path, tmp_path: Path) -> None:
    refused = fetch(ids, "-o", tmp_path / "out.csv", api=api, ELEVENLABS_API_KEY="sk_a_wrong_key_of_length")
    assert refused.code == 3
    assert "--api-key-file" in refused.errors
    absent = fetch(ids, "-o", tmp_path / "out.csv", api=api, ELEVENLABS_BASE_URL="http://127.0.0.1:1")
    assert absent.code == 1
    assert "--base-url" in absent.errors
    assert "elevenphone doctor" in absent.errors
    assert list(tmp_path.iterdir()) == [ids]
    assert KEY not in refused.errors + absent.errors


def test_a_bar_on_a_terminal(api: Running, ids: Path, tmp_path: Path) -> None:
    ended = run_on_terminal(
        "fetch", str(ids), "-o", str(tmp_path / "out.csv"), variables=api.variables, columns=80
    )
    assert ended.code == 1
    assert "306 lookups in" in ended.output


def test_no_ids_are_an_empty_file(api: Running, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    ended = fetch(os.devnull, "-o", output, api=api)
    assert (ended.code, output.read_bytes()) == (0, b"")
    assert ended.errors == f"There are no ids in '{os.devnull}'.\nWritten to {output}\n"
