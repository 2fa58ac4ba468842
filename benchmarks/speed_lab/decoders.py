"""What makes an object of a body: this library's decoder, and others."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

Decode: TypeAlias = Callable[[bytes], object]

OURS, MSGSPEC, DATACLASS, DICT = "elevenphone.decode", "msgspec alone", "json + dataclass", "json to dict"
PYDANTIC, SDK = "pydantic", "official SDK"


def _ours() -> Decode:
    from elevenphone import decode  # noqa: PLC0415

    return decode


def _msgspec() -> Decode:
    import msgspec  # noqa: PLC0415

    from elevenphone import ExotelPhoneNumber, SIPTrunkPhoneNumber, TwilioPhoneNumber  # noqa: PLC0415

    return msgspec.json.Decoder(TwilioPhoneNumber | ExotelPhoneNumber | SIPTrunkPhoneNumber).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class _Agent:
    agent_id: str
    agent_name: str
    environment: str | None = None
    branch_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    phone_number: str
    label: str
    phone_number_id: str
    supports_inbound: bool = True
    supports_outbound: bool = True
    assigned_agent: _Agent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outbound:
    address: str
    transport: str
    media_encryption: str
    has_auth_credentials: bool
    headers: dict[str, str]
    attributes_to_headers: dict[str, str]
    username: str | None
    has_outbound_trunk: bool
    enabled_codecs: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inbound:
    allowed_addresses: list[str]
    media_encryption: str
    has_auth_credentials: bool
    allowed_numbers: list[str] | None
    username: str | None
    remote_domains: list[str] | None
    attributes_to_headers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _SIPTrunk(_Number):
    livekit_stack: str
    store_sip_messages: bool = True
    provider_config: _Outbound | None = None
    outbound_trunk: _Outbound | None = None
    inbound_trunk: _Inbound | None = None


def _dataclass() -> Decode:
    """Classes chosen and nested by hand; no type is checked."""

    def part(kind: Callable[..., object], fields: dict[str, Any] | None) -> object:
        return None if fields is None else kind(**fields)

    def decode(body: bytes) -> object:
        fields = json.loads(body)
        provider = fields.pop("provider", None)
        fields["assigned_agent"] = part(_Agent, fields.get("assigned_agent"))
        if provider != "sip_trunk":
            fields.pop("sku", None)
            return _Number(**fields)
        for name, kind in (
            ("provider_config", _Outbound),
            ("outbound_trunk", _Outbound),
            ("inbound_trunk", _Inbound),
        ):
            fields[name] = part(kind, fields.get(name))
        return _SIPTrunk(**fields)

    return decode


def _pydantic() -> Decode:
    from speed_lab.pydantic_models import decode  # noqa: PLC0415

    return decode


def _official_sdk() -> Decode:
    """What the SDK's own client does with the text of an answer."""
    from elevenlabs.conversational_ai.phone_numbers.types import PhoneNumbersGetResponse  # noqa: PLC0415
    from elevenlabs.core.unchecked_base_model import construct_type  # noqa: PLC0415

    def decode(body: bytes) -> object:
        return construct_type(type_=PhoneNumbersGetResponse, object_=json.loads(body))  # type: ignore[arg-type]

    return decode


_MAKERS: dict[str, tuple[Callable[[], Decode], str | None]] = {
    OURS: (_ours, None),
    MSGSPEC: (_msgspec, None),
    DICT: (lambda: json.loads, None),
    DATACLASS: (_dataclass, None),
    PYDANTIC: (_pydantic, "pydantic"),
    SDK: (_official_sdk, "elevenlabs"),
}
NAMES = tuple(_MAKERS)


def make(name: str) -> Decode | None:
    """Make a decoder; `None` where its package is not installed."""
    maker, needs = _MAKERS[name]
    return maker() if needs is None or importlib.util.find_spec(needs) else None
