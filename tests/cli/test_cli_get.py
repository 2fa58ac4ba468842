from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from cli_helpers import KEY, Api, command, environment, run, run_on_terminal, run_shown
from rich.cells import cell_len

from elevenphone import decode


def test_numbers_are_lines_of_json_in_input_order(api: Api) -> None:
    ids = api.ids[:5]
    ended = run("get", *ids, **api.variables)
    assert ended.code == 0
    lines = ended.output.splitlines()
    documents = [json.loads(line) for line in lines]
    assert [document["index"] for document in documents] == list(range(5))
    assert {document["status"] for document in documents} == {"found"}
    numbers = [decode(json.dumps(document["number"]).encode()) for document in documents]
    assert [number.phone_number_id for number in numbers] == ids
    assert ended.errors == ""


def test_every_input_has_a_line(api: Api) -> None:
    given = f"\ufeff{api.ids[0]}\n\n  {api.unknown_id}\r\n{api.ids[1]}\n{api.ids[0]}"
    ended = run("get", "-", given=given, **api.variables)
    assert ended.code == 1
    documents = [json.loads(line) for line in ended.output.splitlines()]
    assert [document["phone_number_id"] for document in documents] == [
        api.ids[0],
        api.unknown_id,
        api.ids[1],
        api.ids[0],
    ]
    error = documents[1]["error"]
    assert (error["kind"], error["http_status"], error["code"]) == (
        "not_found",
        404,
        "phone_number_not_found",
    )
    assert api.unknown_id in error["message"]
    assert api.unknown_id in ended.errors
    assert "--region" in ended.errors


def test_without_ids_nothing_is_sent(api: Api) -> None:
    ended = run("get", "-", **api.variables)
    assert ended == (0, "", "")


@pytest.mark.parametrize(
    ("given", "shown"), [(b"..\n", ".."), (b"a\xff\n", "a\\udcff"), (b"a\x1b[31m\n", "a\x1b[31m")]
)
def test_a_bad_id_is_wrong_usage(api: Api, given: bytes, shown: str) -> None:
    for more in (b"", f"{api.ids[0]}\n".encode()):
        ended = run("get", "-", given=given + more, **api.variables)
        assert ended.code == 2
        document = json.loads(ended.output.splitlines()[0])
        assert document["phone_number_id"] == shown
        assert document["error"]["kind"] == "invalid_phone_number_id"
        assert "\x1b" not in ended.output + ended.errors
        assert "Traceback" not in ended.errors


def test_a_refused_key(api: Api) -> None:
    ended = run(
        "get", *api.ids[:3], **{**api.variables, "ELEVENLABS_API_KEY": "sk_a_wrong_key_of_some_length"}
    )
    assert ended.code == 3
    assert len(ended.output.splitlines()) == 3
    assert "and 2 more" in ended.errors
    assert "--api-key-file" in ended.errors
    assert "sk_a_wrong" not in ended.output + ended.errors


def test_a_key_from_a_file(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    variables = {"ELEVENLABS_BASE_URL": api.variables["ELEVENLABS_BASE_URL"], "ELEVENLABS_API_KEY": "wrong"}
    ended = run("get", "--api-key-file", str(file), api.ids[0], **variables)
    assert (ended.code, ended.errors) == (0, "")
    assert KEY not in ended.output


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot read"),
        (b" \n", "empty"),
        (b"sk_one\nsk_two\n", "does not hold an API key"),
        (b"\xff\xfe", "does not hold an API key"),
    ],
)
def test_an_unusable_key_file(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    ended = run("get", "--api-key-file", str(file), "phnum_1")
    assert ended.code == 2
    assert complaint in ended.errors
    assert "sk_one" not in ended.errors


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "Missing argument"),
        (("-", "phnum_1"), "standard input"),
        (("--region", "mars", "phnum_1"), "mars"),
        (("--region", "eu", "--base-url", "https://example.com", "phnum_1"), "--base-url"),
        (("--base-url", "http://example.com", "phnum_1"), "https"),
        (("--timeout", "0", "phnum_1"), "timeout"),
        (("--deadline", "nan", "phnum_1", "phnum_2"), "deadline"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], complaint: str) -> None:
    ended = run("get", *arguments, ELEVENLABS_API_KEY=KEY)
    assert ended.code == 2
    assert complaint in ended.errors
    assert "Traceback" not in ended.errors
    assert KEY not in ended.errors


def test_no_key_says_where_to_put_it() -> None:
    ended = run("get", "phnum_1")
    assert ended.code == 2
    assert "ELEVENLABS_API_KEY" in ended.errors
    assert "elevenphone demo" in ended.errors


def test_a_server_that_is_not_there_is_reported_at_once() -> None:
    ended = run("get", "--base-url", "http://127.0.0.1:1", "phnum_1", ELEVENLABS_API_KEY=KEY)
    assert ended.code == 7
    assert json.loads(ended.output)["error"]["kind"] == "connection_failed"
    assert "--base-url" in ended.errors


def test_a_full_disk_is_reported(api: Api) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("has no /dev/full")
    with full.open("wb") as output:
        ended = subprocess.run(  # noqa: S603 - this interpreter
            command("get", api.ids[0]),
            stdout=output,
            stderr=subprocess.PIPE,
            env=environment(**api.variables),
            check=False,
        )
    assert ended.returncode == 4
    assert ended.stderr.startswith(b"elevenphone: cannot write")
    assert ended.stderr.count(b"\n") == 1


def test_a_closed_pipe_ends_the_command_without_a_message(api: Api) -> None:
    process = subprocess.Popen(  # noqa: S603 - this interpreter
        command("get", *api.ids[:3]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**api.variables),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as stream:
        errors = stream.read()
    assert (process.wait(), errors) == (141, b"")


def test_one_number_is_a_card_on_a_terminal(api: Api) -> None:
    ended = run_shown("get", api.ids[0], variables=api.variables)
    assert ended.code == 0
    assert api.ids[0] in ended.output
    assert "Provider" in ended.output
    assert "{" not in ended.output


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_several_are_rows_that_fit_the_terminal(api: Api, columns: int) -> None:
    ended = run_shown("get", *api.ids[:3], api.unknown_id, columns=columns, variables=api.variables)
    assert ended.code == 1
    numbers = [api.emulator.number(phone_number_id) for phone_number_id in api.ids[:3]]
    for number in numbers:
        assert number.phone_number in ended.output
        assert number.phone_number_id in ended.output
    assert api.unknown_id in ended.output
    assert "not found" in ended.output
    assert ("Agent  " in ended.output) == ("Number  " in ended.output) or columns < 70
    assert max(cell_len(line) for line in ended.output.splitlines()) <= columns
    # Long explanations break at words.
    assert all(len(line) <= columns or " " not in line for line in ended.errors.splitlines())


def test_the_real_command_on_a_terminal(api: Api) -> None:
    ended = run_on_terminal("get", *api.ids[:2], columns=80, variables=api.variables)
    assert ended.code == 0
    assert all(each in ended.output for each in ("Number", "Agent", "Label", "Id", *api.ids[:2]))


def test_a_telephone_number_is_explained_and_not_sent(api: Api) -> None:
    for others in ((), (api.ids[0],), (api.ids[0], api.unknown_id)):
        sent = len(api.asked())
        ended = run("get", "+15551234567", *others, **api.variables)
        assert ended.code == 2
        assert "is a telephone number, not an id; `elevenphone find +15551234567` looks it up" in ended.errors
        assert sorted(api.asked()[sent:]) == sorted(others)
        assert len(ended.output.splitlines()) == 1 + len(others)


@pytest.mark.parametrize("number", ["15551234567", "1 (555) 123-4567", "(0)20 7946 0123"])
def test_digits_without_a_plus_are_a_telephone_number_too(api: Api, number: str) -> None:
    sent = len(api.asked())
    ended = run("get", number, **api.variables)
    assert (ended.code, len(api.asked())) == (2, sent)
    assert ended.errors.startswith(f"elevenphone: '{number}' is a telephone number, not an id; ")


def test_selected_fields_stand_beside_id_and_status(api: Api) -> None:
    fields = "phone_number,assigned_agent.agent_id"
    ended = run("get", "--select", fields, api.ids[0], api.unknown_id, **api.variables)
    found, unknown = map(json.loads, ended.output.splitlines())
    number = api.emulator.number(api.ids[0])
    agent = number.assigned_agent
    assert found == {
        "phone_number_id": api.ids[0],
        "status": "found",
        "phone_number": number.phone_number,
        "assigned_agent.agent_id": agent.agent_id if agent else None,
    }
    assert unknown["phone_number"] is None
    shown = run_shown("get", "--select", fields, api.ids[0], columns=120, variables=api.variables)
    assert "assigned_agent.agent_id" in shown.output
    assert number.phone_number in shown.output


def test_an_unknown_field_is_refused_with_those_there_are(api: Api) -> None:
    for fields in ("phone_number,nope", "", ","):
        ended = run("get", "--select", fields, api.ids[0], **api.variables)
        assert ended.code == 2
        assert "assigned_agent.agent_id" in ended.errors


def test_no_agent_shows_numbers_without_an_agent_alone(api: Api) -> None:
    ended = run("get", "--no-agent", *api.ids, api.unknown_id, **api.variables)
    shown = [json.loads(line)["phone_number_id"] for line in ended.output.splitlines()]
    assert shown == [each for each in api.ids if api.emulator.number(each).assigned_agent is None]
    assert ended.code == 1


def test_many_ids_point_at_fetch_and_come_as_rows(api: Api) -> None:
    ids = "\n".join(api.ids * 10)
    ended = run_shown("get", "-", given=ids, variables=api.variables)
    assert ended.code == 0
    assert "`elevenphone fetch`" in ended.errors
    assert len(ended.output.splitlines()) == 2 + 10 * len(api.ids)


def test_closed_streams_are_explained(api: Api) -> None:
    shell = f"{shlex.join(command('get', api.ids[0]))} >&-"
    ended = subprocess.run(  # noqa: S602 - this interpreter
        shell, shell=True, capture_output=True, text=True, env=environment(**api.variables), check=False
    )
    assert (ended.returncode, ended.stderr) == (
        4,
        "elevenphone: cannot write standard output: it is closed\n",
    )


def test_json_on_a_terminal_where_asked_for(api: Api) -> None:
    ended = run_shown("get", "--json", api.ids[0], variables=api.variables)
    assert json.loads(ended.output)["phone_number_id"] == api.ids[0]


def test_selected_fields_are_stacked_where_rows_would_cut_the_status(api: Api) -> None:
    fields = "phone_number,assigned_agent.agent_id"
    for columns, shown in (
        (80, "  status                   found\n"),
        (120, api.ids[0].ljust(36) + "found "),
    ):
        ended = run_shown("get", *api.ids[:2], "--select", fields, columns=columns, variables=api.variables)
        assert shown in ended.output


@pytest.mark.parametrize("columns", [40, 120])
def test_a_terminal_without_escapes_is_as_wide_as_it_says(api: Api, columns: int) -> None:
    def shown(terminal: str) -> str:
        variables = {**api.variables, "TERM": terminal}
        return run_shown("get", *api.ids[:3], columns=columns, variables=variables).output

    assert shown("dumb") == shown("xterm")


def test_a_selected_agent_id_is_whole_at_every_width(api: Api) -> None:
    shown = run("get", "--select", "assigned_agent.agent_id", *api.ids[:20], **api.variables)
    agents = {line["assigned_agent.agent_id"] for line in map(json.loads, shown.output.splitlines())} - {None}
    assert any(len(agent) > 30 for agent in agents)
    fields = "phone_number,label,assigned_agent.agent_id"
    for columns in (40, 80, 110, 120):
        ended = run_shown("get", "--select", fields, *api.ids[:20], columns=columns, variables=api.variables)
        assert all(agent in ended.output for agent in agents)
