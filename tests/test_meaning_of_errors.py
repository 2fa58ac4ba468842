"""What each error means: whether a retry may help, and whether it concerns one lookup or the account."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from typing import NamedTuple, cast

import pytest
import virtual_time
from stub_transport import After, Step, StubTransport, found, refused

from elevenphone import (
    ConnectionFailedError,
    ElevenPhoneError,
    Failed,
    InvalidPhoneNumberIdError,
    Lookup,
    PhoneNumberClient,
    ProtocolError,
    RateLimitError,
    RawResponse,
    RequestTimeoutError,
    ResponseTooLargeError,
    RetryPolicy,
    StatusError,
    TransportError,
)

NUMBER = b'{"provider":"twilio","phone_number":"+1","label":"Main line","phone_number_id":"phnum_1"}'

Make = Callable[[], ElevenPhoneError]
connection_failed = cast("Callable[..., ElevenPhoneError]", ConnectionFailedError)
meaning: Callable[[ElevenPhoneError], tuple[bool, str]] = attrgetter("retryable", "scope")


def answered(status: int, word: str | None = None, body: bytes = b"", **headers: str) -> ElevenPhoneError:
    """Make the error that an answer becomes."""
    if word is not None:
        body = b'{"detail": {"status": "%b", "message": "No."}}' % word.encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = RawResponse(status=status, headers=named, body=body, request_id=None, attempts=1, elapsed=0.1)
    with pytest.raises(ElevenPhoneError) as caught:
        raw.decode()
    return caught.value


class Kind(NamedTuple):
    """A kind of errors.

    Attributes:
        make: Makes one.
        retryable: Whether the same request may succeed later.
        scope: Whether it concerns one lookup or every lookup of the client.
    """

    make: Make
    retryable: bool
    scope: str


def kinds_of_status(retryable: bool, scope: str, *statuses: int) -> dict[str, Kind]:
    return {str(status): Kind(partial(answered, status), retryable, scope) for status in statuses}


KINDS = {
    # The account
    **kinds_of_status(False, "account", 401, 402, 403),
    "401 for a wrong key": Kind(partial(answered, 401, "invalid_api_key"), False, "account"),
    "401 for a missing permission": Kind(partial(answered, 401, "missing_permissions"), False, "account"),
    "401 for a used-up quota": Kind(partial(answered, 401, "quota_exceeded"), False, "account"),
    "402 for missing credits": Kind(partial(answered, 402, "insufficient_credits"), False, "account"),
    "403 for a missing subscription": Kind(partial(answered, 403, "subscription_required"), False, "account"),
    "429 for a used-up quota": Kind(partial(answered, 429, "quota_exceeded"), False, "account"),
    "an untrusted certificate": Kind(
        partial(connection_failed, "not trusted", stage="certificate"), False, "account"
    ),
    # The lookup, for good
    **kinds_of_status(
        False, "lookup", 300, 301, 302, 303, 304, 307, 308, 400, 404, 405, 409, 410, 418, 422, 451, 501
    ),
    "garbage instead of HTTP": Kind(partial(ProtocolError, "not HTTP"), False, "lookup"),
    "an answer that is too large": Kind(partial(ResponseTooLargeError, "too large"), False, "lookup"),
    "another failure of a transport": Kind(partial(TransportError, "?"), False, "lookup"),
    "an id that cannot be one": Kind(partial(InvalidPhoneNumberIdError, "blank"), False, "lookup"),
    "200 with HTML": Kind(partial(answered, 200, None, b"<html>", content_length="6"), False, "lookup"),
    "200 with a wrong type": Kind(
        partial(answered, 200, None, NUMBER.replace(b'"Main line"', b"5")), False, "lookup"
    ),
    "204": Kind(partial(answered, 204), False, "lookup"),
    # The lookup, for now
    **kinds_of_status(True, "lookup", 408, 425, 429, 500, 502, 503, 504, 507, 520, 529, 599),
    "429 for too many at once": Kind(partial(answered, 429, "too_many_concurrent_requests"), True, "lookup"),
    "429 for too many a second": Kind(partial(answered, 429, "rate_limit_exceeded"), True, "lookup"),
    "429 for a busy service": Kind(partial(answered, 429, "system_busy"), True, "lookup"),
    "429 with an unknown word": Kind(partial(answered, 429, "something_new"), True, "lookup"),
    "a connection that could not be made": Kind(
        partial(connection_failed, "refused", stage="connect"), True, "lookup"
    ),
    "a connection that broke": Kind(partial(connection_failed, "reset", stage="response"), True, "lookup"),
    "a connection that failed somehow": Kind(partial(ConnectionFailedError, "reset"), True, "lookup"),
    "an attempt that took too long": Kind(partial(RequestTimeoutError, "slow"), True, "lookup"),
    "a body that only the end of the connection ended, and that does not decode": Kind(
        partial(answered, 200, None, NUMBER[:50]), True, "lookup"
    ),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_an_error_says_whether_a_retry_may_help_and_whether_it_concerns_the_account(kind: Kind) -> None:
    assert meaning(kind.make()) == (kind.retryable, kind.scope)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_pickled_error_means_the_same(kind: Kind) -> None:
    copied: object = pickle.loads(pickle.dumps(kind.make()))  # noqa: S301
    assert isinstance(copied, ElevenPhoneError)
    assert meaning(copied) == (kind.retryable, kind.scope)


def test_no_account_error_is_retryable() -> None:
    assert not [name for name, kind in KINDS.items() if kind.retryable and kind.scope == "account"]


# The attempts that led to an error

History = tuple[tuple[float, float, int | None, str], ...]
history: Callable[[ElevenPhoneError], History] = attrgetter("history")


def failure_of_get(steps: list[Step], retry: RetryPolicy) -> ElevenPhoneError:
    """Look up one number, and return the error."""

    async def main() -> ElevenPhoneError:
        async with PhoneNumberClient(transport=StubTransport(steps), retry=retry) as client:
            with pytest.raises(ElevenPhoneError) as caught:
                await client.get("phnum_1")
            return caught.value

    return virtual_time.run(main())


def test_an_error_has_the_history_of_its_attempts() -> None:
    steps: list[Step] = [
        After(0.5, refused(503, "unavailable", "Down")),
        After(0.25, ConnectionFailedError("reset")),
        After(1.0, refused(404, "phone_number_not_found", "Gone")),
    ]
    error = failure_of_get(steps, RetryPolicy(wait_initial=0.0))
    first, second, third = history(error)
    assert first[:3] == (0.0, 0.5, 503)
    assert "unavailable: Down" in first[3]
    assert second == (0.5, 0.25, None, "reset")
    assert third == (0.75, 1.0, 404, str(error))


def test_the_history_keeps_the_last_sixteen_attempts() -> None:
    steps: list[Step] = [After(1.0, refused(503, f"word_{number}")) for number in range(20)]
    attempts = history(failure_of_get(steps, RetryPolicy(attempts=20, wait_initial=0.0)))
    assert [attempt[0] for attempt in attempts] == [float(second) for second in range(4, 20)]
    assert "word_19" in attempts[-1][3]


def test_a_failed_lookup_of_a_bulk_run_has_its_own_history() -> None:
    def serve(url: str) -> Step:
        if url.endswith("phnum_5"):
            return After(0.1, refused(500, "broken"))
        return After(0.1, found(url.rpartition("/")[2]))

    async def main() -> list[Lookup]:
        async with PhoneNumberClient(transport=StubTransport(serve)) as client:
            return await client.gather([*(f"phnum_{number}" for number in range(10)), "."])

    lookups = virtual_time.run(main())
    failed, invalid = lookups[5], lookups[10]
    assert isinstance(failed, Failed)
    assert [attempt[2] for attempt in history(failed.error)] == [500] * failed.attempts
    assert isinstance(invalid, Failed)
    assert history(invalid.error) == ()


# The API's words

UNAUTHORIZED = {"type": "authentication_error", "code": "unauthorized", "message": "No."}
TOO_MANY = {
    "type": "rate_limit_error",
    "code": "concurrent_limit_exceeded",
    "message": "Your plan allows a maximum of 4 concurrent requests.",
    "status": "too_many_concurrent_requests",
    "request_id": "4f2c",
}


def detailed(status: int, detail: Mapping[str, str | None]) -> StatusError:
    """Make the error of a body with this `detail`."""
    error = answered(status, body=json.dumps({"detail": detail}).encode())
    assert isinstance(error, StatusError)
    return error


@pytest.mark.parametrize(
    ("status", "detail", "code"),
    [
        (401, UNAUTHORIZED | {"status": "missing_permissions"}, "missing_permissions"),
        (401, UNAUTHORIZED | {"status": "invalid_api_key"}, "invalid_api_key"),
        (401, UNAUTHORIZED | {"status": "quota_exceeded"}, "quota_exceeded"),
        (401, UNAUTHORIZED | {"status": "detected_unusual_activity"}, "detected_unusual_activity"),
        (401, UNAUTHORIZED | {"status": "something_new"}, "unauthorized"),
        (401, UNAUTHORIZED, "unauthorized"),
        (401, {"status": "needs_authorization"}, "needs_authorization"),
        (401, {"code": "missing_permissions", "status": "unauthorized"}, "missing_permissions"),
        (402, {"code": "payment_required", "status": "insufficient_credits"}, "insufficient_credits"),
        (402, {"code": "payment_required"}, "payment_required"),
        (403, {"code": "forbidden", "status": "workspace_access_denied"}, "workspace_access_denied"),
        (404, {"code": "not_found", "status": "phone_number_not_found"}, "phone_number_not_found"),
        (404, {"code": "not_found", "status": "workspace_not_found"}, "workspace_not_found"),
        (418, {"code": "new", "status": "newer"}, "new"),
        (418, {"code": None, "status": "newer"}, "newer"),
        (429, TOO_MANY, "concurrent_limit_exceeded"),
        (429, {"code": "rate_limited", "status": "system_busy"}, "system_busy"),
        (429, {"code": "rate_limited"}, "rate_limited"),
    ],
)
def test_the_code_is_the_specific_word(status: int, detail: dict[str, str | None], code: str) -> None:
    assert detailed(status, detail).code == code


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("missing_permissions", "read access"),
        ("quota_exceeded", "quota"),
        ("detected_unusual_activity", "support"),
        ("invalid_api_key", "region"),
    ],
)
def test_the_hint_is_that_of_the_specific_word(word: str, advice: str) -> None:
    error = detailed(401, UNAUTHORIZED | {"status": word})
    assert error.hint is not None
    assert advice in error.hint


@pytest.mark.parametrize(
    ("code", "status", "type_", "kind"),
    [
        ("too_many_concurrent_requests", None, None, "concurrency"),
        ("concurrent_limit_exceeded", "too_many_concurrent_requests", "rate_limit_error", "concurrency"),
        ("rate_limit_exceeded", None, None, "rate"),
        ("system_busy", None, None, "busy"),
        ("quota_exceeded", None, None, "quota"),
        ("rate_limited", None, None, "rate"),
        ("rate_limited", None, "rate_limit_error", "rate"),
        ("rate_limited", "something_new", None, "rate"),
        ("rate_limited", "too_many_concurrent_requests", None, "concurrency"),
        ("rate_limited", "system_busy", "rate_limit_error", "busy"),
        ("rate_limited", "quota_exceeded", "rate_limit_error", "quota"),
        ("something_new", "system_busy", "rate_limit_error", "busy"),
        ("something_new", "something_else", "rate_limit_error", "rate"),
        (None, None, "rate_limit_error", "rate"),
        ("something_new", None, "a_new_error", "unknown"),
        (None, None, None, "unknown"),
    ],
)
def test_the_kind_of_a_429_comes_from_the_known_code(
    code: str | None, status: str | None, type_: str | None, kind: str
) -> None:
    for one, other in ((code, status), (status, code)):
        error = detailed(429, {"code": one, "status": other, "type": type_, "message": "No."})
        assert isinstance(error, RateLimitError)
        assert error.kind == kind


def test_the_limit_that_a_429_states_saves_refusals() -> None:
    stated = refusals("Your plan allows a maximum of 10 concurrent requests (running in parallel).")
    assert stated < refusals("Too many concurrent requests.")


def refusals(message: str) -> int:
    """Count the 429s of a bulk run on a server that works on ten requests at once."""
    count = 0

    def serve(url: str) -> Step:
        nonlocal count
        if transport.in_flight < 10:
            return After(0.06, found(url.rpartition("/")[2]))
        count += 1
        return After(0.001, refused(429, "too_many_concurrent_requests", message))

    transport = StubTransport(serve)

    async def main() -> None:
        async with PhoneNumberClient(transport=transport) as client:
            lookups = await client.gather(f"phnum_{number}" for number in range(3_000))
        assert [lookup.result().phone_number_id for lookup in lookups[:2]] == ["phnum_0", "phnum_1"]

    random.seed(1)
    virtual_time.run(main())
    return count
