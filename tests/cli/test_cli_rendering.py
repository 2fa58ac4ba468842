from __future__ import annotations

import io
import json
from collections.abc import Sequence

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

from elevenphone import (
    AssignedAgent,
    AuthenticationError,
    ClientStats,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    ElevenPhoneError,
    Failed,
    Found,
    InvalidPhoneNumberIdError,
    Lookup,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    StatusError,
    TwilioPhoneNumber,
    decode,
    encode,
)
from elevenphone._records import kind_of
from elevenphone.cli.errors import ExitCode, ends_run, exit_code_of
from elevenphone.cli.show.results import Tally
from elevenphone.cli.show.runs import BarProgress, LineProgress, outcome_table, provider_table
from elevenphone.cli.show.terminal import COLUMNS, RowTable, lookup_cells, number_card
from elevenphone.cli.text import printable, printable_json, wrapped
from elevenphone.emulator import Emulator

HOSTILE = TwilioPhoneNumber(
    phone_number="+1\x1b]0;owned\x07",
    label="[bold red]not markup[/] \x9b31m \u202etxt",
    phone_number_id="phnum_1",
    assigned_agent=AssignedAgent(agent_id="a", agent_name="[/]\r\nname"),
)
STATS = ClientStats(
    requests=12,
    retries=2,
    found=9,
    failed=1,
    throttled=1,
    in_flight=0,
    concurrency_limit=8,
    connections_opened=3,
)


def shown(what: RenderableType, columns: int = 120) -> str:
    console = Console(file=io.StringIO(), width=columns, markup=True, force_terminal=False)
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def rows(lookups: Sequence[Lookup], columns: int) -> str:
    console = Console(file=io.StringIO(), width=columns, markup=True, force_terminal=False)
    table = RowTable(console, COLUMNS)
    for lookup in lookups:
        table.add(lookup_cells(lookup))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("columns", [40, 60, 120])
def test_labels_cannot_control_the_terminal(columns: int) -> None:
    for text in (
        shown(number_card(HOSTILE, columns), columns),
        rows([Found(0, "phnum_1", 1, 0.1, HOSTILE)], columns),
    ):
        assert not set(text) & set("\x1b\x07\x9b\r\u202e")
        assert "\\x1b]0;owned" in text
    assert "[bold red]not markup[/]" in shown(number_card(HOSTILE, 120))


def test_the_same_json_without_raw_controls() -> None:
    body = encode(HOSTILE)
    assert b"\xc2\x9b" in body
    safe = printable_json(body)
    assert decode(safe) == HOSTILE
    assert printable(safe.decode()) == safe.decode()


EMULATOR = Emulator(numbers=60)
LOOKUPS = [Found(index, each, 1, 0.1, EMULATOR.number(each)) for index, each in enumerate(EMULATOR.ids)]


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 120, 200])
def test_cards_and_rows_fit_with_numbers_and_ids_whole(columns: int) -> None:
    console = Console(width=columns)
    table = rows(LOOKUPS, columns)
    cards = [shown(number_card(lookup.number, columns), columns) for lookup in LOOKUPS]
    for text in (*cards, table):
        assert all(console.measure(line).maximum <= columns for line in text.splitlines())
    for lookup, card in zip(LOOKUPS, cards, strict=True):
        for value in (lookup.phone_number_id, lookup.number.phone_number):
            assert value in card
            assert value in table


def test_columns_are_left_out_from_the_last_and_text_is_cut_with_an_ellipsis() -> None:
    def header(columns: int) -> list[str]:
        return rows(LOOKUPS, columns).splitlines()[0].split()

    assert header(120) == ["Number", "Agent", "Label", "Provider", "Id"]
    assert header(80) == ["Number", "Agent", "Label", "Id"]
    assert header(66) == ["Number", "Agent", "Id"]
    assert rows(LOOKUPS, 65).splitlines()[0] == LOOKUPS[0].number.phone_number  # stacked
    long = LOOKUPS[0].number
    long = msgspec.structs.replace(long, label="Launch campaign 51, the one for spring")
    line = rows([Found(0, "phnum_1", 1, 0.1, long)], 80).splitlines()[2]
    assert "Launch camp…" in line


def test_a_number_wider_than_its_column_takes_room_from_the_text() -> None:
    number = msgspec.structs.replace(LOOKUPS[0].number, phone_number="sip:12345678901234567890@x")
    lines = rows([Found(0, LOOKUPS[0].phone_number_id, 1, 0.1, number)], 80).splitlines()
    assert "sip:12345678901234567890@x" in lines[2]
    assert cell_len(lines[2]) <= 80


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_text_is_broken_at_words_and_commands_are_not(columns: int) -> None:
    text = "Phone number with id phnum_01jxaeyg3feh3tmx39d4ky63rd not found. Check the id, and --region.\n"
    command = "  elevenphone fetch ids.txt -o a-rather-long-name-for-a-file-of-numbers.csv --resume"
    lines = wrapped(text + command, columns).split("\n")
    assert lines[-1] == command
    assert max(map(len, lines[:-1])) <= columns
    assert " ".join(" ".join(lines[:-1]).split()) == text.strip()


def test_equal_failures_are_explained_once() -> None:
    tally = Tally()
    for index in reversed(range(3)):
        tally.add(Failed(index, f"phnum_{index}", 1, 0.1, NotFoundError(404, "x", "gone")))
    tally.add(Failed(3, "phnum_late", 1, 0.1, RequestTimeoutError("no complete answer within 10 s")))
    odd = DecodeError("Expected `str`, got `null`", path="$.label")
    tally.add(Failed(4, "phnum_odd", 1, 0.1, odd))
    tally.add(Failed(5, "", 0, 0.0, InvalidPhoneNumberIdError("'' cannot be a phone number id")))
    lines = tally.complaints()
    assert len(lines) == 4
    assert lines[0].startswith("phnum_0 and 2 more: gone (HTTP 404). ")
    assert "--timeout" in lines[1]
    assert "$.label" in lines[2]
    assert lines[3] == "row 6: empty id."


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFoundError(404), ExitCode.NOT_FOUND),
        (InvalidPhoneNumberIdError("x"), ExitCode.USAGE),
        (ConfigurationError("x"), ExitCode.USAGE),
        (AuthenticationError(401), ExitCode.KEY_REFUSED),
        (PermissionDeniedError(403), ExitCode.KEY_REFUSED),
        (AuthenticationError(401, "quota_exceeded"), ExitCode.QUOTA),
        (RateLimitError(429, kind="quota"), ExitCode.QUOTA),
        (StatusError(402, "payment_required"), ExitCode.QUOTA),
        (RateLimitError(429, kind="busy"), ExitCode.SOME_FAILED),
        (ServerError(503), ExitCode.SERVER_AWAY),
        (ServerError(501), ExitCode.SOME_FAILED),
        (ConnectionFailedError("x"), ExitCode.SERVER_AWAY),
        (DeadlineExceededError("x"), ExitCode.SERVER_AWAY),
        (DecodeError("x"), ExitCode.SOME_FAILED),
    ],
)
def test_codes_of_errors(error: ElevenPhoneError, code: ExitCode) -> None:
    assert exit_code_of(error) is code


def test_the_kind_of_an_error_is_its_class_in_lower_case() -> None:
    assert kind_of(RateLimitError) == "rate_limit"
    assert kind_of(RequestTimeoutError) == "request_timeout"


def test_a_tally_counts_what_was_found() -> None:
    tally = Tally()
    tally.add(Found(0, "phnum_1", 1, 0.1, HOSTILE))
    tally.add(Failed(1, "phnum_2", 1, 0.1, NotFoundError(404)))
    tally.add(Failed(2, "phnum_3", 3, 0.1, RequestTimeoutError()))
    assert (tally.found, tally.not_found, tally.failed, tally.done) == (1, 1, 1, 3)
    assert "Twilio" in shown(provider_table(tally))
    outcome = shown(outcome_table(tally, STATS)).splitlines()
    assert outcome[-1].split() == ["connections", "3"]
    assert outcome == [line.rstrip() for line in outcome]


def test_a_line_every_two_seconds_at_most() -> None:
    now = 100.0
    console = Console(file=io.StringIO(), width=60)
    with LineProgress(console, 50, clock=lambda: now) as progress:
        tally = Tally()
        for step in range(50):
            now = 100.0 + step / 10
            tally.add(Found(step, "phnum_1", 1, 0.1, HOSTILE))
            progress.update(tally, STATS)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("21/50  10/s  found 21 ")


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_bar_and_its_counts_are_drawn_in_the_same_place(columns: int) -> None:
    now = 100.0
    console = Console(file=io.StringIO(), width=columns, force_terminal=True, legacy_windows=False)
    assert isinstance(console.file, io.StringIO)
    with BarProgress(console, 50, clock=lambda: now) as progress:
        tally = Tally()
        for step in range(25):
            now = 100.0 + step / 10
            tally.add(Found(step, "phnum_1", 1, 0.1, HOSTILE))
            progress.update(tally, STATS, "no lookup has been answered for 5 s")
    drawings = console.file.getvalue().split("\x1b[J")
    plain = Text.from_ansi(drawings[-2].rpartition("\r")[0]).plain.split("\n")
    assert "25/50" in plain[0]
    assert "0:00:02 left" in plain[0]
    assert "━" in plain[0]
    assert "no lookup has been answered for 5 s" in " ".join(plain)
    assert max(map(len, plain)) < columns
    assert drawings[-1] == ""  # cleared


@pytest.mark.parametrize(("columns", "end"), [(30, "0/s"), (38, "0/s"), (60, " left")])
def test_the_line_of_a_bar_that_is_too_narrow_has_no_cut_words(columns: int, end: str) -> None:
    now = 100.0
    console = Console(file=io.StringIO(), width=columns, force_terminal=True, legacy_windows=False)
    assert isinstance(console.file, io.StringIO)
    progress = BarProgress(console, 1_000_000, clock=lambda: now)
    tally = Tally()
    tally.found = 500_000
    now = 5_100.0
    progress.update(tally, STATS)
    first = Text.from_ansi(console.file.getvalue()).plain.split("\n")[0]
    assert first.startswith("500,000/1,000,000") or "━" in first
    assert first.endswith(end)
    assert len(first) < columns


def test_a_bar_is_cleared_and_drawn_by_one_write() -> None:
    writes: list[str] = []

    class Terminal(io.StringIO):
        def write(self, text: str, /) -> int:
            writes.append(text)
            return len(text)

    progress = BarProgress(Console(file=Terminal(), width=80, force_terminal=True, legacy_windows=False), 50)
    progress.update(Tally(), STATS)
    writes.clear()
    progress.update(Tally(), STATS)
    (only,) = filter(None, writes)
    assert only.startswith("\r\x1b[1A\x1b[J")
    assert "0/50" in only


def test_a_terminal_that_was_narrowed_is_cleared_of_the_lines_that_it_wrapped() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True, legacy_windows=False)
    assert isinstance(console.file, io.StringIO)
    progress = BarProgress(console, 50)
    progress.update(Tally(), STATS)
    bar, counts = Text.from_ansi(console.file.getvalue()).plain.split("\n")
    console.width = 30
    progress.update(Tally(), STATS)
    wrapped_rows = -(-len(bar) // 30) - (-len(counts) // 30)
    assert f"\r\x1b[{wrapped_rows - 1}A\x1b[J" in console.file.getvalue()


def test_text_made_printable_is_still_json() -> None:
    assert json.loads(printable_json('{"a":"\x7f\u2028é"}'.encode())) == {"a": "\x7f\u2028é"}


def test_a_403_of_one_id_does_not_end_a_run_that_another_error_stopped() -> None:
    denied = Failed(0, "phnum_1", 1, 0.1, PermissionDeniedError(403, None, "No", None, None, b""))
    assert ends_run(denied, denied.error)
    assert not ends_run(denied, ServerError(503, None, "Down", None, None, b""))
    assert not ends_run(denied, None)
