from __future__ import annotations

import copy
import pickle

import pytest

from elevenphone import (
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
    errors,
)

BASES: dict[type[Exception], set[type[Exception]]] = {
    ElevenPhoneError: {Exception},
    ConfigurationError: {ElevenPhoneError, ValueError},
    InvalidPhoneNumberIdError: {ElevenPhoneError, ValueError},
    TransportError: {ElevenPhoneError},
    ConnectionFailedError: {TransportError},
    RequestTimeoutError: {TransportError, TimeoutError},
    ProtocolError: {TransportError},
    ResponseTooLargeError: {TransportError},
    DeadlineExceededError: {ElevenPhoneError, TimeoutError},
    StatusError: {ElevenPhoneError},
    AuthenticationError: {StatusError},
    PermissionDeniedError: {StatusError},
    NotFoundError: {StatusError},
    UnprocessableEntityError: {StatusError},
    RateLimitError: {StatusError},
    ServerError: {StatusError},
    DecodeError: {ElevenPhoneError},
    FaultyElementError: {DecodeError},
}

FIELDS = ("code", "A sentence of the API's.", "req_1", 1.5, b'{"detail": "x"}')
EXAMPLES: list[ElevenPhoneError] = [
    ElevenPhoneError("something"),
    ConfigurationError("no key"),
    InvalidPhoneNumberIdError("'' cannot be a phone number id"),
    TransportError("broken"),
    ConnectionFailedError("refused"),
    RequestTimeoutError("no complete answer within 10 s"),
    ProtocolError("the answer is not HTTP"),
    ResponseTooLargeError("too large"),
    DeadlineExceededError("the lookup's deadline passed"),
    StatusError(302, *FIELDS),
    AuthenticationError(401, *FIELDS),
    PermissionDeniedError(403, *FIELDS),
    NotFoundError(404, *FIELDS),
    UnprocessableEntityError(422, *FIELDS, errors=(FieldError(("path", 0), "Field required", "missing"),)),
    RateLimitError(429, *FIELDS, kind="rate"),
    ServerError(503, *FIELDS),
    DecodeError("Expected `str`, got `int`", "$.label", 200, b'{"label": 5}', truncated=True),
    FaultyElementError("Expected `str`", "$.phone_numbers[3].label", 200, b"{}", phone_number_id="phnum_1"),
]
BARE: list[ElevenPhoneError] = [
    StatusError(418),
    UnprocessableEntityError(),
    RateLimitError(),
    DecodeError("not the JSON of a phone number"),
    FaultyElementError("not the JSON of a phone number"),
]


def state(error: BaseException) -> object:
    return type(error), error.args, vars(error), str(error), repr(error)


def test_the_tree_of_errors_is_the_documented_one() -> None:
    assert {kind: set(kind.__bases__) for kind in BASES} == BASES


def test_no_error_is_left_out_of_the_tree() -> None:
    defined = {
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)
    }
    assert defined == set(BASES)
    assert {type(error) for error in EXAMPLES} == defined


@pytest.mark.parametrize("error", [*EXAMPLES, *BARE], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_pickles_and_copies_to_an_equal_one(error: ElevenPhoneError, protocol: int) -> None:
    assert state(pickle.loads(pickle.dumps(error, protocol))) == state(error)  # noqa: S301
    assert state(copy.copy(error)) == state(error)


def test_the_error_before_a_deadline_pickles_with_it() -> None:
    before = RateLimitError(429, "rate_limit_exceeded", "Slow down", "req_1", 3.0, b"{}", kind="rate")
    error = DeadlineExceededError("the lookup's deadline passed", before)
    copied: object = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert isinstance(copied, DeadlineExceededError)
    assert copied.last_error is not None
    assert state(copied.last_error) == state(before)
    assert str(copied) == str(error)


def test_a_deadline_error_shows_the_error_before_it() -> None:
    assert str(DeadlineExceededError("the deadline passed")) == "the deadline passed"
    error = DeadlineExceededError("the deadline passed", ServerError(503, "busy", "Try later"))
    assert error.last_error is not None
    assert str(error) == f"the deadline passed; the last error was: {error.last_error}"
    assert "HTTP 503 busy: Try later" in str(error)


def test_a_status_error_shows_its_details() -> None:
    error = NotFoundError(404, "phone_number_not_found", "No such number", "req_1", 1.5)
    assert str(error).startswith(
        "HTTP 404 phone_number_not_found: No such number (retry after 1.5 s) (request id req_1)"
    )
    assert error.hint is not None
    assert error.hint in str(error)


def test_a_status_error_without_details_is_readable() -> None:
    assert str(StatusError(418)) == "HTTP 418"
    assert str(ServerError(500)) == "HTTP 500"


@pytest.mark.parametrize("message", ["Not found.", "Not found", "Really?", ""])
@pytest.mark.parametrize("request_id", [None, "req_1"])
def test_a_message_never_ends_in_two_full_stops(message: str, request_id: str | None) -> None:
    text = str(NotFoundError(404, "phone_number_not_found", message, request_id))
    assert ".." not in text
    assert "?." not in text


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (AuthenticationError(401, "invalid_api_key"), "region"),
        (AuthenticationError(401), "region"),
        (AuthenticationError(401, "missing_permissions"), "read access"),
        (AuthenticationError(401, "quota_exceeded"), "quota"),
        (AuthenticationError(401, "detected_unusual_activity"), "support"),
        (NotFoundError(404, "document_not_found"), "region"),
    ],
)
def test_a_hint_says_what_to_do(error: StatusError, word: str) -> None:
    assert error.hint is not None
    assert word in error.hint
    assert error.hint in str(error)


@pytest.mark.parametrize(
    "error", [StatusError(418), ServerError(500), RateLimitError(), PermissionDeniedError(403)]
)
def test_an_unknown_code_has_no_hint(error: StatusError) -> None:
    assert error.hint is None


def test_the_parts_of_an_error_can_be_read() -> None:
    error = RateLimitError(429, "system_busy", "Busy", "req_1", 2.0, b"{}", kind="busy")
    assert (error.status, error.code, error.message) == (429, "system_busy", "Busy")
    assert (error.request_id, error.retry_after, error.body, error.kind) == ("req_1", 2.0, b"{}", "busy")
    assert RateLimitError().kind == "unknown"
    assert UnprocessableEntityError().errors == ()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            DecodeError("Expected `str`, got `int`", "$.label", 200, b"{"),
            "Expected `str`, got `int` at $.label (HTTP 200); the body begins b'{'",
        ),
        (DecodeError("not JSON", None, 204), "not JSON (HTTP 204); the body is empty"),
        (DecodeError("not JSON", None, None, b"<"), "not JSON; the body begins b'<'"),
    ],
)
def test_a_decode_error_shows_the_path_and_the_body(error: DecodeError, text: str) -> None:
    assert str(error) == text
