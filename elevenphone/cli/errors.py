"""The errors of the command line, and what each error means: its exit code, a short name, what to do."""

from __future__ import annotations

import re
import shlex
from enum import IntEnum
from typing import TYPE_CHECKING, Self

import click

import elevenphone
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
    TransportError,
)

if TYPE_CHECKING:
    from elevenphone import Failed, Lookup


class ExitCode(IntEnum):
    """How a command ended.

    Attributes:
        meaning: In a few words, for people.
        ending: In one word, for scripts.
    """

    meaning: str
    ending: str

    ALL_FOUND = 0, "all found", "complete"
    NOT_FOUND = 1, "some not found", "complete"
    USAGE = 2, "wrong usage", "refused"
    KEY_REFUSED = 3, "key refused", "key_refused"
    OUTPUT_FAILED = 4, "output not written", "output_failed"
    SOME_FAILED = 5, "some failed", "complete"
    QUOTA = 6, "quota used up", "quota_used_up"
    SERVER_AWAY = 7, "server away", "server_away"
    INTERRUPTED = 130, "interrupted", "interrupted"
    PIPE_CLOSED = 141, "reader gone", "pipe_closed"

    def __new__(cls, value: int, meaning: str = "", ending: str = "") -> Self:
        """Make a code of a line above."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning, code.ending = meaning, ending
        return code


# Class to what it is called in a table, and what to do about it; the first that fits is taken.
_EXPLANATIONS: tuple[tuple[type[ElevenPhoneError], str, str], ...] = (
    (NotFoundError, "not found", "Check the id, and --region: a key finds only numbers of its workspace."),
    (AuthenticationError, "key refused", "Check ELEVENLABS_API_KEY or --api-key-file, and --region."),
    (PermissionDeniedError, "not allowed", "Give the key read access to Conversational AI."),
    (InvalidPhoneNumberIdError, "not an id", "An id looks like phnum_01jxaeyg3feh3tmx39d4ky63rd."),
    (RateLimitError, "throttled", "Wait a little, or allow more time with --deadline."),
    (ServerError, "server error", "The fault is the server's: try again later."),
    (
        ConnectionFailedError,
        "unreachable",
        "Check the network, --base-url or ELEVENLABS_BASE_URL, and any proxy.",
    ),
    (RequestTimeoutError, "timed out", "Allow an attempt more time with --timeout."),
    (DeadlineExceededError, "timed out", "Allow a lookup more time with --deadline."),
    (DecodeError, "not readable", "The answer is not a phone number: check --base-url."),
)
# With a plus, or of digits as spreadsheets keep them; every id has letters.
_TELEPHONE_NUMBER = re.compile(r"\+.*|\(?\d[\d ().-]{6,}", re.DOTALL)
_SPECIAL_CODES = {"missing_permissions", "detected_unusual_activity"}
_PAYMENT_REQUIRED = 402


class OutputError(Exception):
    """Something cannot be written.

    Args:
        name: What, as people read it: a path in quotes, or `standard output`.
        error: Why.
    """

    def __init__(self, name: str, error: OSError | str) -> None:
        reason = error if isinstance(error, str) else error.strerror or str(error)
        super().__init__(f"cannot write {name}: {reason}")


class Refusal(click.ClickException):
    """The command is used correctly, but the state of files or of the input forbids to go on."""


def exit_code_of(error: BaseException) -> ExitCode:
    """Choose the exit code of a command that ends with an exception.

    Raises:
        BaseException: `error` itself, if no command ends with it.
    """
    match error:
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case click.ClickException() | InvalidPhoneNumberIdError() | ConfigurationError():
            return ExitCode.USAGE
        case ElevenPhoneError() if _is_quota(error):
            return ExitCode.QUOTA
        case ElevenPhoneError(scope="account"):
            return ExitCode.KEY_REFUSED if isinstance(error, StatusError) else ExitCode.SERVER_AWAY
        case NotFoundError():
            return ExitCode.NOT_FOUND
        case ElevenPhoneError(retryable=True) if not isinstance(error, RateLimitError):
            return ExitCode.SERVER_AWAY
        case ElevenPhoneError():
            return ExitCode.SOME_FAILED
        case BrokenPipeError():
            return ExitCode.PIPE_CLOSED
        case OutputError() | OSError():  # some errors of the library are such too
            return ExitCode.OUTPUT_FAILED
        case _:
            raise error


def may_pass(lookup: Lookup) -> bool:
    """Say whether an id is worth asking for again: another day, or with another key."""
    if not isinstance(lookup, elevenphone.Failed):
        return False
    error = lookup.error
    return error.retryable or error.scope == "account" or isinstance(error, TransportError)


def ends_run(failed: Failed, stopped_by: ElevenPhoneError | None) -> bool:
    """Say whether a failure belongs to what has stopped the run, if anything has, rather than to its id."""
    if stopped_by is None or isinstance(failed.error, InvalidPhoneNumberIdError):
        return False
    # A 403 of one id does not end a run; a run that three of them have ended is refused as a whole.
    return not failed.attempts or failed.error.scope == stopped_by.scope == "account"


def telephone_number_error(phone_number_id: str) -> InvalidPhoneNumberIdError | None:
    """Refuse a telephone number in the place of an id; `None` for everything else."""
    if not _TELEPHONE_NUMBER.fullmatch(phone_number_id):
        return None
    return InvalidPhoneNumberIdError(
        f"{phone_number_id!r} is a telephone number, not an id; "
        f"`elevenphone find {shlex.quote(phone_number_id)}` looks it up"
    )


def short_name(error: ElevenPhoneError) -> str:
    """Name an error in the width of a table's column."""
    if _is_quota(error):
        return "quota used up"
    return next((name for kind, name, _ in _EXPLANATIONS if isinstance(error, kind)), "failed")


def explained(error: ElevenPhoneError) -> str:
    """Say what is wrong and what to do, in one line."""
    from elevenphone._records import message_of  # noqa: PLC0415 - help needs no msgspec

    problem = message_of(error).rstrip(".") or short_name(error)
    if isinstance(error, DecodeError):
        problem = f"{short_name(error)}: {problem}"
    if isinstance(error, StatusError):
        problem += f" (HTTP {error.status}{f', request id {error.request_id}' if error.request_id else ''})"
    return problem if problem.endswith("looks it up") else f"{problem}. {_advice(error)}".rstrip()


def _advice(error: ElevenPhoneError) -> str:
    if _is_quota(error):
        return "The account's quota is used up, or a payment is due: no retry helps until that is settled."
    if isinstance(error, StatusError) and error.code in _SPECIAL_CODES:
        return error.hint or ""
    if isinstance(error, ConnectionFailedError) and error.scope == "account":
        return "If a proxy or a gateway has its own authority, name its certificate with --ca-file."
    return next((what for kind, _, what in _EXPLANATIONS if isinstance(error, kind)), "")


def _is_quota(error: ElevenPhoneError) -> bool:
    if isinstance(error, RateLimitError) and error.kind == "quota":
        return True
    return isinstance(error, StatusError) and (
        error.status == _PAYMENT_REQUIRED or error.code == "quota_exceeded"
    )
