"""Each field of a body, each provider, and fields newer than this library."""

from __future__ import annotations

import json

import pytest
from model_documents import (
    EXOTEL,
    INBOUND,
    OTHER,
    OUTBOUND,
    PAYLOADS,
    SIP,
    TWILIO,
    Document,
    body_of,
    provider_of,
    with_value,
)

from elevenphone import (
    AssignedAgent,
    DecodeError,
    InboundTrunk,
    OtherPhoneNumber,
    OutboundTrunk,
    SIPTrunkPhoneNumber,
    TwilioPhoneNumber,
    decode,
    encode,
)

# Fields of captured bodies that the API description does not have.
UNKNOWN_FIELDS = {"inbound_trunk_config", "outbound_trunk_config"}


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_captured_body_survives_decoding_and_encoding(name: str) -> None:
    sent: dict[str, object] = json.loads(PAYLOADS[name])
    number = decode(PAYLOADS[name])
    encoded: dict[str, object] = json.loads(encode(number))
    assert decode(encode(number)) == number
    assert {field: encoded.get(field) for field in sent.keys() - UNKNOWN_FIELDS} == {
        field: value for field, value in sent.items() if field not in UNKNOWN_FIELDS
    }
    assert number.provider == sent["provider"]


def test_there_are_captured_bodies() -> None:
    assert len(PAYLOADS) >= 7


def test_every_field_of_a_twilio_number_is_decoded() -> None:
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


def test_every_field_of_a_sip_trunk_number_is_decoded() -> None:
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


def test_an_absent_field_has_the_default_of_the_api() -> None:
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
def test_a_body_with_a_sip_field_and_no_provider_is_a_sip_trunk(provider: Document, field: str) -> None:
    common = {name: value for name, value in TWILIO.items() if name != "provider"}
    body = body_of({**common, "livekit_stack": "static", field: SIP[field], **provider})
    assert isinstance(decode(body), SIPTrunkPhoneNumber)


@pytest.mark.parametrize("field", ["provider_config", "outbound_trunk", "inbound_trunk"])
def test_a_sip_trunk_without_a_provider_needs_a_livekit_stack(field: str) -> None:
    common = {name: value for name, value in TWILIO.items() if name != "provider"}
    with pytest.raises(DecodeError) as caught:
        decode(body_of(common | {field: None}))
    assert caught.value.path == "$.livekit_stack"


@pytest.mark.parametrize("provider", [{}, {"provider": None}], ids=["absent", "null"])
def test_any_other_body_without_a_provider_is_twilio(provider: Document) -> None:
    common = {name: value for name, value in TWILIO.items() if name != "provider"}
    assert decode(body_of({**common, **provider})) == decode(body_of(TWILIO))


def test_a_number_of_a_new_provider_keeps_its_raw_body() -> None:
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


def test_a_new_provider_can_have_a_field_named_raw() -> None:
    body = body_of(OTHER | {"raw": "cooked"})
    number = decode(body)
    assert isinstance(number, OtherPhoneNumber)
    assert number.raw == body


@pytest.mark.parametrize("provider", [5, True, ["twilio"], {"name": "twilio"}])
def test_a_provider_that_is_not_a_string_is_refused(provider: object) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(body_of(TWILIO | {"provider": provider}))
    assert caught.value.path == "$.provider"


# Values and fields that are newer than this library


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


@pytest.mark.parametrize("document", [TWILIO, EXOTEL, SIP], ids=provider_of)
@pytest.mark.parametrize("new", ["text", 5, None, [1, {"deep": []}], {"a": {"b": None}}, "\U0001f680"])
def test_a_new_field_is_ignored_at_every_level(document: Document, new: object) -> None:
    for path in ["$.new", "$.assigned_agent.new"]:
        assert decode(with_value(document, path, new)) == decode(body_of(document))
    for path in ["$.outbound_trunk.new", "$.inbound_trunk.new"] if document is SIP else []:
        assert decode(with_value(document, path, new)) == decode(body_of(document))
