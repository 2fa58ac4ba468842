from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import assert_never

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevenphone import (
    AssignedAgent,
    DecodeError,
    ExotelPhoneNumber,
    InboundTrunk,
    OtherPhoneNumber,
    OutboundTrunk,
    PhoneNumber,
    SIPTrunkPhoneNumber,
    TwilioPhoneNumber,
    decode,
    encode,
)

PAYLOADS = {path.stem: path.read_bytes() for path in Path(__file__).parent.glob("payloads/success/*.json")}
# What a captured body has beside what the API is known to send.
UNKNOWN_FIELDS = {"inbound_trunk_config", "outbound_trunk_config"}

TWILIO = {
    "provider": "twilio",
    "phone_number": "+12125550100",
    "label": "Main line",
    "phone_number_id": "phnum_1",
    "assigned_agent": {"agent_id": "agent_1", "agent_name": "Receptionist"},
}
EXOTEL = TWILIO | {"provider": "exotel"}
OUTBOUND = {"address": "sip.example.com", "transport": "tls", "media_encryption": "allowed"} | {
    "has_auth_credentials": True
}
INBOUND = {
    "allowed_addresses": ["192.0.2.0/24"],
    "allowed_numbers": None,
    "media_encryption": "required",
    "has_auth_credentials": False,
}
SIP = TWILIO | {
    "provider": "sip_trunk",
    "livekit_stack": "static",
    "outbound_trunk": OUTBOUND,
    "provider_config": OUTBOUND,
    "inbound_trunk": INBOUND,
}
OTHER = TWILIO | {"provider": "carrier_pigeon", "wingspan": 60}

Document = Mapping[str, object]


def body_of(document: Document) -> bytes:
    return json.dumps(document).encode()


def with_value(document: Document, path: str, value: object) -> bytes:
    """Set what stands at a path such as `$.outbound_trunk.address`."""
    changed: dict[str, object] = json.loads(json.dumps(document))
    holder, name = _holder(changed, path)
    holder[name] = value
    return body_of(changed)


def without(document: Document, path: str) -> bytes:
    changed: dict[str, object] = json.loads(json.dumps(document))
    holder, name = _holder(changed, path)
    del holder[name]
    return body_of(changed)


def _holder(document: dict[str, object], path: str) -> tuple[dict[str, object], str]:
    *parents, name = path.removeprefix("$.").split(".")
    holder = document
    for parent in parents:
        holder = msgspec.convert(holder[parent], dict[str, object])
        document[parent] = holder
        document = holder
    return holder, name


# Bodies as they came


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_captured_body_is_decoded_and_put_back_with_nothing_known_lost(name: str) -> None:
    sent: dict[str, object] = json.loads(PAYLOADS[name])
    number = decode(PAYLOADS[name])
    put_back: dict[str, object] = json.loads(encode(number))
    assert decode(encode(number)) == number
    assert {field: put_back.get(field) for field in sent.keys() - UNKNOWN_FIELDS} == {
        field: value for field, value in sent.items() if field not in UNKNOWN_FIELDS
    }
    assert number.provider == sent["provider"]


def test_the_captured_bodies_are_there() -> None:
    assert len(PAYLOADS) >= 7


def test_a_twilio_number_has_every_field() -> None:
    number = decode(
        body_of(
            TWILIO
            | {
                "label": "Front desk ",
                "phone_number": "12125550100",
                "supports_inbound": False,
                "supports_outbound": False,
                "assigned_agent": {
                    "agent_id": "agent_1",
                    "agent_name": "受付",
                    "environment": "production",
                    "branch_id": "branch_1",
                },
            }
        )
    )
    assert number == TwilioPhoneNumber(
        phone_number="12125550100",
        label="Front desk ",
        phone_number_id="phnum_1",
        supports_inbound=False,
        supports_outbound=False,
        assigned_agent=AssignedAgent(
            agent_id="agent_1", agent_name="受付", environment="production", branch_id="branch_1"
        ),
    )


def test_a_sip_trunk_number_has_every_field() -> None:
    outbound = OUTBOUND | {
        "headers": {"X-Tenant": "acme"},
        "attributes_to_headers": {"ticket": "X-Ticket"},
        "username": "trunk-user",
        "has_outbound_trunk": True,
        "enabled_codecs": ["G722/8000", "PCMU/8000"],
    }
    inbound = INBOUND | {
        "allowed_numbers": ["+12125550100"],
        "username": "josé",
        "remote_domains": ["sbc.example.com"],
        "attributes_to_headers": {"ticket": "X-Ticket"},
    }
    number = decode(
        body_of(
            SIP
            | {
                "store_sip_messages": False,
                "outbound_trunk": outbound,
                "provider_config": None,
                "inbound_trunk": inbound,
            }
        )
    )
    assert number == SIPTrunkPhoneNumber(
        phone_number="+12125550100",
        label="Main line",
        phone_number_id="phnum_1",
        assigned_agent=AssignedAgent(agent_id="agent_1", agent_name="Receptionist"),
        livekit_stack="static",
        store_sip_messages=False,
        outbound_trunk=OutboundTrunk(
            address="sip.example.com",
            transport="tls",
            media_encryption="allowed",
            has_auth_credentials=True,
            headers={"X-Tenant": "acme"},
            attributes_to_headers={"ticket": "X-Ticket"},
            username="trunk-user",
            has_outbound_trunk=True,
            enabled_codecs=("G722/8000", "PCMU/8000"),
        ),
        inbound_trunk=InboundTrunk(
            allowed_addresses=("192.0.2.0/24",),
            media_encryption="required",
            has_auth_credentials=False,
            allowed_numbers=("+12125550100",),
            username="josé",
            remote_domains=("sbc.example.com",),
            attributes_to_headers={"ticket": "X-Ticket"},
        ),
    )


def test_what_may_be_absent_has_the_default_of_the_api() -> None:
    number = decode(
        body_of({name: SIP[name] for name in ("provider", "phone_number", "label", "phone_number_id")})[:-1]
        + b', "livekit_stack": "standard", "outbound_trunk": '
        + body_of(OUTBOUND)
        + b"}"
    )
    assert isinstance(number, SIPTrunkPhoneNumber)
    assert number.supports_inbound is True
    assert number.supports_outbound is True
    assert number.store_sip_messages is True
    assert number.assigned_agent is None
    assert number.outbound_trunk is not None
    assert number.outbound_trunk.has_outbound_trunk is False
    assert number.outbound_trunk.enabled_codecs == ()


# The provider


@pytest.mark.parametrize("provider", [{}, {"provider": None}], ids=["absent", "null"])
@pytest.mark.parametrize("field", ["livekit_stack", "provider_config", "outbound_trunk", "inbound_trunk"])
def test_without_a_provider_a_body_with_a_sip_field_is_a_sip_trunk(provider: Document, field: str) -> None:
    common = {name: value for name, value in TWILIO.items() if name != "provider"}
    body = body_of({**common, "livekit_stack": "static", field: SIP[field], **provider})
    assert isinstance(decode(body), SIPTrunkPhoneNumber)


@pytest.mark.parametrize("field", ["provider_config", "outbound_trunk", "inbound_trunk"])
def test_without_a_provider_a_sip_field_calls_for_a_livekit_stack(field: str) -> None:
    common = {name: value for name, value in TWILIO.items() if name != "provider"}
    with pytest.raises(DecodeError) as caught:
        decode(body_of(common | {field: None}))
    assert caught.value.path == "$.livekit_stack"


@pytest.mark.parametrize("provider", [{}, {"provider": None}], ids=["absent", "null"])
def test_without_a_provider_any_other_body_is_twilio(provider: Document) -> None:
    common = {name: value for name, value in TWILIO.items() if name != "provider"}
    assert decode(body_of({**common, **provider})) == decode(body_of(TWILIO))


def test_a_new_provider_keeps_its_whole_body() -> None:
    body = b"  " + body_of(OTHER) + b"\n"
    number = decode(body)
    assert number == OtherPhoneNumber(
        provider="carrier_pigeon",
        phone_number="+12125550100",
        label="Main line",
        phone_number_id="phnum_1",
        assigned_agent=AssignedAgent(agent_id="agent_1", agent_name="Receptionist"),
        raw=body,
    )
    assert encode(number) == body


def test_a_new_provider_may_have_a_field_named_raw() -> None:
    body = body_of(OTHER | {"raw": "cooked"})
    number = decode(body)
    assert isinstance(number, OtherPhoneNumber)
    assert number.raw == body


@pytest.mark.parametrize("provider", [5, True, ["twilio"], {"name": "twilio"}])
def test_a_provider_that_is_no_text_is_refused(provider: object) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(body_of(TWILIO | {"provider": provider}))
    assert caught.value.path == "$.provider"


# Strictness

COMMON_REQUIRED = ["$.phone_number", "$.label", "$.phone_number_id"]
AGENT_REQUIRED = ["$.assigned_agent.agent_id", "$.assigned_agent.agent_name"]
OUTBOUND_FIELDS = ["address", "transport", "media_encryption", "has_auth_credentials"]
INBOUND_FIELDS = ["allowed_addresses", "media_encryption", "has_auth_credentials"]
SIP_REQUIRED = [
    "$.livekit_stack",
    *(f"$.{trunk}.{field}" for trunk in ("outbound_trunk", "provider_config") for field in OUTBOUND_FIELDS),
    *(f"$.inbound_trunk.{field}" for field in INBOUND_FIELDS),
]
REQUIRED: list[tuple[Document, str]] = [
    (document, path)
    for document, paths in (
        (TWILIO, COMMON_REQUIRED + AGENT_REQUIRED),
        (EXOTEL, COMMON_REQUIRED + AGENT_REQUIRED),
        (SIP, COMMON_REQUIRED + AGENT_REQUIRED + SIP_REQUIRED),
        (OTHER, COMMON_REQUIRED + AGENT_REQUIRED),
    )
    for path in paths
]
OPTIONAL: list[tuple[Document, str]] = [
    *((document, "$.supports_inbound") for document in (TWILIO, EXOTEL, SIP, OTHER)),
    *((document, "$.supports_outbound") for document in (TWILIO, EXOTEL, SIP, OTHER)),
    *((document, "$.assigned_agent") for document in (TWILIO, EXOTEL, SIP, OTHER)),
    (TWILIO, "$.assigned_agent.environment"),
    (TWILIO, "$.assigned_agent.branch_id"),
    (SIP, "$.store_sip_messages"),
    (SIP, "$.outbound_trunk"),
    (SIP, "$.provider_config"),
    (SIP, "$.inbound_trunk"),
    (SIP, "$.outbound_trunk.headers"),
    (SIP, "$.outbound_trunk.attributes_to_headers"),
    (SIP, "$.outbound_trunk.username"),
    (SIP, "$.outbound_trunk.has_outbound_trunk"),
    (SIP, "$.outbound_trunk.enabled_codecs"),
    (SIP, "$.inbound_trunk.allowed_numbers"),
    (SIP, "$.inbound_trunk.username"),
    (SIP, "$.inbound_trunk.remote_domains"),
    (SIP, "$.inbound_trunk.attributes_to_headers"),
]
NULLABLE = [
    (document, path)
    for document, path in OPTIONAL
    if path.rpartition(".")[2]
    in {
        "assigned_agent",
        "environment",
        "branch_id",
        "outbound_trunk",
        "provider_config",
        "inbound_trunk",
        "allowed_numbers",
        "username",
        "remote_domains",
    }
]


def _name(value: object) -> str | None:
    return str(value["provider"]) if isinstance(value, dict) else None  # pyright: ignore[reportUnknownArgumentType]


@pytest.mark.parametrize(("document", "path"), REQUIRED, ids=_name)
def test_a_missing_required_field_is_named(document: Document, path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(without(document, path))
    assert caught.value.path == path
    assert path.rpartition(".")[2] in str(caught.value)


@pytest.mark.parametrize(("document", "path"), [*REQUIRED, *OPTIONAL], ids=_name)
@pytest.mark.parametrize("wrong", [5, 2.5, [5]], ids=["an int", "a float", "a list"])
def test_a_field_of_a_wrong_type_is_named(document: Document, path: str, wrong: object) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(with_value(document, path, wrong))
    assert caught.value.path is not None
    assert caught.value.path.removesuffix("[0]") == path


@pytest.mark.parametrize(("document", "path"), REQUIRED, ids=_name)
def test_a_required_field_cannot_be_null(document: Document, path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(with_value(document, path, None))
    assert caught.value.path == path


@pytest.mark.parametrize(
    "path", ["$.supports_inbound", "$.outbound_trunk.has_auth_credentials", "$.store_sip_messages"]
)
@pytest.mark.parametrize("almost", ["yes", "true", 1, 0, ""])
def test_what_is_almost_a_truth_value_is_none(path: str, almost: object) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(with_value(SIP, path, almost))
    assert caught.value.path == path


@pytest.mark.parametrize(("document", "path"), NULLABLE, ids=_name)
def test_a_nullable_field_may_be_null(document: Document, path: str) -> None:
    number = decode(with_value(document, path, None))
    value: object = number
    for name in path.removeprefix("$.").split("."):
        value = getattr(value, name)
    assert value is None


@pytest.mark.parametrize(("document", "path"), OPTIONAL, ids=_name)
def test_an_optional_field_may_be_absent(document: Document, path: str) -> None:
    number = decode(without(json.loads(with_value(document, path, None)), path))
    assert type(number) is type(decode(body_of(document)))


# What is newer than this library


@pytest.mark.parametrize(
    "path",
    [
        "$.livekit_stack",
        "$.outbound_trunk.transport",
        "$.outbound_trunk.media_encryption",
        "$.provider_config.transport",
        "$.inbound_trunk.media_encryption",
    ],
)
def test_a_new_value_of_an_enumeration_is_kept(path: str) -> None:
    number = decode(with_value(SIP, path, "quantum"))
    value: object = number
    for name in path.removeprefix("$.").split("."):
        value = getattr(value, name)
    assert value == "quantum"
    assert decode(encode(number)) == number


@pytest.mark.parametrize("document", [TWILIO, EXOTEL, SIP], ids=_name)
@pytest.mark.parametrize("new", ["text", 5, None, [1, {"deep": []}], {"a": {"b": None}}, "\U0001f680"])
def test_a_new_field_is_ignored_wherever_it_stands(document: Document, new: object) -> None:
    for path in ["$.new", "$.assigned_agent.new"]:
        assert decode(with_value(document, path, new)) == decode(body_of(document))
    for path in ["$.outbound_trunk.new", "$.inbound_trunk.new"] if document is SIP else []:
        assert decode(with_value(document, path, new)) == decode(body_of(document))


# What is no phone number


def around(document: Document, value: bytes) -> bytes:
    """Put raw bytes into a field that nobody knows."""
    return body_of(document)[:-1] + b', "new": ' + value + b"}"


DOCUMENTS = [
    pytest.param(TWILIO, id="twilio"),
    pytest.param(SIP, id="sip_trunk"),
    pytest.param(OTHER, id="a new provider"),
    pytest.param({k: v for k, v in TWILIO.items() if k != "provider"}, id="no provider"),
]
LEVELS = [150, 500, 990, 1_200, 1_700, 3_000, 100_000]


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["arrays", "objects"])
def test_deep_nesting_is_refused(document: Document, levels: int, opening: bytes, closing: bytes) -> None:
    for body in (
        around(document, opening * levels + b"1" + closing * levels),
        around(document, opening * levels),
        body_of(document)[:-1] + b', "label": ' + opening * levels + b"1" + closing * levels + b"}",
    ):
        with_nothing_but_decode_error(body)


@pytest.mark.parametrize("levels", LEVELS)
def test_deep_nesting_alone_is_refused(levels: int) -> None:
    for body in (b"[" * levels, b"[" * levels + b"]" * levels, b'{"a":' * levels, b'{"provider":' * levels):
        with pytest.raises(DecodeError):
            decode(body)


def with_nothing_but_decode_error(body: bytes) -> None:
    """Decode what may be harmless to a decoder that skips it; all that must not come is another error."""
    try:
        number = decode(body)
    except DecodeError:
        return
    assert number.phone_number_id == "phnum_1"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_brackets_in_a_text_are_no_nesting(document: Document) -> None:
    label = '[{"' * 500 + "\\"
    assert decode(with_value(document, "$.label", label)).label == label


def test_many_brackets_side_by_side_are_no_nesting() -> None:
    body = with_value(TWILIO, "$.new", json.loads("[" + "[{}, []]," * 999 + "[{}, []]]"))
    assert decode(body) == decode(body_of(TWILIO))


def test_a_text_of_escaped_quotes_that_never_ends_is_refused() -> None:
    # In a process of its own, as work that grows with the square of the body takes half an hour here.
    code = """
from elevenphone import DecodeError, decode
try:
    decode(b'{"provider": "twilio", "new": [' + b"[]," * 200 + b'"' + b'\\\\"' * 500_000)
except DecodeError:
    print("refused")
"""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=5
    )
    assert (done.stdout, done.stderr) == ("refused\n", "")


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize(
    "value",
    [
        b'"\xff"',
        b'"\xc3"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"01",
        b"nul",
        b"'text'",
        b"",
        b'"',
    ],
)
def test_a_broken_value_is_refused_even_where_nobody_reads_it(document: Document, value: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(around(document, value))


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" * 400])
def test_a_number_too_large_for_a_float_does_no_harm(document: Document, number: bytes) -> None:
    with_nothing_but_decode_error(around(document, number))
    body = body_of(document)[:-1] + b', "label": ' + number + b"}"
    with pytest.raises(DecodeError):
        decode(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"{}",
        b"5",
        b'"text"',
        b"true",
        b"<!doctype html><html><body>502 Bad Gateway</body></html>",
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"{}{}",
        b'{"provider": "twilio"',
        b'{"provider": "twilio"}',
        b'[{"provider": "twilio"}]',
    ],
)
def test_what_is_no_phone_number_is_refused_with_a_look_at_it(body: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(body)
    assert caught.value.snippet == body
    assert caught.value.status is None
    assert caught.value.truncated is False
    assert caught.value.__cause__ is None
    assert ("the body is empty" in str(caught.value)) == (body == b"")


def test_an_error_shows_no_more_than_the_beginning_of_a_body() -> None:
    with pytest.raises(DecodeError) as caught:
        decode(b"<" * 100_000)
    assert caught.value.snippet == b"<" * 200
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_body_cut_anywhere_is_refused(document: Document) -> None:
    body = body_of(document)
    for length in range(len(body)):
        with pytest.raises(DecodeError):
            decode(body[:length])


# Laws

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
OPTIONAL_TEXT = st.none() | TEXT
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
HEADERS = st.dictionaries(TEXT, TEXT, max_size=3)
AGENTS = st.builds(
    AssignedAgent, agent_id=TEXT, agent_name=TEXT, environment=OPTIONAL_TEXT, branch_id=OPTIONAL_TEXT
)
OUTBOUND_TRUNKS = st.builds(
    OutboundTrunk,
    address=TEXT,
    transport=TEXT | st.sampled_from(["auto", "udp", "tcp", "tls"]),
    media_encryption=TEXT | st.sampled_from(["disabled", "allowed", "required"]),
    has_auth_credentials=st.booleans(),
    headers=HEADERS,
    attributes_to_headers=HEADERS,
    username=OPTIONAL_TEXT,
    has_outbound_trunk=st.booleans(),
    enabled_codecs=TEXTS,
)
INBOUND_TRUNKS = st.builds(
    InboundTrunk,
    allowed_addresses=TEXTS,
    media_encryption=TEXT,
    has_auth_credentials=st.booleans(),
    allowed_numbers=st.none() | TEXTS,
    username=OPTIONAL_TEXT,
    remote_domains=st.none() | TEXTS,
    attributes_to_headers=HEADERS,
)
COMMON = {
    "phone_number": TEXT,
    "label": TEXT,
    "phone_number_id": TEXT,
    "supports_inbound": st.booleans(),
    "supports_outbound": st.booleans(),
    "assigned_agent": st.none() | AGENTS,
}
SIP_NUMBERS = st.builds(
    SIPTrunkPhoneNumber,
    **COMMON,
    livekit_stack=TEXT | st.sampled_from(["standard", "static"]),
    store_sip_messages=st.booleans(),
    provider_config=st.none() | OUTBOUND_TRUNKS,
    outbound_trunk=st.none() | OUTBOUND_TRUNKS,
    inbound_trunk=st.none() | INBOUND_TRUNKS,
)
KNOWN_NUMBERS = st.builds(TwilioPhoneNumber, **COMMON) | st.builds(ExotelPhoneNumber, **COMMON) | SIP_NUMBERS


@given(KNOWN_NUMBERS)
def test_any_number_of_a_known_provider_survives_the_wire(number: PhoneNumber) -> None:
    assert decode(encode(number)) == number
    document: dict[str, object] = json.loads(encode(number))
    assert document["provider"] == number.provider
    assert document["label"] == number.label


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(
    provider=TEXT.filter(lambda provider: provider not in {"twilio", "exotel", "sip_trunk"}),
    number=st.fixed_dictionaries(
        {name: COMMON[name] for name in ("phone_number", "label", "phone_number_id")}
    ),
    more=st.dictionaries(TEXT.map(lambda name: f"x_{name}"), JSON, max_size=3),
)
def test_any_number_of_a_new_provider_survives_the_wire(
    provider: str, number: Mapping[str, object], more: Mapping[str, object]
) -> None:
    body = json.dumps({**number, **more, "provider": provider}, ensure_ascii=False).encode()
    decoded = decode(body)
    assert isinstance(decoded, OtherPhoneNumber)
    assert decoded.provider == provider
    assert encode(decoded) == body
    assert decode(encode(decoded)) == decoded


@given(st.binary(max_size=200))
def test_any_bytes_raise_nothing_but_decode_error(body: bytes) -> None:
    with pytest.raises(DecodeError):  # no 200 random bytes are a phone number
        decode(body)


@given(document=JSON)
def test_any_json_raises_nothing_but_decode_error(document: object) -> None:
    with pytest.raises(DecodeError):
        decode(json.dumps(document).encode())


@given(
    body=st.sampled_from([*PAYLOADS.values(), body_of(SIP), body_of(OTHER)]),
    position=st.integers(0, 2_000),
    replaced=st.integers(0, 20),
    junk=st.binary(max_size=5)
    | st.sampled_from([b"[", b"{", b"null", b'"', b"\\", b",", b"1e999", b"\\ud800"]),
)
def test_a_body_damaged_anywhere_is_a_number_or_a_decode_error(
    body: bytes, position: int, replaced: int, junk: bytes
) -> None:
    position %= len(body)
    try:
        number = decode(body[:position] + junk + body[position + replaced :])
    except DecodeError:
        return
    for field in ("phone_number", "label", "phone_number_id", "provider"):
        assert type(getattr(number, field)) is str
    assert type(number.supports_inbound) is bool
    assert number.assigned_agent is None or type(number.assigned_agent.agent_id) is str


# As values

NUMBERS = [decode(body_of(document)) for document in (TWILIO, EXOTEL, SIP, OTHER)]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: str(number.provider))
def test_a_number_is_frozen_and_pickles(number: PhoneNumber) -> None:
    with pytest.raises(AttributeError):
        number.label = "changed"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    copy: object = pickle.loads(pickle.dumps(number))  # noqa: S301
    assert copy == number
    assert type(copy) is type(number)


@pytest.mark.parametrize("number", NUMBERS[:2], ids=lambda number: str(number.provider))
def test_a_number_of_scalars_is_hashable(number: PhoneNumber) -> None:
    assert {number: "known"}[decode(encode(number))] == "known"


def test_numbers_of_two_providers_are_never_equal() -> None:
    assert decode(body_of(TWILIO)) != decode(body_of(EXOTEL))


def _class_of(number: PhoneNumber) -> str:
    match number:
        case TwilioPhoneNumber():
            return "twilio"
        case ExotelPhoneNumber():
            return "exotel"
        case SIPTrunkPhoneNumber(inbound_trunk=InboundTrunk(), livekit_stack=stack):
            return f"sip_trunk {stack}"
        case SIPTrunkPhoneNumber():
            return "sip_trunk"
        case OtherPhoneNumber(provider=provider):
            return provider
        case _:
            assert_never(number)


def test_a_match_on_the_class_is_exhaustive() -> None:
    assert [_class_of(number) for number in NUMBERS] == [
        "twilio",
        "exotel",
        "sip_trunk static",
        "carrier_pigeon",
    ]


def test_a_match_on_the_provider_works() -> None:
    kinds: list[str] = []
    for number in NUMBERS:
        match number.provider:
            case "twilio" | "exotel":
                kinds.append("carrier")
            case "sip_trunk":
                kinds.append("trunk")
            case other:
                kinds.append(other)
    assert kinds == ["carrier", "carrier", "trunk", "carrier_pigeon"]
