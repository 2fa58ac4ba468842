"""The meaning of each error: one table for retries, limits, runs, the journal, exit codes and advice."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from elevenphone.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    ElevenPhoneError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    Scope,
    StatusError,
)

Strain: TypeAlias = Literal["none", "throttled", "failing"]
"""The state of the server, as an error shows it: it is well, it slows its clients down, or it fails."""


class Meaning(NamedTuple):
    """The meaning of an error.

    Attributes:
        retryable: Whether the same request may succeed later.
        strain: The state of the server, for the limits.
        scope: Whether every other id would fail in the same way.
        sent: Whether the request reached the server; if not, the id cannot be the reason.
        proof: How many different ids in a row must fail in this way before a run stops.
    """

    retryable: bool
    strain: Strain
    scope: Scope
    sent: bool = True
    proof: int = 1


# fmt: off
#                        retryable  strain       scope
_FINAL         = Meaning(False,     "none",      "lookup")
_THROTTLED     = Meaning(True,      "throttled", "lookup")
_FAILING       = Meaning(True,      "failing",   "lookup")
_UNREACHABLE   = Meaning(True,      "failing",   "lookup", sent=False)
_ACCOUNT       = Meaning(False,     "none",      "account")
_ACCESS_DENIED = Meaning(False,     "none",      "account", proof=3)


def meaning_of(error: ElevenPhoneError) -> Meaning:
    """Look up an error in the table: the first matching row counts."""
    match error:
        case RateLimitError(kind="quota"):               return _ACCOUNT
        case RateLimitError():                           return _THROTTLED
        case AuthenticationError():                      return _ACCOUNT
        case PermissionDeniedError():                    return _ACCESS_DENIED
        case StatusError(status=402):                    return _ACCOUNT
        case StatusError(status=408 | 425):              return _FAILING
        case StatusError(status=501):                    return _FINAL
        case StatusError() if 500 <= error.status < 600: return _FAILING
        case StatusError():                              return _FINAL
        case ConnectionFailedError(stage="connect"):     return _UNREACHABLE
        case ConnectionFailedError(stage="certificate"): return _ACCOUNT
        case ConnectionFailedError():                    return _FAILING
        case RequestTimeoutError():                      return _FAILING
        case DeadlineExceededError():                    return _FAILING
        case DecodeError(truncated=True):                return _FAILING
        case ConfigurationError():                       return _ACCOUNT
        case _:                                          return _FINAL
# fmt: on
