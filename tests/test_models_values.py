"""Numbers as values: encoded and decoded, pickled, hashed and matched."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from typing import assert_never

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_documents import EXOTEL, JSON, OTHER, SIP, TEXT, TWILIO, body_of

from elevenphone import (
    AssignedAgent,
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
def test_a_number_of_a_known_provider_survives_encoding_and_decoding(number: PhoneNumber) -> None:
    assert decode(encode(number)) == number
    document: dict[str, object] = json.loads(encode(number))
    assert document["provider"] == number.provider
    assert document["label"] == number.label


@given(
    provider=TEXT.filter(lambda provider: provider not in {"twilio", "exotel", "sip_trunk"}),
    number=st.fixed_dictionaries(
        {name: COMMON[name] for name in ("phone_number", "label", "phone_number_id")}
    ),
    more=st.dictionaries(TEXT.map(lambda name: f"x_{name}"), JSON, max_size=3),
)
def test_a_number_of_a_new_provider_survives_decoding_and_encoding(
    provider: str, number: Mapping[str, object], more: Mapping[str, object]
) -> None:
    body = json.dumps({**number, **more, "provider": provider}, ensure_ascii=False).encode()
    decoded = decode(body)
    assert isinstance(decoded, OtherPhoneNumber)
    assert decoded.provider == provider
    assert encode(decoded) == body
    assert decode(encode(decoded)) == decoded


# Numbers as values


NUMBERS = [decode(body_of(document)) for document in (TWILIO, EXOTEL, SIP, OTHER)]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: str(number.provider))
def test_a_number_is_frozen_and_can_be_pickled(number: PhoneNumber) -> None:
    with pytest.raises(AttributeError):
        number.label = "changed"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    copy: object = pickle.loads(pickle.dumps(number))  # noqa: S301
    assert copy == number
    assert type(copy) is type(number)


@pytest.mark.parametrize("number", NUMBERS[:2], ids=lambda number: str(number.provider))
def test_a_number_of_scalars_is_hashable(number: PhoneNumber) -> None:
    assert {number: "known"}[decode(encode(number))] == "known"


def test_numbers_of_different_providers_are_never_equal() -> None:
    assert decode(body_of(TWILIO)) != decode(body_of(EXOTEL))


def class_name(number: PhoneNumber) -> str:
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


def test_a_match_over_all_classes_is_exhaustive() -> None:
    assert [class_name(number) for number in NUMBERS] == [
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
