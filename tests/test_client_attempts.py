"""Which errors a client retries, how long it waits, and when its retries are used up."""

from __future__ import annotations

import pytest
from client_helpers import AT_ONCE, NUMBER, fail_to_get, get, play
from hypothesis import given
from hypothesis import strategies as st
from stub_transport import Hang, Step, answer, found, refused

from elevenphone import (
    AuthenticationError,
    ConnectionFailedError,
    DecodeError,
    ElevenPhoneError,
    NotFoundError,
    PermissionDeniedError,
    PhoneNumberClient,
    ProtocolError,
    RateLimitError,
    Response,
    ResponseTooLargeError,
    RetryPolicy,
    ServerError,
    StatusError,
    UnprocessableEntityError,
)


def test_a_number_is_found_with_one_request() -> None:
    number, played = play([found()], get)
    assert number == NUMBER
    assert played.transport.urls == ["https://api.elevenlabs.io/v1/convai/phone-numbers/phnum_1"]
    assert (played.stats.requests, played.stats.retries, played.elapsed) == (1, 0, 0.0)


TRANSIENT: dict[str, Step] = {
    "connection": ConnectionFailedError("refused"),
    "timeout": Hang(),
    "cut": Response(200, {}, found().body[:40]),
    "408": refused(408),
    "425": refused(425),
    "429": refused(429, "too_many_concurrent_requests"),
    "429 without a code": refused(429),
    "busy": refused(429, "system_busy"),
    "500": refused(500),
    "502": Response(502, {"content-length": "6"}, b"<html>"),
    "503": refused(503),
    "529": refused(529),
}


@pytest.mark.parametrize("step", TRANSIENT.values(), ids=list(TRANSIENT))
def test_a_transient_error_is_retried(step: Step) -> None:
    number, played = play([step, found()], get)
    assert number == NUMBER
    assert played.stats.requests == 2
    assert played.stats.retries == 1
    assert played.stats.found == 1
    assert played.stats.failed == 0


PERMANENT: dict[str, tuple[Step, type[ElevenPhoneError]]] = {
    "302": (answer(302, headers={"location": "https://elsewhere.example"}), StatusError),
    "400": (refused(400), StatusError),
    "401": (refused(401, "invalid_api_key"), AuthenticationError),
    "401 quota": (refused(401, "quota_exceeded"), AuthenticationError),
    "403": (refused(403), PermissionDeniedError),
    "404": (refused(404, "phone_number_not_found"), NotFoundError),
    "422": (refused(422), UnprocessableEntityError),
    "429 quota": (refused(429, "quota_exceeded"), RateLimitError),
    "501": (refused(501), ServerError),
    "no HTTP": (ProtocolError("garbage"), ProtocolError),
    "too large": (ResponseTooLargeError("too large"), ResponseTooLargeError),
    "null": (answer(200, None)._replace(body=b"null"), DecodeError),
    "not a number": (answer(200, {"provider": "twilio"}), DecodeError),
    "204": (answer(204), DecodeError),
}


@pytest.mark.parametrize(("step", "kind"), PERMANENT.values(), ids=list(PERMANENT))
def test_a_permanent_error_is_raised_after_one_request(step: Step, kind: type[ElevenPhoneError]) -> None:
    error, played = fail_to_get([step])
    assert type(error) is kind
    assert played.stats.requests == 1
    assert played.stats.failed == 1
    assert played.stats.retries == 0
    assert played.elapsed == 0.0


def test_a_401_after_a_retry_ends_the_retries() -> None:
    error, played = fail_to_get([refused(503), refused(401, "invalid_api_key")])
    assert isinstance(error, AuthenticationError)
    assert played.stats.requests == 2


def test_the_last_error_is_raised_after_three_attempts() -> None:
    error, played = fail_to_get(
        [refused(503), ConnectionFailedError("refused"), refused(500, "internal", "Oops")]
    )
    assert isinstance(error, ServerError)
    assert (error.status, error.message) == (500, "Oops")
    assert played.stats.requests == 3


def test_a_truncated_body_is_raised_after_three_attempts() -> None:
    error, played = fail_to_get([Response(200, {}, found().body[:40])] * 3)
    assert isinstance(error, DecodeError)
    assert error.truncated
    assert error.status == 200
    assert played.stats.requests == 3


# Waits


@given(attempts=st.integers(1, 8), initial=st.floats(0.01, 5), longest=st.floats(0.01, 5))
def test_each_wait_is_within_the_bounds_of_the_policy(attempts: int, initial: float, longest: float) -> None:
    policy = RetryPolicy(attempts=attempts, wait_initial=initial, wait_max=longest)
    _, played = fail_to_get(
        [refused(503)] * attempts,
        make=lambda transport: PhoneNumberClient(retry=policy, transport=transport),
    )
    assert len(played.waits) == attempts - 1
    for n, wait in enumerate(played.waits):
        assert 0 <= wait <= min(longest, initial * 2**n) + 1e-9


def test_clients_wait_for_different_times() -> None:
    waits = [fail_to_get([refused(503)] * 3)[1].waits[0] for _ in range(5)]
    assert len(set(waits)) == 5


@pytest.mark.parametrize(
    ("headers", "least"),
    [({"retry_after": "7"}, 7.0), ({"retry_after": "0.5"}, 0.5), ({"retry_after_ms": "1500"}, 1.5)],
    ids=str,
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_waits_as_long_as_the_server_asked(
    status: int, headers: dict[str, str], least: float
) -> None:
    number, played = play([refused(status, "system_busy", "", **headers), found()], get)
    assert number == NUMBER
    assert least <= played.waits[0] <= least + 0.1 + 1e-9


@pytest.mark.parametrize("retry_after", ["-1", "nan", "inf", "soon", "Fri, 15 Jan 2021 08:00:00 GMT"])
def test_an_invalid_retry_after_is_ignored(retry_after: str) -> None:
    number, played = play([refused(503, retry_after=retry_after), found()], get)
    assert number == NUMBER
    assert played.waits[0] <= 0.1


@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_of_an_hour_is_raised_at_once(status: int) -> None:
    error, played = fail_to_get([refused(status, retry_after="3600")])
    assert isinstance(error, StatusError)
    assert error.status == status
    assert error.retry_after == 3600.0
    assert (played.stats.requests, played.elapsed) == (1, 0.0)


# The retry quota


def test_a_broken_server_uses_up_the_retry_quota() -> None:
    async def use(client: PhoneNumberClient) -> None:
        for _ in range(200):
            with pytest.raises(ServerError):
                await client.get("phnum_1")

    _, played = play(
        lambda _url: refused(500),
        use,
        lambda transport: PhoneNumberClient(retry=AT_ONCE, transport=transport),
    )
    assert played.stats.retries == 100
    assert played.stats.requests == 300
    assert played.stats.failed == 200


def test_successes_refill_the_retry_quota() -> None:
    broken = True

    async def use(client: PhoneNumberClient) -> int:
        nonlocal broken
        for _ in range(100):
            with pytest.raises(ServerError):
                await client.get("phnum_1")
        broken = False
        for _ in range(10):
            await client.get("phnum_1")
        broken = True
        before = client.stats.requests
        with pytest.raises(ServerError):
            await client.get("phnum_1")
        return client.stats.requests - before

    attempts, _ = play(
        lambda _url: refused(500) if broken else found(),
        use,
        lambda transport: PhoneNumberClient(retry=AT_ONCE, transport=transport),
    )
    assert attempts == 3
