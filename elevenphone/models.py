"""The classes of phone numbers, and the functions that decode and encode them.

The numbers of known providers are decoded strictly. A new provider, a new value of an
enumeration or a new field never breaks a lookup.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

import msgspec

from elevenphone._json import SHALLOW_BYTES, invalid, malformed, refuse_deep_nesting

SIPTransport: TypeAlias = Literal["auto", "udp", "tcp", "tls"] | str
"""The transport of SIP messages. The API may add values."""

MediaEncryption: TypeAlias = Literal["disabled", "allowed", "required"] | str
"""Whether the media is encrypted (SRTP). The API may add values."""

LiveKitStack: TypeAlias = Literal["standard", "static"] | str
"""The LiveKit stack that serves a SIP trunk. The API may add values."""


# gc=False throughout: these hold text and each other, so no reference cycle can pass through them, and the
# garbage collector need not visit a million of them.
class AssignedAgent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The agent that answers a number.

    Attributes:
        agent_id: The agent's id.
        agent_name: The agent's name.
        environment: The environment whose variables calls to this number use, or `None`.
        branch_id: The branch of the agent that answers this number, or `None`.
    """

    agent_id: str
    agent_name: str
    environment: str | None = None
    branch_id: str | None = None


class OutboundTrunk(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The outbound side of a SIP trunk: the server that it sends calls to.

    Attributes:
        address: Host name or IP address to which the SIP INVITE is sent.
        transport: `auto`, `udp`, `tcp`, `tls`, or a newer value.
        media_encryption: `disabled`, `allowed`, `required`, or a newer value.
        has_auth_credentials: Whether the trunk has credentials.
        headers: SIP headers that are added to the INVITE.
        attributes_to_headers: Name of a dynamic variable to name of a SIP header.
        username: User name of the credentials, or `None`.
        has_outbound_trunk: Whether LiveKit has an outbound trunk for this number.
        enabled_codecs: Codecs, such as `G722/8000`; empty if all are enabled.
    """

    address: str
    transport: SIPTransport
    media_encryption: MediaEncryption
    has_auth_credentials: bool
    headers: dict[str, str] = {}
    attributes_to_headers: dict[str, str] = {}
    username: str | None = None
    has_outbound_trunk: bool = False
    enabled_codecs: tuple[str, ...] = ()


class InboundTrunk(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The inbound side of a SIP trunk: the servers from which it accepts calls.

    Attributes:
        allowed_addresses: IP addresses or CIDR blocks.
        allowed_numbers: Phone numbers, or `None` for any.
        media_encryption: `disabled`, `allowed`, `required`, or a newer value.
        has_auth_credentials: Whether the trunk has credentials.
        username: User name of the credentials, or `None`.
        remote_domains: Domains that the TLS certificates of the remote SIP servers must
            have, or `None`.
        attributes_to_headers: Name of a dynamic variable to name of a SIP header.
    """

    allowed_addresses: tuple[str, ...]
    media_encryption: MediaEncryption
    has_auth_credentials: bool
    allowed_numbers: tuple[str, ...] | None = None
    username: str | None = None
    remote_domains: tuple[str, ...] | None = None
    attributes_to_headers: dict[str, str] = {}


class _Common(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    phone_number: str
    label: str
    phone_number_id: str
    supports_inbound: bool = True
    supports_outbound: bool = True
    assigned_agent: AssignedAgent | None = None


class TwilioPhoneNumber(_Common, frozen=True, kw_only=True, gc=False, tag_field="provider", tag="twilio"):
    """A number imported from Twilio.

    Attributes:
        phone_number: The telephone number, as the account holds it; most are E.164, not all.
        label: Its name in the account.
        phone_number_id: Its id.
        supports_inbound: Whether it takes calls.
        supports_outbound: Whether it places calls.
        assigned_agent: The agent that answers it, or `None`.
    """

    provider: ClassVar[Literal["twilio"]] = "twilio"


class ExotelPhoneNumber(_Common, frozen=True, kw_only=True, gc=False, tag_field="provider", tag="exotel"):
    """A number imported from Exotel.

    Attributes:
        phone_number: The telephone number, as the account holds it; most are E.164, not all.
        label: Its name in the account.
        phone_number_id: Its id.
        supports_inbound: Whether it takes calls.
        supports_outbound: Whether it places calls.
        assigned_agent: The agent that answers it, or `None`.
    """

    provider: ClassVar[Literal["exotel"]] = "exotel"


class SIPTrunkPhoneNumber(
    _Common, frozen=True, kw_only=True, gc=False, tag_field="provider", tag="sip_trunk"
):
    """A number that reaches the platform over a SIP trunk.

    Attributes:
        phone_number: The telephone number, as the account holds it; most are E.164, not all.
        label: Its name in the account.
        phone_number_id: Its id.
        supports_inbound: Whether it takes calls.
        supports_outbound: Whether it places calls.
        assigned_agent: The agent that answers it, or `None`.
        livekit_stack: `standard`, `static`, or a newer value.
        store_sip_messages: Whether ElevenLabs keeps the SIP messages.
        provider_config: The outbound trunk under its old name, which the API deprecates.
        outbound_trunk: The outbound side of the trunk, or `None`.
        inbound_trunk: The inbound side of the trunk, or `None`.
    """

    provider: ClassVar[Literal["sip_trunk"]] = "sip_trunk"

    livekit_stack: LiveKitStack
    store_sip_messages: bool = True
    provider_config: OutboundTrunk | None = None
    outbound_trunk: OutboundTrunk | None = None
    inbound_trunk: InboundTrunk | None = None


class OtherPhoneNumber(_Common, frozen=True, kw_only=True, gc=False):
    """A number of a provider that this library does not know yet.

    Attributes:
        provider: The provider's name, as the API sends it.
        phone_number: The telephone number, as the account holds it.
        label: Its name in the account.
        phone_number_id: Its id.
        supports_inbound: Whether it takes calls.
        supports_outbound: Whether it places calls.
        assigned_agent: The agent that answers it, or `None`.
        raw: The whole body, with the fields that only this provider has.
    """

    provider: str
    raw: bytes


PhoneNumber: TypeAlias = TwilioPhoneNumber | ExotelPhoneNumber | SIPTrunkPhoneNumber | OtherPhoneNumber
"""The result of a successful lookup; `match` on the class, or on `.provider`."""

_Known: TypeAlias = TwilioPhoneNumber | ExotelPhoneNumber | SIPTrunkPhoneNumber
_KNOWN: msgspec.json.Decoder[_Known] = msgspec.json.Decoder(_Known)
_ANY_OBJECT = msgspec.json.Decoder(dict[str, object])
_ENCODER = msgspec.json.Encoder()
_PROVIDERS = {"twilio", "exotel", "sip_trunk"}
_SIP_ONLY = {"livekit_stack", "provider_config", "outbound_trunk", "inbound_trunk"}
_WHAT = "a phone number"


def decode(body: bytes) -> PhoneNumber:
    """Decode one body of `GET /v1/convai/phone-numbers/{phone_number_id}`.

    Args:
        body: JSON in UTF-8.

    Returns:
        The number. `provider` decides its class. If `provider` is absent or null, the
        number is a SIP trunk if the body has a field that only SIP trunks have, and
        otherwise a Twilio number. A new provider gives an `OtherPhoneNumber`.

    Raises:
        DecodeError: The body is not a JSON object, or a field is missing or has a wrong
            type; `path` names it.

    Example:
        ```python
        number = decode(Path("number.json").read_bytes())
        ```
    """
    try:
        if len(body) > SHALLOW_BYTES:
            refuse_deep_nesting(body, _WHAT)
        if not body.isascii():
            body.decode()  # msgspec skips unknown fields without looking at their bytes
        return _KNOWN.decode(body)
    except msgspec.ValidationError:
        return _decode_by_content(body)
    except msgspec.DecodeError as error:
        raise malformed(body, _WHAT, str(error)) from None
    except UnicodeDecodeError:
        raise malformed(body, _WHAT, "not UTF-8") from None
    except RecursionError:
        raise malformed(body, _WHAT, "nested too deeply") from None


def encode(number: PhoneNumber) -> bytes:
    """Encode a number as JSON, with the field names of the API.

    Args:
        number: The number, of any of the four classes.

    Returns:
        A body that `decode` turns into an equal number. For an `OtherPhoneNumber`, the
        body that it was decoded from.

    Example:
        ```python
        Path("number.json").write_bytes(encode(number))
        ```
    """
    return number.raw if isinstance(number, OtherPhoneNumber) else _ENCODER.encode(number)


def _decode_by_content(body: bytes) -> PhoneNumber:
    """Decode a body that the tagged union refused: no provider, a new one, or an invalid field."""
    refuse_deep_nesting(body, _WHAT)
    try:
        fields = _ANY_OBJECT.decode(body)
        provider = fields.pop("provider", None)
        match provider:
            case None if _SIP_ONLY & fields.keys():
                return msgspec.convert(fields, SIPTrunkPhoneNumber)
            case None:
                return msgspec.convert(fields, TwilioPhoneNumber)
            case str() if provider not in _PROVIDERS:
                return msgspec.convert(fields | {"provider": provider, "raw": body}, OtherPhoneNumber)
            case _:
                return _KNOWN.decode(body)  # once more, for its error
    except msgspec.ValidationError as error:
        raise invalid(body, str(error)) from None
    except msgspec.DecodeError as error:
        raise malformed(body, _WHAT, str(error)) from None
