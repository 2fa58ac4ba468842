"""Look ElevenLabs phone numbers up by id: one inside an async service, or a million from a file."""

from typing import TYPE_CHECKING

from elevenphone._version import __version__
from elevenphone.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    ElevenPhoneError,
    FieldError,
    InvalidPhoneNumberIdError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    RequestTimeoutError,
    ResponseTooLargeError,
    ServerError,
    StatusError,
    TransportError,
    UnprocessableEntityError,
)
from elevenphone.lookups import Failed, Found, Lookup
from elevenphone.models import (
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
from elevenphone.retry import RetryPolicy

if TYPE_CHECKING:
    from elevenphone._attempts import ClientStats as ClientStats
    from elevenphone._bulk import Run as Run
    from elevenphone._configuration import Region as Region
    from elevenphone._protocol import RawResponse as RawResponse
    from elevenphone._protocol import Response as Response
    from elevenphone._transport import Transport as Transport
    from elevenphone.client import PhoneNumberClient as PhoneNumberClient

# Imported when first asked for: asyncio alone doubles the time of the rest, and `decode` needs none of it.
_LAZY = {
    "ClientStats": "_attempts",
    "PhoneNumberClient": "client",
    "RawResponse": "_protocol",
    "Region": "_configuration",
    "Response": "_protocol",
    "Run": "_bulk",
    "Transport": "_transport",
}

__all__ = [
    "AssignedAgent",
    "AuthenticationError",
    "ClientStats",
    "ConfigurationError",
    "ConnectionFailedError",
    "DeadlineExceededError",
    "DecodeError",
    "ElevenPhoneError",
    "ExotelPhoneNumber",
    "Failed",
    "FieldError",
    "Found",
    "InboundTrunk",
    "InvalidPhoneNumberIdError",
    "Lookup",
    "NotFoundError",
    "OtherPhoneNumber",
    "OutboundTrunk",
    "PermissionDeniedError",
    "PhoneNumber",
    "PhoneNumberClient",
    "ProtocolError",
    "RateLimitError",
    "RawResponse",
    "Region",
    "RequestTimeoutError",
    "Response",
    "ResponseTooLargeError",
    "RetryPolicy",
    "Run",
    "SIPTrunkPhoneNumber",
    "ServerError",
    "StatusError",
    "Transport",
    "TransportError",
    "TwilioPhoneNumber",
    "UnprocessableEntityError",
    "__version__",
    "decode",
    "encode",
]


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only the lazy names need it

    value: object = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
