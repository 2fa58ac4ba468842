"""A missing, null or mistyped field is refused by name, unless it is optional."""

from __future__ import annotations

import json

import pytest
from model_documents import EXOTEL, OTHER, SIP, TWILIO, Document, body_of, provider_of, with_value, without

from elevenphone import DecodeError, decode

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


@pytest.mark.parametrize(("document", "path"), REQUIRED, ids=provider_of)
def test_the_error_names_a_missing_required_field(document: Document, path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(without(document, path))
    assert caught.value.path == path
    assert path.rpartition(".")[2] in str(caught.value)


@pytest.mark.parametrize(("document", "path"), [*REQUIRED, *OPTIONAL], ids=provider_of)
@pytest.mark.parametrize("wrong", [5, 2.5, [5]], ids=["an int", "a float", "a list"])
def test_the_error_names_a_field_of_the_wrong_type(document: Document, path: str, wrong: object) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(with_value(document, path, wrong))
    assert caught.value.path is not None
    assert caught.value.path.removesuffix("[0]") == path


@pytest.mark.parametrize(("document", "path"), REQUIRED, ids=provider_of)
def test_a_required_field_cannot_be_null(document: Document, path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(with_value(document, path, None))
    assert caught.value.path == path


@pytest.mark.parametrize(
    "path", ["$.supports_inbound", "$.outbound_trunk.has_auth_credentials", "$.store_sip_messages"]
)
@pytest.mark.parametrize("almost", ["yes", "true", 1, 0, ""])
def test_only_true_and_false_are_booleans(path: str, almost: object) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(with_value(SIP, path, almost))
    assert caught.value.path == path


@pytest.mark.parametrize(("document", "path"), NULLABLE, ids=provider_of)
def test_a_nullable_field_can_be_null(document: Document, path: str) -> None:
    number = decode(with_value(document, path, None))
    value: object = number
    for name in path.removeprefix("$.").split("."):
        value = getattr(value, name)
    assert value is None


@pytest.mark.parametrize(("document", "path"), OPTIONAL, ids=provider_of)
def test_an_optional_field_can_be_absent(document: Document, path: str) -> None:
    number = decode(without(json.loads(with_value(document, path, None)), path))
    assert type(number) is type(decode(body_of(document)))
