"""Bodies of phone numbers: captured, written, changed and drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import msgspec
from hypothesis import strategies as st

PAYLOADS = {path.stem: path.read_bytes() for path in Path(__file__).parent.glob("payloads/success/*.json")}
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
    """Set the value at a path such as `$.outbound_trunk.address`."""
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


def provider_of(value: object) -> str | None:
    return str(value["provider"]) if isinstance(value, dict) else None  # pyright: ignore[reportUnknownArgumentType]


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
