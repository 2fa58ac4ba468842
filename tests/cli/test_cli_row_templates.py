"""Rows of CSV and SQLite, whose columns mostly come from templates that lookups share."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevenphone import (
    AssignedAgent,
    DeadlineExceededError,
    ElevenPhoneError,
    Failed,
    Found,
    InboundTrunk,
    Lookup,
    NotFoundError,
    OutboundTrunk,
    PhoneNumber,
    ServerError,
    SIPTrunkPhoneNumber,
    TwilioPhoneNumber,
    decode,
    encode,
)
from elevenphone._records import row_of
from elevenphone.cli.formats import columns
from elevenphone.cli.formats.columns import COLUMNS, Selection
from elevenphone.cli.formats.rows import CSVLines, rows_of

TEXTS = st.text(st.sampled_from("a%s'\",{}?\n\0é"), max_size=4)
AGENTS = st.none() | st.builds(
    AssignedAgent,
    agent_id=TEXTS,
    agent_name=TEXTS,
    environment=st.none() | TEXTS,
    branch_id=st.none() | TEXTS,
)
OUTBOUND = st.none() | st.builds(
    OutboundTrunk,
    address=TEXTS,
    transport=st.just("tls"),
    media_encryption=st.just("allowed"),
    has_auth_credentials=st.booleans(),
    headers=st.dictionaries(TEXTS, TEXTS, max_size=2),
    enabled_codecs=st.lists(TEXTS, max_size=2).map(tuple),
)
INBOUND = st.none() | st.builds(
    InboundTrunk,
    allowed_addresses=st.lists(TEXTS, max_size=2).map(tuple),
    media_encryption=st.just("allowed"),
    has_auth_credentials=st.booleans(),
    allowed_numbers=st.none() | st.lists(TEXTS, max_size=2).map(tuple),
)
COMMON = {"phone_number": TEXTS, "label": TEXTS, "phone_number_id": TEXTS, "assigned_agent": AGENTS}
NUMBERS = (
    st.builds(TwilioPhoneNumber, **COMMON, supports_inbound=st.booleans())
    | st.builds(
        SIPTrunkPhoneNumber,
        **COMMON,
        livekit_stack=st.just("standard"),
        provider_config=OUTBOUND,
        outbound_trunk=OUTBOUND,
        inbound_trunk=INBOUND,
    )
    | st.just(
        decode(b'{"provider":"new","phone_number":"+1","label":"%s","phone_number_id":"p","more":"\'?"}')
    )
)
ERRORS: st.SearchStrategy[ElevenPhoneError] = (
    st.builds(NotFoundError, st.just(404), st.none() | TEXTS, TEXTS, st.none() | TEXTS)
    | st.builds(ServerError, st.just(503), st.none() | TEXTS, TEXTS, st.none() | TEXTS)
    | st.builds(DeadlineExceededError, TEXTS)
)
OUTCOMES: st.SearchStrategy[PhoneNumber | ElevenPhoneError] = NUMBERS | ERRORS


@st.composite
def runs(draw: st.DrawFn) -> list[Lookup]:
    """Draw lookups of which many share what they found, in any order."""
    outcomes = draw(st.lists(OUTCOMES, min_size=1, max_size=4))
    places = draw(st.lists(st.integers(0, len(outcomes) - 1), max_size=12))
    return [lookup(index, draw(TEXTS), outcomes[place]) for index, place in enumerate(places)]


def lookup(index: int, phone_number_id: str, outcome: PhoneNumber | ElevenPhoneError) -> Lookup:
    if isinstance(outcome, ElevenPhoneError):
        return Failed(index, phone_number_id, 2, 0.25, outcome)
    return Found(index, phone_number_id, 1, 0.5, outcome)


def flat(each: Lookup, names: tuple[str, ...]) -> dict[str, object]:
    """Give a lookup's columns as the other writers of records see them; lists and mappings as JSON."""
    row = row_of(each) | {"index": each.index}
    values: dict[str, object] = {}
    for name in names:
        part, _, field = name.partition(".")
        inner = cast("dict[str, object]", row.get(part) or {})
        value = inner.get(field) if field else row.get(part)
        nested = isinstance(value, list | tuple | dict)
        values[name] = json.dumps(value, separators=(",", ":"), ensure_ascii=False) if nested else value
    return values


def as_csv(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value).replace("\0", "\\x00")


@pytest.fixture(autouse=True)
def few_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let templates be made early and forgotten, and some be too long to be kept."""
    monkeypatch.setattr(columns, "_ROWS_WORTH_A_TEMPLATE", 2)
    monkeypatch.setattr(columns, "_MOST_TEMPLATES", 2)
    monkeypatch.setattr(columns, "_MOST_SHARED_BYTES", 400)


@given(runs(), st.lists(st.sampled_from(COLUMNS), unique=True).map(tuple))
def test_csv_has_of_each_lookup_what_it_has_alone(lookups: list[Lookup], chosen: tuple[str, ...]) -> None:
    names = chosen or COLUMNS
    form = CSVLines(Selection(names))
    text = (form.header + b"".join(map(form.encode, lookups))).decode()
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read == [
        list(names),
        *([as_csv(value) for value in flat(each, names).values()] for each in lookups),
    ]


@given(runs(), st.lists(st.sampled_from(COLUMNS), unique=True).map(tuple))
def test_a_database_has_of_each_lookup_what_it_has_alone(
    lookups: list[Lookup], chosen: tuple[str, ...]
) -> None:
    names = chosen or COLUMNS
    with TemporaryDirectory() as folder:
        path = Path(folder) / "out.db"
        with path.open("wb") as file, rows_of("db", file, Selection(names)) as rows:
            for each in lookups:
                rows.add([(each, None)])
        with closing(sqlite3.connect(path)) as database:
            read = database.execute("SELECT * FROM lookups ORDER BY rowid").fetchall()
    wanted = [flat(each, names) for each in lookups]
    for each, row in zip(lookups, wanted, strict=True):
        if isinstance(each, Found) and "raw" in row:
            row["raw"] = encode(each.number).decode()
    assert read == [tuple(row.values()) for row in wanted]


@pytest.mark.parametrize("text", ["\0" * 1_000, "'\0%?'" * 1_000, "'" * 9_000], ids=["nul", "all", "quotes"])
def test_a_database_takes_much_that_needs_care(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "_MOST_SHARED_BYTES", 20_000)
    number = TwilioPhoneNumber(
        phone_number="+1",
        label="one",
        phone_number_id="phnum_1",
        assigned_agent=AssignedAgent(agent_id="a", agent_name="b", environment=text),
    )
    path = tmp_path / "out.db"
    name = "assigned_agent.environment"
    with path.open("wb") as file, rows_of("db", file, Selection((name,))) as rows:
        for index in range(4):
            rows.add([(lookup(index, "phnum_1", number), None)])
    with closing(sqlite3.connect(path)) as database:
        read = database.execute("SELECT * FROM lookups").fetchall()
    assert read == [(text,)] * 4
