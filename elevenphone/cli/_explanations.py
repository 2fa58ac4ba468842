"""Errors as people and scripts are told them."""

from __future__ import annotations

from collections.abc import Iterable

from elevenphone._records import kind_of, message_of
from elevenphone.cli._exit_codes import ExitCode
from elevenphone.cli._text import printable
from elevenphone.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    ElevenPhoneError,
    InvalidPhoneNumberIdError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    StatusError,
)
from elevenphone.lookups import Failed, Lookup

# Class to what it is called in a table, and what to do about it; the first that fits holds.
_EXPLANATIONS: tuple[tuple[type[ElevenPhoneError], str, str], ...] = (
    (NotFoundError, "not found", "Check the id, and --region: a key knows its own workspace alone."),
    (AuthenticationError, "key refused", "Check ELEVENLABS_API_KEY or --api-key-file, and --region."),
    (PermissionDeniedError, "not allowed", "Give the key read access to Conversational AI."),
    (InvalidPhoneNumberIdError, "not an id", "An id looks like phnum_01jxaeyg3feh3tmx39d4ky63rd."),
    (RateLimitError, "throttled", "Wait a little, or give it longer with --deadline."),
    (ServerError, "server error", "The fault is the server's: try again later."),
    (ConnectionFailedError, "unreachable", "Check the network, and --base-url or ELEVENLABS_BASE_URL."),
    (RequestTimeoutError, "timed out", "Give an attempt longer with --timeout."),
    (DeadlineExceededError, "timed out", "Give a lookup longer with --deadline."),
    (DecodeError, "not readable", "The answer is not a phone number: check --base-url."),
)
_SPECIAL_CODES = {"missing_permissions", "quota_exceeded", "detected_unusual_activity"}


def short_name(error: ElevenPhoneError) -> str:
    """Name an error in the width of a table's column."""
    return next((name for kind, name, _ in _EXPLANATIONS if isinstance(error, kind)), "failed")


def advice(error: ElevenPhoneError) -> str:
    """Say what to do about an error; empty where nobody knows."""
    if isinstance(error, StatusError) and error.code in _SPECIAL_CODES:
        return error.hint or ""
    return next((what for kind, _, what in _EXPLANATIONS if isinstance(error, kind)), "")


class Complaints:
    """What failed and what to do, with all that failed alike in one line."""

    def __init__(self) -> None:
        self._alike: dict[tuple[str, str | None], tuple[Failed, int]] = {}

    def add(self, lookup: Lookup) -> None:
        """Count a lookup, if it failed."""
        if isinstance(lookup, Failed):
            code = lookup.error.code if isinstance(lookup.error, StatusError) else None
            kind = kind_of(type(lookup.error)), code
            first, count = self._alike.get(kind, (lookup, 0))
            self._alike[kind] = first, count + 1

    def lines(self) -> list[str]:
        """Give the lines, the most frequent first."""
        frequent = sorted(self._alike.values(), key=lambda each: -each[1])
        return [_complaint(first, count) for first, count in frequent]


def complaints(lookups: Iterable[Lookup]) -> list[str]:
    """Say what failed and what to do, in one line for all that failed alike."""
    alike = Complaints()
    for lookup in lookups:
        alike.add(lookup)
    return alike.lines()


def exit_code_of(lookups: Iterable[Lookup]) -> ExitCode:
    """Choose the exit code; a refused key says more than a bad id, that more than a miss."""
    codes = {exit_code_of_error(lookup.error) for lookup in lookups if isinstance(lookup, Failed)}
    return max(codes, default=ExitCode.ALL_FOUND)


def exit_code_of_error(error: ElevenPhoneError) -> ExitCode:
    """Choose the exit code where this is what a command ends with."""
    match error:
        case AuthenticationError():
            return ExitCode.KEY_REFUSED
        case InvalidPhoneNumberIdError() | ConfigurationError():
            return ExitCode.USAGE
        case _:
            return ExitCode.SOME_FAILED


def explained(error: ElevenPhoneError) -> str:
    """Say what is wrong and what to do, in one line."""
    problem = message_of(error).rstrip(".") or short_name(error)
    if isinstance(error, DecodeError):
        problem = f"{short_name(error)}: {problem}"
    if isinstance(error, StatusError):
        problem += f" (HTTP {error.status}{f', request id {error.request_id}' if error.request_id else ''})"
    return f"{problem}. {advice(error)}".rstrip()


def _complaint(first: Failed, count: int) -> str:
    whose = first.phone_number_id if count == 1 else f"{first.phone_number_id} and {count - 1:,} more"
    return printable(f"{whose}: {explained(first.error)}")
