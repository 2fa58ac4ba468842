from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import msgspec
import pytest

pytest.importorskip("pyarrow", reason="needs the extra arrow")

import pyarrow
import pyarrow.parquet

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# The stubs of pyarrow leave parts of its types open.
from elevenphone import (
    AssignedAgent,
    DeadlineExceededError,
    DecodeError,
    ElevenPhoneError,
    ExotelPhoneNumber,
    Failed,
    Found,
    InboundTrunk,
    InvalidPhoneNumberIdError,
    Lookup,
    NotFoundError,
    OutboundTrunk,
    PhoneNumber,
    RateLimitError,
    ServerError,
    SIPTrunkPhoneNumber,
    TwilioPhoneNumber,
    decode,
    encode,
)
from elevenphone.arrow import SCHEMA, record_batch, to_table
from elevenphone.emulator import Emulator

GUIDE = Path(__file__).parents[2] / "docs" / "engines" / "tables.md"

OUTBOUND = OutboundTrunk(
    address="sip.example.com",
    transport="tls",
    media_encryption="required",
    has_auth_credentials=True,
    headers={"X-One": "1", "X-Two": "2"},
    attributes_to_headers={"name": "X-Name"},
    username="trunk",
    has_outbound_trunk=True,
    enabled_codecs=("G722/8000", "PCMU/8000"),
)
INBOUND = InboundTrunk(
    allowed_addresses=("192.0.2.0/24",),
    media_encryption="allowed",
    has_auth_credentials=False,
    allowed_numbers=("+12125550100",),
    remote_domains=(),
)
SIP = SIPTrunkPhoneNumber(
    phone_number="+12125550101",
    label="Büro ☎",
    phone_number_id="phnum_2",
    supports_inbound=False,
    assigned_agent=AssignedAgent(agent_id="agent_1", agent_name="Ann", environment="production"),
    livekit_stack="static",
    store_sip_messages=False,
    provider_config=OUTBOUND,
    outbound_trunk=OUTBOUND,
    inbound_trunk=INBOUND,
)
NUMBERS: list[PhoneNumber] = [
    TwilioPhoneNumber(phone_number="+12125550100", label="Main line", phone_number_id="phnum_1"),
    ExotelPhoneNumber(phone_number="08047104710", label=" ", phone_number_id="phnum_3"),
    SIP,
    SIPTrunkPhoneNumber(phone_number="100", label="", phone_number_id="phnum_4", livekit_stack="standard"),
    decode(
        b'{"provider": "carrier", "phone_number": "+49301", "label": "\xc3\xbc",'
        b' "phone_number_id": "phnum_5", "carrier_fields": {"a": [1, null]}}'
    ),
]


def found(number: PhoneNumber) -> Found:
    return Found(0, number.phone_number_id, 2, 0.25, number)


def failed(error: ElevenPhoneError, phone_number_id: str = "phnum_1") -> Failed:
    return Failed(0, phone_number_id, 1, 0.5, error)


def only_row(lookup: Lookup) -> dict[str, object]:
    batch = record_batch([lookup])
    batch.validate(full=True)
    (row,) = cast("list[dict[str, object]]", batch.to_pylist())
    return row


def number_of(row: dict[str, object]) -> PhoneNumber:
    """Rebuild the number of a row, by the field names of the API."""
    if row["raw"] is not None:
        return decode(cast("str", row["raw"]).encode())

    body = {name: value for name, value in row.items() if value is not None}
    for trunk in ("provider_config", "outbound_trunk", "inbound_trunk"):
        parts = cast("dict[str, object]", body.get(trunk, {}))
        for name in parts.keys() & {"headers", "attributes_to_headers"}:
            parts[name] = dict(cast("list[tuple[str, str]]", parts[name]))
    return decode(msgspec.json.encode(body))


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: type(number).__name__)
def test_a_row_holds_all_of_a_number(number: PhoneNumber) -> None:
    row = only_row(found(number))
    assert number_of(row) == number
    assert row["status"] == "found"
    assert (row["attempts"], row["elapsed"]) == (2, 0.25)
    assert [row[name] for name in ("error_kind", "http_status", "error_code", "error_message")] == [None] * 4


def test_every_number_of_the_emulator_comes_through() -> None:
    emulator = Emulator(500)
    numbers = [emulator.number(each) for each in emulator.ids]
    rows = cast("list[dict[str, object]]", to_table(map(found, numbers)).to_pylist())
    assert [number_of(row) for row in rows] == numbers


def test_trunks_are_nested_and_headers_are_maps() -> None:
    row = only_row(found(SIP))
    trunk = cast("dict[str, object]", row["outbound_trunk"])
    assert trunk["headers"] == [("X-One", "1"), ("X-Two", "2")]
    assert trunk["enabled_codecs"] == ["G722/8000", "PCMU/8000"]
    inbound = cast("dict[str, object]", row["inbound_trunk"])
    assert (inbound["remote_domains"], inbound["username"]) == ([], None)
    assert row["assigned_agent"] == {
        "agent_id": "agent_1",
        "agent_name": "Ann",
        "environment": "production",
        "branch_id": None,
    }


def test_a_number_of_an_unknown_provider_keeps_its_body() -> None:
    row = only_row(found(NUMBERS[-1]))
    assert row["provider"] == "carrier"
    assert row["raw"] == encode(NUMBERS[-1]).decode()


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (
            NotFoundError(404, "phone_number_not_found", "No such.", "req_1"),
            "not_found",
            ("not_found", 404, "phone_number_not_found", "No such.", "req_1"),
        ),
        (RateLimitError(kind="busy"), "failed", ("rate_limit", 429, None, "", None)),
        (ServerError(503, message="Away"), "failed", ("server", 503, None, "Away", None)),
        (
            DecodeError("Expected `str`", "$.label", 200, b"{"),
            "failed",
            ("decode", 200, None, "Expected `str` at $.label", None),
        ),
        (
            DeadlineExceededError("too late", ServerError(500)),
            "failed",
            ("deadline_exceeded", None, None, "too late; the last error was: HTTP 500", None),
        ),
        (
            InvalidPhoneNumberIdError("no id"),
            "failed",
            ("invalid_phone_number_id", None, None, "no id", None),
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_failure_says_why(error: ElevenPhoneError, status: str, expected: tuple[object, ...]) -> None:
    row = only_row(failed(error))
    assert row["status"] == status
    names = ("error_kind", "http_status", "error_code", "error_message", "request_id")
    assert tuple(row[name] for name in names) == expected
    of_number = SCHEMA.names[SCHEMA.names.index("provider") : SCHEMA.names.index("error_kind")]
    assert [row[name] for name in of_number] == [None] * len(of_number)


def test_an_id_with_a_lone_surrogate_is_escaped() -> None:
    row = only_row(failed(InvalidPhoneNumberIdError("no id"), "phnum_\ud800"))
    assert row["phone_number_id"] == "phnum_\\ud800"


def test_rows_keep_their_order_over_many_batches() -> None:
    lookups = [failed(NotFoundError(404), f"phnum_{number}") for number in range(2_500)]
    table = to_table(iter(lookups))
    assert table["phone_number_id"].to_pylist() == [lookup.phone_number_id for lookup in lookups]
    assert [len(batch) for batch in table.to_batches()] == [1_000, 1_000, 500]


def test_no_lookups_give_an_empty_table_of_the_schema() -> None:
    assert to_table([]).schema.equals(SCHEMA, check_metadata=True)
    assert record_batch([]).num_rows == 0


def test_parquet_gives_the_schema_and_the_rows_back(tmp_path: Path) -> None:
    table = to_table([*map(found, NUMBERS), failed(NotFoundError(404))])
    pyarrow.parquet.write_table(table, tmp_path / "lookups.parquet")
    read = pyarrow.parquet.read_table(tmp_path / "lookups.parquet")
    assert read.schema.equals(SCHEMA)
    assert read.schema.metadata == SCHEMA.metadata
    assert read.equals(table)


def test_the_schema_has_a_version() -> None:
    assert (SCHEMA.metadata or {})[b"elevenphone.schema_version"] == b"1"


def test_the_guide_describes_the_schema_and_nothing_else() -> None:
    text, _, _ = GUIDE.read_text(encoding="utf-8").partition("## Writing one")
    tables = re.split(r"^`.*:$", text, flags=re.MULTILINE)
    described = [re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", table, re.MULTILINE) for table in tables]
    agent, outbound, inbound = (
        list(cast("Iterable[pyarrow.Field[pyarrow.DataType]]", SCHEMA.field(name).type))
        for name in ("assigned_agent", "outbound_trunk", "inbound_trunk")
    )
    assert described == [list(map(as_described, fields)) for fields in (SCHEMA, agent, outbound, inbound)]


def as_described(field: pyarrow.Field[pyarrow.DataType]) -> tuple[str, str]:
    kind = re.sub(r"^(struct)<.*|(?<=list<)\w+: | \('[^']*'\)", r"\1", str(field.type))
    return field.name, kind if field.nullable else f"{kind}, never null"


def test_without_pyarrow_the_import_says_what_to_install() -> None:
    code = "import sys; sys.modules['pyarrow'] = None; import elevenphone.arrow"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)  # noqa: S603
    assert done.stderr.splitlines()[-1] == (
        "ImportError: elevenphone.arrow needs pyarrow: pip install 'elevenphone[arrow]'"
    )
