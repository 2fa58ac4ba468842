from __future__ import annotations

import io
import json

import pytest
from rich.console import Console, RenderableType

from elevenphone import (
    AssignedAgent,
    ClientStats,
    DecodeError,
    Failed,
    Found,
    NotFoundError,
    RateLimitError,
    RequestTimeoutError,
    TwilioPhoneNumber,
    decode,
    encode,
)
from elevenphone._records import kind_of
from elevenphone.cli._explanations import complaints
from elevenphone.cli._progress import LineProgress
from elevenphone.cli._rendering import lookup_table, number_card
from elevenphone.cli._summary import outcome_table, provider_table
from elevenphone.cli._tally import Tally
from elevenphone.cli._text import printable, printable_json
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


@pytest.mark.parametrize("columns", [60, 120])
def test_other_peoples_text_commands_nothing(columns: int) -> None:
    lookups = [Found(0, "phnum_1", 1, 0.1, HOSTILE)]
    for text in (shown(number_card(HOSTILE), columns), shown(lookup_table(lookups, columns), columns)):
        assert not set(text) & set("\x1b\x07\x9b\r\u202e")
        assert "\\x1b]0;owned" in text
    assert "[bold red]not markup[/]" in shown(number_card(HOSTILE))


def test_the_same_json_without_raw_controls() -> None:
    body = encode(HOSTILE)
    assert b"\xc2\x9b" in body
    safe = printable_json(body)
    assert decode(safe) == HOSTILE
    assert printable(safe.decode()) == safe.decode()


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
def test_cards_and_tables_fit(columns: int) -> None:
    emulator = Emulator(numbers=60)
    numbers = [emulator.number(phone_number_id) for phone_number_id in emulator.ids]
    lookups = [Found(0, number.phone_number_id, 1, 0.1, number) for number in numbers]
    console = Console(width=columns)
    texts = [shown(number_card(number), columns) for number in numbers]
    for text in (*texts, shown(lookup_table(lookups, columns), columns)):
        assert all(console.measure(line).maximum <= columns for line in text.splitlines())
    assert all(number.phone_number_id in text for number, text in zip(numbers, texts, strict=True))


def test_what_failed_alike_is_told_once() -> None:
    failed = [Failed(index, f"phnum_{index}", 1, 0.1, NotFoundError(404, "x", "gone")) for index in range(3)]
    late = Failed(3, "phnum_late", 1, 0.1, RequestTimeoutError("no complete answer within 10 s"))
    odd = Failed(4, "phnum_odd", 1, 0.1, DecodeError("Expected `str`, got `null`", path="$.label"))
    lines = complaints([*failed, late, odd])
    assert len(lines) == 3
    assert lines[0].startswith("phnum_0 and 2 more: gone (HTTP 404). ")
    assert "--timeout" in lines[1]
    assert "$.label" in lines[2]


def test_kinds_are_the_classes() -> None:
    assert kind_of(RateLimitError) == "rate_limit"
    assert kind_of(RequestTimeoutError) == "request_timeout"


def test_a_tally_tells_what_was_found() -> None:
    tally = Tally()
    tally.add(Found(0, "phnum_1", 1, 0.1, HOSTILE))
    tally.add(Failed(1, "phnum_2", 1, 0.1, NotFoundError(404)))
    tally.add(Failed(2, "phnum_3", 3, 0.1, RequestTimeoutError()))
    assert (tally.found, tally.not_found, tally.failed, tally.done) == (1, 1, 1, 3)
    assert "Twilio" in shown(provider_table(tally))
    assert "connections" in shown(outcome_table(tally, STATS))


def test_a_line_every_two_seconds_at_most() -> None:
    now = 100.0
    console = Console(file=io.StringIO(), width=60)
    with LineProgress(console, 50, clock=lambda: now) as progress:
        tally = Tally()
        for step in range(50):
            now = 100.0 + step / 10
            tally.add(Found(step, "phnum_1", 1, 0.1, HOSTILE))
            progress.update(tally, lambda: STATS)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("21/50  10/s  found 21 ")


def test_json_stays_json() -> None:
    assert json.loads(printable_json('{"a":"\x7f\u2028é"}'.encode())) == {"a": "\x7f\u2028é"}
