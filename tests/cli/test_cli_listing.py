"""`list` and `find`, against a stand-in for the client's listing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from cli_helpers import Api, run, run_shown

from elevenphone import DecodeError, PhoneNumber, PhoneNumberClient
from elevenphone.emulator import Emulator

NUMBERS = Emulator(60)
ALL = [NUMBERS.number(each) for each in NUMBERS.ids]


class FaultyElementError(DecodeError):
    """One element of a page that is not a number."""

    phone_number_id = "phnum_bad"


FAULTY = FaultyElementError("Expected `str`, got `null`", "$.phone_numbers[3].label", 200, b'{"label": null}')


class Listing:
    """Yields numbers, and raises in between, without ending."""

    def __init__(self, steps: list[PhoneNumber | Exception]) -> None:
        self._steps = iter(steps)

    def __aiter__(self) -> AsyncIterator[PhoneNumber]:
        return self

    async def __anext__(self) -> PhoneNumber:
        for step in self._steps:
            if isinstance(step, Exception):
                raise step
            return step
        raise StopAsyncIteration


class Server:
    """What the stand-in was asked for, and what it answers."""

    def __init__(self) -> None:
        self.filters: list[dict[str, object]] = []
        self.faults: dict[int, Exception] = {}

    def list(self, _client: PhoneNumberClient, **filters: object) -> Listing:
        self.filters.append(filters)
        number, search = filters.get("phone_number"), str(filters.get("search", ""))
        chosen: list[PhoneNumber | Exception] = [
            each
            for each in ALL
            if (number is None or each.phone_number == number)
            and search in f"{each.phone_number} {each.label}"
        ]
        for position, fault in self.faults.items():
            chosen.insert(position, fault)
        return Listing(chosen)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()

    def listing(client: PhoneNumberClient, **filters: object) -> Listing:
        return made.list(client, **filters)

    monkeypatch.setattr(PhoneNumberClient, "list", listing, raising=False)
    return made


def test_numbers_are_rows_on_a_terminal_and_lines_elsewhere(api: Api, server: Server) -> None:
    shown = run_shown("list", columns=120, variables=api.variables)
    assert shown.code == 0
    header, _, *rows = shown.output.splitlines()
    assert header.split() == ["Number", "Agent", "Label", "Provider", "Id"]
    assert [row.split()[-1] for row in rows] == [each.phone_number_id for each in ALL]
    lines = [json.loads(line) for line in run("list", **api.variables).output.splitlines()]
    assert [line["label"] for line in lines] == [each.label for each in ALL]
    assert {filters["deadline"] for filters in server.filters} == {60.0}


def test_options_are_filters_of_the_client(api: Api, server: Server) -> None:
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
    expected = {**options, "sort_direction": "desc", "page_size": 7, "deadline": 60.0}
    assert server.filters == [expected]


@pytest.mark.usefixtures("server")
def test_ids_alone_and_numbers_without_an_agent(api: Api) -> None:
    ended = run("list", "--ids", "--no-agent", **api.variables)
    assert ended.output.split() == [each.phone_number_id for each in ALL if each.assigned_agent is None]
    assert run("list", "--ids", "--json", **api.variables).code == 2


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet", "db"])
def test_a_file_has_the_columns_of_numbers_and_appears_when_it_is_whole(
    api: Api, server: Server, tmp_path: Path, ending: str
) -> None:
    output = tmp_path / f"numbers.{ending}"
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    ended = run("list", "-o", output, **api.variables)
    assert (ended.code, ended.output) == (0, "")
    before = output.read_bytes()
    assert run("list", "-o", output, **api.variables).code == 2
    server.faults = {30: DecodeError("the page is no JSON", None, 200)}
    assert run("list", "-o", output, "--force", **api.variables).code == 5
    assert output.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [output.name]
    if ending == "db":
        with closing(sqlite3.connect(output)) as database:
            columns = [name for _, name, *_ in database.execute("PRAGMA table_info(numbers)")]
            ids = [each for (each,) in database.execute("SELECT phone_number_id FROM numbers")]
        assert columns[0] == "phone_number_id"
        assert not {"status", "index", "attempts", "error_kind"} & set(columns)
        assert ids == [each.phone_number_id for each in ALL]


@pytest.mark.usefixtures("server")
def test_selected_fields_alone(api: Api) -> None:
    ended = run("list", "--select", "label,phone_number", "--format", "csv", **api.variables)
    assert ended.code == 0
    assert ended.output.splitlines()[0] == "label,phone_number"
    line = run("list", "--select", "label", **api.variables).output.splitlines()[0]
    assert json.loads(line) == {"label": ALL[0].label}
    assert run("list", "--select", "status", **api.variables).code == 2


def test_a_faulty_element_is_reported_and_the_rest_is_shown(api: Api, server: Server, tmp_path: Path) -> None:
    server.faults = {3: FAULTY}
    ended = run("list", "--ids", **api.variables)
    assert ended.code == 5
    assert "$.phone_numbers[3].label" in ended.errors
    ids = [each.phone_number_id for each in ALL]
    assert ended.output.split() == [*ids[:3], "phnum_bad", *ids[3:]]
    output = tmp_path / "numbers.jsonl"
    assert run("list", "-o", output, **api.variables).code == 5
    assert len(output.read_bytes().splitlines()) == len(ALL)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("form", ["{0}", "  {0}", "{1}", "{2}"])
def test_a_number_is_found_however_it_is_written(api: Api, form: str) -> None:
    number = next(each for each in ALL if each.phone_number.startswith("+1"))
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


@pytest.mark.usefixtures("server")
def test_a_number_that_is_not_there_has_the_code_of_not_found(api: Api) -> None:
    ended = run("find", ALL[0].phone_number, "+15550009999", **api.variables)
    assert ended.code == 1
    assert "+15550009999: this key knows no such number" in ended.errors
    assert len(ended.output.splitlines()) >= 1
    assert run("find", "nobody", **api.variables).code == 2
