"""The timeout of an attempt and the deadline of a lookup, of the client or of one call."""

from __future__ import annotations

import asyncio

import pytest
import virtual_time
from client_helpers import AT_ONCE, NUMBER, fail_to_get, get, play
from hypothesis import given
from hypothesis import strategies as st
from stub_transport import After, Hang, Step, found, refused

from elevenphone import (
    ConnectionFailedError,
    DeadlineExceededError,
    ElevenPhoneError,
    PhoneNumberClient,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    StatusError,
)


def test_an_attempt_ends_at_the_timeout() -> None:
    error, played = fail_to_get(
        [Hang()],
        make=lambda transport: PhoneNumberClient(timeout=4.0, retry=RetryPolicy.none(), transport=transport),
    )
    assert type(error) is RequestTimeoutError
    assert isinstance(error, TimeoutError)
    assert "4 s" in str(error)
    assert played.elapsed == 4.0
    assert played.transport.in_flight == 0


def test_each_attempt_has_the_full_timeout() -> None:
    number, played = play(
        [After(3.9, refused(503)), After(3.9, refused(503)), After(3.9, found())],
        get,
        lambda transport: PhoneNumberClient(timeout=4.0, retry=AT_ONCE, transport=transport),
    )
    assert number == NUMBER
    assert played.elapsed == pytest.approx(11.7)


def test_an_attempt_cancelled_by_the_deadline_is_not_reported_as_a_timeout() -> None:
    error, played = fail_to_get(
        [Hang()], make=lambda transport: PhoneNumberClient(timeout=10.0, deadline=3.0, transport=transport)
    )
    assert type(error) is DeadlineExceededError
    assert error.last_error is None
    assert played.elapsed == 3.0
    assert played.stats.failed == 1


def test_a_deadline_error_holds_the_error_of_the_previous_attempt() -> None:
    error, played = fail_to_get(
        [refused(503, "unavailable", "Back soon"), Hang()],
        make=lambda transport: PhoneNumberClient(timeout=10.0, deadline=3.0, transport=transport),
    )
    assert isinstance(error, DeadlineExceededError)
    assert isinstance(error.last_error, ServerError)
    assert error.last_error.message == "Back soon"
    assert "Back soon" in str(error)
    assert played.elapsed == pytest.approx(3.0)
    assert played.stats.requests == 2


def test_the_deadline_starts_with_the_first_attempt() -> None:
    async def use(client: PhoneNumberClient) -> float:
        await asyncio.sleep(100)
        with pytest.raises(DeadlineExceededError):
            await client.get("phnum_1")
        return virtual_time.elapsed()

    ended, _ = play([Hang()], use, lambda transport: PhoneNumberClient(deadline=3.0, transport=transport))
    assert ended == 103.0


def test_time_in_the_queue_counts_towards_neither_timeout_nor_deadline() -> None:
    async def use(client: PhoneNumberClient) -> list[object]:
        return await asyncio.gather(*(client.get("phnum_1") for _ in range(20)))

    numbers, played = play(
        lambda _url: After(0.9, found()),
        use,
        lambda transport: PhoneNumberClient(timeout=1.0, deadline=1.0, concurrency=2, transport=transport),
    )
    assert numbers == [NUMBER] * 20
    assert played.transport.peak_in_flight == 2
    assert played.elapsed == pytest.approx(9.0)


@pytest.mark.parametrize("status", [429, 503])
def test_an_error_is_raised_at_once_if_its_retry_would_miss_the_deadline(status: int) -> None:
    error, played = fail_to_get(
        [refused(status, "word", "Later", retry_after="20")],
        make=lambda transport: PhoneNumberClient(deadline=15.0, transport=transport),
    )
    assert isinstance(error, StatusError)
    assert (error.status, error.retry_after, error.message) == (status, 20.0, "Later")
    assert (played.stats.requests, played.elapsed) == (1, 0.0)


@given(
    timeout=st.floats(0.1, 20),
    deadline=st.none() | st.floats(0.1, 20),
    steps=st.lists(
        st.sampled_from(
            [Hang(), refused(503), refused(429, retry_after="2"), ConnectionFailedError("reset"), found()]
        )
        | st.builds(After, st.floats(0, 20), st.sampled_from([refused(503), found(), refused(404)])),
        min_size=3,
        max_size=3,
    ),
)
def test_no_lookup_exceeds_its_deadline_and_no_attempt_its_timeout(
    timeout: float, deadline: float | None, steps: list[Step]
) -> None:
    async def use(client: PhoneNumberClient) -> ElevenPhoneError | None:
        try:
            await client.get("phnum_1")
        except ElevenPhoneError as error:
            return error
        return None

    error, played = play(
        steps,
        use,
        lambda transport: PhoneNumberClient(timeout=timeout, deadline=deadline, transport=transport),
    )
    assert played.elapsed <= (deadline or 1e9) + 1e-6
    assert played.elapsed <= 3 * timeout + 2 * 2.1 + 1e-6
    assert 1 <= played.stats.requests <= 3
    assert played.stats.in_flight == played.transport.in_flight == 0
    if isinstance(error, DeadlineExceededError):
        assert played.elapsed == pytest.approx(deadline)
        assert (error.last_error is None) == (played.stats.requests == 1)
    if deadline is not None and deadline < timeout and steps[0] == Hang():
        assert isinstance(error, DeadlineExceededError)


def test_without_a_deadline_a_lookup_makes_all_its_attempts() -> None:
    error, played = fail_to_get(
        [Hang(), Hang(), Hang()],
        make=lambda transport: PhoneNumberClient(timeout=1_000.0, deadline=None, transport=transport),
    )
    assert type(error) is RequestTimeoutError
    assert 3_000 <= played.elapsed < 3_001


# Settings of one call


def test_a_call_can_set_its_own_timeout() -> None:
    async def use(client: PhoneNumberClient) -> float:
        with pytest.raises(RequestTimeoutError, match="2 s"):
            await client.get("phnum_1", timeout=2.0, retry=RetryPolicy.none())
        return virtual_time.elapsed()

    assert play([Hang()], use)[0] == 2.0


def test_a_call_can_set_its_own_deadline_or_none() -> None:
    async def use(client: PhoneNumberClient) -> float:
        with pytest.raises(DeadlineExceededError):
            await client.get("phnum_1", deadline=2.0)
        await client.get("phnum_1", deadline=None)
        return virtual_time.elapsed()

    lasted, _ = play(
        [Hang(), After(9.0, found())],
        use,
        lambda transport: PhoneNumberClient(deadline=5.0, transport=transport),
    )
    assert lasted == 11.0


def test_a_call_can_set_its_own_retry_policy() -> None:
    async def use(client: PhoneNumberClient) -> None:
        with pytest.raises(ServerError):
            await client.get("phnum_1", retry=RetryPolicy(attempts=5))
        with pytest.raises(ServerError):
            await client.get("phnum_1", retry=RetryPolicy.none())
        with pytest.raises(ServerError):
            await client.get("phnum_1")

    _, played = play(
        lambda _url: refused(500),
        use,
        lambda transport: PhoneNumberClient(retry=RetryPolicy(attempts=2), transport=transport),
    )
    assert played.stats.requests == 5 + 1 + 2
