"""`list` and `find`, against the emulator's listing."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cli_helpers import Api, emulator, run, run_shown

from elevenphone import PhoneNumber


def numbers_of(api: Api) -> list[PhoneNumber]:
    return [api.emulator.number(each) for each in api.ids]


def test_numbers_are_rows_on_a_terminal_and_lines_elsewhere(api: Api) -> None:
    shown = run_shown("list", columns=120, variables=api.variables)
    assert shown.code == 0
    header, _, *rows = shown.output.splitlines()
    assert header.split() == ["Number", "Agent", "Label", "Provider", "Id"]
    assert [row.split()[-1] for row in rows] == api.ids
    lines = [json.loads(line) for line in run("list", **api.variables).output.splitlines()]
    assert [line["label"] for line in lines] == [each.label for each in numbers_of(api)]


def test_an_empty_list_is_explained_on_a_terminal(api: Api) -> None:
    filters = ("--label", "a label that no number has")
    shown = run_shown("list", *filters, variables=api.variables)
    assert (shown.code, shown.output) == (0, "")
    assert shown.errors == "elevenphone: no number passes the filters. Check --region too.\n"
    assert run("list", *filters, **api.variables) == (0, "", "")


def test_options_are_filters_of_the_request(api: Api) -> None:
    options = {
        "search": "x",
        "label": "y",
        "phone_number": "+1",
        "provider": "twilio",
        "agent_id": "a",
        "branch_id": "b",
        "sort_by": "label",
    }
    arguments = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", value)]
    assert run("list", *arguments, "--descending", "--page-size", "7", **api.variables).code == 0
    query = parse_qs(urlsplit(api.emulator.requests[-1].path).query)
    expected = {**options, "sort_direction": "desc", "page_size": "7"}
    assert query == {name: [value] for name, value in expected.items()}


def test_ids_alone_and_numbers_without_an_agent(api: Api) -> None:
    ended = run("list", "--ids", "--no-agent", **api.variables)
    without_agent = [each for each in numbers_of(api) if each.assigned_agent is None]
    assert ended.output.split() == [each.phone_number_id for each in without_agent]
    assert run("list", "--ids", "--json", **api.variables).code == 2


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet", "db"])
def test_a_file_has_the_columns_of_numbers_and_appears_when_it_is_whole(
    api: Api, tmp_path: Path, ending: str
) -> None:
    output = tmp_path / f"numbers.{ending}"
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    ended = run("list", "-o", output, **api.variables)
    assert (ended.code, ended.output) == (0, "")
    before = output.read_bytes()
    assert run("list", "-o", output, **api.variables).code == 2
    with emulator(missing_cursors=1.0) as broken:
        ended = run("list", "-o", output, "--force", "--page-size", 10, **broken.variables)
        assert (ended.code, broken.emulator.stats.faults) == (5, 1)
    assert output.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [output.name]
    if ending == "db":
        with closing(sqlite3.connect(output)) as database:
            columns = [name for _, name, *_ in database.execute("PRAGMA table_info(numbers)")]
            ids = [each for (each,) in database.execute("SELECT phone_number_id FROM numbers")]
        assert columns[0] == "phone_number_id"
        assert not {"status", "index", "attempts", "error_kind"} & set(columns)
        assert ids == api.ids


def test_select_shows_these_fields_alone(api: Api) -> None:
    ended = run("list", "--select", "label,phone_number", "--format", "csv", **api.variables)
    assert ended.code == 0
    assert ended.output.splitlines()[0] == "label,phone_number"
    line = run("list", "--select", "label", **api.variables).output.splitlines()[0]
    assert json.loads(line) == {"label": numbers_of(api)[0].label}
    assert run("list", "--select", "status", **api.variables).code == 2


def test_a_faulty_element_is_reported_and_the_rest_is_shown(tmp_path: Path) -> None:
    with emulator(20, faulty_elements=1.0) as api:  # one on each page
        ended = run("list", "--ids", "--page-size", 10, **api.variables)
        assert ended.code == 5
        assert ended.errors.count("$.phone_numbers[5].label") == 2
        assert ended.output.split() == api.ids
        output = tmp_path / "numbers.jsonl"
        assert run("list", "-o", output, "--page-size", 10, **api.variables).code == 5
        written = [json.loads(line)["phone_number_id"] for line in output.read_bytes().splitlines()]
        assert written == [each for index, each in enumerate(api.ids) if index not in {5, 15}]


@pytest.mark.parametrize("form", ["{0}", "  {0}", "{1}", "{2}"])
def test_a_number_is_found_however_it_is_written(api: Api, form: str) -> None:
    number = next(each for each in numbers_of(api) if each.phone_number.startswith("+1"))
    digits = number.phone_number.lstrip("+")
    given = form.format(
        number.phone_number, digits, f"{digits[0]} ({digits[1:4]}) {digits[4:7]}-{digits[7:]}"
    )
    ended = run("find", given, **api.variables)
    assert ended.code == 0
    assert number.phone_number_id in [
        json.loads(line)["phone_number_id"] for line in ended.output.splitlines()
    ]
    shown = run_shown("find", given, columns=80, variables=api.variables)
    assert number.phone_number_id in shown.output


def test_a_number_that_is_not_there_has_the_code_of_not_found(api: Api) -> None:
    ended = run("find", numbers_of(api)[0].phone_number, "+15550009999", **api.variables)
    assert ended.code == 1
    assert "+15550009999: this key knows no such number" in ended.errors
    assert len(ended.output.splitlines()) >= 1
    assert run("find", "nobody", **api.variables).code == 2
