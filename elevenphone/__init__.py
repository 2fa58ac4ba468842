"""Look ElevenLabs phone numbers up by id: one inside an async service, or a million from a file."""

from elevenphone._version import __version__

TYPE_CHECKING = False  # Ctrl-C while `typing` is imported for it would show a traceback of the command line
if TYPE_CHECKING:
    from elevenphone.cache import Cache
    from elevenphone.client import PhoneNumberClient
    from elevenphone.errors import (
        AuthenticationError,
        ConfigurationError,
        ConnectionFailedError,
        DeadlineExceededError,
        DecodeError,
        ElevenPhoneError,
        FaultyElementError,
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
    from elevenphone.listing import Listing
    from elevenphone.lookups import Failed, Found, Lookup, RawResponse
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
    from elevenphone.region import Region
    from elevenphone.retry import RetryPolicy
    from elevenphone.run import Run
    from elevenphone.stats import ClientStats
    from elevenphone.transport import Response, Transport

__all__ = [
    "AssignedAgent",
    "AuthenticationError",
    "Cache",
    "ClientStats",
    "ConfigurationError",
    "ConnectionFailedError",
    "DeadlineExceededError",
    "DecodeError",
    "ElevenPhoneError",
    "ExotelPhoneNumber",
    "Failed",
    "FaultyElementError",
    "FieldError",
    "Found",
    "InboundTrunk",
    "InvalidPhoneNumberIdError",
    "Listing",
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

# The module of each name. Python imports it when one of its names is first used: asyncio and aiohttp take ten
# times as long as the rest, and neither `decode` nor the help of a command needs them.
_MODULES = {
    "run": ["Run"],
    "cache": ["Cache"],
    "client": ["PhoneNumberClient"],
    "errors": [name for name in __all__ if name.endswith("Error")],
    "listing": ["Listing"],
    "lookups": ["Failed", "Found", "Lookup", "RawResponse"],
    "models": [
        "AssignedAgent",
        "ExotelPhoneNumber",
        "InboundTrunk",
        "OtherPhoneNumber",
        "OutboundTrunk",
        "PhoneNumber",
        "SIPTrunkPhoneNumber",
        "TwilioPhoneNumber",
        "decode",
        "encode",
    ],
    "region": ["Region"],
    "retry": ["RetryPolicy"],
    "stats": ["ClientStats"],
    "transport": ["Response", "Transport"],
}


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            from importlib import import_module  # noqa: PLC0415 - needed only if a name is used

            value: object = getattr(import_module(f"{__name__}.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
