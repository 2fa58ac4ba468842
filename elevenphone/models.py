"""The phone numbers, and the one place where a body becomes one.

Known providers are decoded strictly. A provider, an enumeration's value or a
field that nobody knows yet never breaks a lookup.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

import msgspec

from elevenphone._json import SHALLOW_BYTES, invalid, malformed, refuse_deep_nesting

SIPTransport: TypeAlias = Literal["auto", "udp", "tcp", "tls"] | str
"""How SIP messages travel; open, as the API may add values."""

MediaEncryption: TypeAlias = Literal["disabled", "allowed", "required"] | str
"""Whether the media (SRTP) is encrypted; open, as the API may add values."""

LiveKitStack: TypeAlias = Literal["standard", "static"] | str
"""The LiveKit stack that serves a SIP trunk; open, as the API may add values."""


# gc=False throughout: these hold text and each other, so no reference cycle can pass through them, and the
# garbage collector need not visit a million of them.
class AssignedAgent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The agent that answers a number.

    Attributes:
        agent_id: The agent's id.
        agent_name: The agent's name.
        environment: The environment whose variables calls to this number use.
        branch_id: The agent's branch that takes calls to this number.
    """

    agent_id: str
    agent_name: str
    environment: str | None = None
    branch_id: str | None = None


class OutboundTrunk(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a SIP trunk sends calls to.

    Attributes:
        address: Host name or IP address that the SIP INVITE is sent to.
        transport: `auto`, `udp`, `tcp`, `tls`, or a value newer than this library.
        media_encryption: `disabled`, `allowed`, `required`, or a newer value.
        has_auth_credentials: Whether credentials are configured.
        headers: SIP headers added to the INVITE.
        attributes_to_headers: Dynamic variable name to SIP header name.
        username: User name of the credentials, if there is one to show.
        has_outbound_trunk: Whether LiveKit has an outbound trunk for it.
        enabled_codecs: Codecs offered, such as `G722/8000`; empty means all.
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
    """Whom a SIP trunk takes calls from.

    Attributes:
        allowed_addresses: IP addresses or CIDR blocks.
        allowed_numbers: Phone numbers, or `None` for any.
        media_encryption: `disabled`, `allowed`, `required`, or a newer value.
        has_auth_credentials: Whether credentials are configured.
        username: User name of the credentials, if there is one to show.
        remote_domains: Domains of the remote SIP servers, checked against their
            TLS certificates, or `None`.
        attributes_to_headers: Dynamic variable name to SIP header name.
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
        phone_number: The number as the account holds it; most, not all, are E.164.
        label: The name given to it.
        phone_number_id: Its id.
        supports_inbound: Whether it takes calls.
        supports_outbound: Whether it places calls.
        assigned_agent: The agent that answers it, or `None`.
    """

    provider: ClassVar[Literal["twilio"]] = "twilio"


class ExotelPhoneNumber(_Common, frozen=True, kw_only=True, gc=False, tag_field="provider", tag="exotel"):
    """A number imported from Exotel.

    Attributes:
        phone_number: The number as the account holds it; most, not all, are E.164.
        label: The name given to it.
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
        phone_number: The number as the account holds it; most, not all, are E.164.
        label: The name given to it.
        phone_number_id: Its id.
        supports_inbound: Whether it takes calls.
        supports_outbound: Whether it places calls.
        assigned_agent: The agent that answers it, or `None`.
        livekit_stack: `standard`, `static`, or a value newer than this library.
        store_sip_messages: Whether SIP messages are kept.
        provider_config: The outbound trunk under its old name; deprecated by the API.
        outbound_trunk: Where calls are sent to, if configured.
        inbound_trunk: Whom calls are taken from, if configured.
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
        provider: The provider's name on the wire.
        phone_number: The number as the account holds it.
        label: The name given to it.
        phone_number_id: Its id.
        supports_inbound: Whether it takes calls.
        supports_outbound: Whether it places calls.
        assigned_agent: The agent that answers it, or `None`.
        raw: The whole body as it came, for what only this provider has.
    """

    provider: str
    raw: bytes


PhoneNumber: TypeAlias = TwilioPhoneNumber | ExotelPhoneNumber | SIPTrunkPhoneNumber | OtherPhoneNumber
"""What a lookup finds; `match` on the class, or on `.provider`."""

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
        The number, its class chosen by `provider`. Where `provider` is absent or
        null the number is a SIP trunk if the body has a field that only those
        have, else Twilio. A provider not known here is an `OtherPhoneNumber`.

    Raises:
        DecodeError: The body is no JSON object, or a field is missing or of a
            wrong type; `path` names it.
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
    """Encode a number as JSON, under the names of the wire.

    Args:
        number: Any of the four classes.

    Returns:
        A body that `decode` turns into an equal number; for an `OtherPhoneNumber`
        the body it came in.
    """
    return number.raw if isinstance(number, OtherPhoneNumber) else _ENCODER.encode(number)


def _decode_by_content(body: bytes) -> PhoneNumber:
    """Decode what the tagged union refused: no provider, a new one, or a real fault."""
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
