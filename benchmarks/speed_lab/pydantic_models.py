"""The models as pydantic would have them: a union told apart by `provider`, types checked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Agent(_Model):
    agent_id: str
    agent_name: str
    environment: str | None = None
    branch_id: str | None = None


class _Common(_Model):
    phone_number: str
    label: str
    phone_number_id: str
    supports_inbound: bool = True
    supports_outbound: bool = True
    assigned_agent: _Agent | None = None


class _Twilio(_Common):
    provider: Literal["twilio"]


class _Exotel(_Common):
    provider: Literal["exotel"]


class _Outbound(_Model):
    address: str
    transport: str
    media_encryption: str
    has_auth_credentials: bool
    headers: dict[str, str] = {}
    attributes_to_headers: dict[str, str] = {}
    username: str | None = None
    has_outbound_trunk: bool = False
    enabled_codecs: tuple[str, ...] = ()


class _Inbound(_Model):
    allowed_addresses: tuple[str, ...]
    media_encryption: str
    has_auth_credentials: bool
    allowed_numbers: tuple[str, ...] | None = None
    username: str | None = None
    remote_domains: tuple[str, ...] | None = None
    attributes_to_headers: dict[str, str] = {}


class _SIPTrunk(_Common):
    provider: Literal["sip_trunk"]
    livekit_stack: str
    store_sip_messages: bool = True
    provider_config: _Outbound | None = None
    outbound_trunk: _Outbound | None = None
    inbound_trunk: _Inbound | None = None


_ADAPTER: TypeAdapter[_Twilio | _Exotel | _SIPTrunk] = TypeAdapter(
    Annotated[_Twilio | _Exotel | _SIPTrunk, Field(discriminator="provider")]
)


def decode(body: bytes) -> object:
    """Decode one body; raises where the provider is absent or unknown."""
    return _ADAPTER.validate_json(body)
