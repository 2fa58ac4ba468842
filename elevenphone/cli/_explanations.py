"""Errors as people and scripts are told them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from elevenphone.cli._exit_codes import ExitCode
from elevenphone.cli._text import printable
from elevenphone.errors import (
    AuthenticationError,
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

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")

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


def kind_of(error: ElevenPhoneError) -> str:
    """Name an error for scripts: its class without `Error`, such as `not_found`."""
    return _CAPITAL.sub("_", type(error).__name__.removesuffix("Error")).lower()


def short_name(error: ElevenPhoneError) -> str:
    """Name an error in the width of a table's column."""
    return next((name for kind, name, _ in _EXPLANATIONS if isinstance(error, kind)), "failed")


def advice(error: ElevenPhoneError) -> str:
    """Say what to do about an error; empty where nobody knows."""
    if isinstance(error, StatusError) and error.code in _SPECIAL_CODES:
        return error.hint or ""
    return next((what for kind, _, what in _EXPLANATIONS if isinstance(error, kind)), "")


def message_of(error: ElevenPhoneError) -> str:
    """Give an error's sentence, without status and advice."""
    if isinstance(error, DecodeError):
        return error.message if error.path is None else f"{error.message} at {error.path}"
    return error.message if isinstance(error, StatusError) else str(error)


def error_document(failed: Failed) -> dict[str, object]:
    """Make the JSON that stands in a number's place."""
    error = failed.error
    return {
        "phone_number_id": _encodable(failed.phone_number_id),
        "error": {
            "kind": kind_of(error),
            "status": error.status if isinstance(error, StatusError | DecodeError) else None,
            "code": error.code if isinstance(error, StatusError) else None,
            "message": _encodable(message_of(error)),
        },
    }


def complaints(lookups: Iterable[Lookup]) -> list[str]:
    """Say what failed and what to do, in one line for all that failed alike."""
    alike: dict[tuple[str, str | None], list[Failed]] = {}
    for lookup in lookups:
        if isinstance(lookup, Failed):
            code = lookup.error.code if isinstance(lookup.error, StatusError) else None
            alike.setdefault((kind_of(lookup.error), code), []).append(lookup)
    return [_complaint(group) for group in alike.values()]


def exit_code_of(lookups: Iterable[Lookup]) -> ExitCode:
    """Choose the exit code; a refused key says more than a bad id, that more than a miss."""
    errors = [lookup.error for lookup in lookups if isinstance(lookup, Failed)]
    if any(isinstance(error, AuthenticationError) for error in errors):
        return ExitCode.KEY_REFUSED
    if any(isinstance(error, InvalidPhoneNumberIdError) for error in errors):
        return ExitCode.USAGE
    return ExitCode.SOME_FAILED if errors else ExitCode.ALL_FOUND


def _complaint(group: list[Failed]) -> str:
    first = group[0]
    error = first.error
    whose = (
        first.phone_number_id if len(group) == 1 else f"{first.phone_number_id} and {len(group) - 1:,} more"
    )
    problem = message_of(error).rstrip(".") or short_name(error)
    if isinstance(error, DecodeError):
        problem = f"{short_name(error)}: {problem}"
    if isinstance(error, StatusError):
        problem += f" (HTTP {error.status}{f', request id {error.request_id}' if error.request_id else ''})"
    return printable(f"{whose}: {problem}. {advice(error)}".rstrip())


def _encodable(text: str) -> str:
    """Escape the lone surrogates that undecodable input leaves, which JSON cannot hold."""
    return text.encode(errors="backslashreplace").decode()
