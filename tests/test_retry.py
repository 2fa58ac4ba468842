from __future__ import annotations

import math
import pickle
from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevenphone import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    ElevenPhoneError,
    InvalidPhoneNumberIdError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    RequestTimeoutError,
    ResponseTooLargeError,
    RetryPolicy,
    ServerError,
    StatusError,
    TransportError,
    UnprocessableEntityError,
)
from elevenphone._values import shown
from elevenphone.retry import RetryQuota, retry_after_of

FRACTIONS = st.floats(0, 1, exclude_max=True)
SECONDS = st.just(0.0) | st.floats(1e-3, 1e6)
POLICIES = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 100),
    wait_initial=SECONDS,
    wait_max=SECONDS,
    retry_after_max=SECONDS,
)

PASSING: list[ElevenPhoneError] = [
    ConnectionFailedError("refused"),
    RequestTimeoutError("slow"),
    DeadlineExceededError("late"),
    DecodeError("cut", truncated=True),
    StatusError(408),
    StatusError(425),
    RateLimitError(),
    RateLimitError(kind="rate"),
    RateLimitError(kind="busy"),
    RateLimitError(kind="concurrency"),
    *(ServerError(status) for status in (500, 502, 503, 504, 520, 529, 599)),
]
LASTING: list[ElevenPhoneError] = [
    ElevenPhoneError("?"),
    ConfigurationError("no key"),
    InvalidPhoneNumberIdError("empty"),
    TransportError("?"),
    ProtocolError("not HTTP"),
    ResponseTooLargeError("too large"),
    DecodeError("wrong", "$.label"),
    *(StatusError(status) for status in (300, 301, 302, 304, 307, 400, 402, 405, 409, 410, 418, 600)),
    AuthenticationError(401),
    PermissionDeniedError(403),
    NotFoundError(404),
    UnprocessableEntityError(422),
    RateLimitError(kind="quota"),
    ServerError(501),
]


def name(error: ElevenPhoneError) -> str:
    return f"{type(error).__name__} {getattr(error, 'status', '')} {getattr(error, 'kind', '')}".strip()


@pytest.mark.parametrize("error", PASSING, ids=name)
def test_a_policy_retries_a_transient_error(error: ElevenPhoneError) -> None:
    assert error.retryable
    assert RetryPolicy().wait(error, 1) is not None


@pytest.mark.parametrize("error", LASTING, ids=name)
def test_a_policy_does_not_retry_a_permanent_error(error: ElevenPhoneError) -> None:
    assert not error.retryable
    assert RetryPolicy().wait(error, 1) is None


def test_the_default_is_three_attempts_with_waits_from_a_tenth_of_a_second() -> None:
    policy = RetryPolicy()
    waits = [policy.wait(ServerError(500), attempt, lambda: 0.5) for attempt in (1, 2, 3, 4)]
    assert waits == [0.05, 0.1, None, None]


def test_the_policy_none_makes_one_attempt() -> None:
    assert RetryPolicy.none().wait(ServerError(500), 1) is None
    assert RetryPolicy.none() == RetryPolicy(attempts=1)


@given(attempts=st.integers(1, 50))
def test_a_policy_allows_its_number_of_attempts(attempts: int) -> None:
    policy = RetryPolicy(attempts=attempts)
    waited = takewhile(lambda tried: policy.wait(ServerError(500), tried) is not None, range(1, 1_000))
    assert len(list(waited)) == attempts - 1


@given(policy=POLICIES, attempts=st.integers(1, 10_000), fraction=FRACTIONS)
def test_the_jitter_is_full(policy: RetryPolicy, attempts: int, fraction: float) -> None:
    longest = min(policy.wait_max, policy.wait_initial * 2.0 ** min(attempts - 1, 100))
    assert policy.backoff(ServerError(500), attempts, lambda: 0.0) == 0.0
    assert policy.backoff(ServerError(500), attempts, lambda: fraction) == pytest.approx(fraction * longest)
    assert policy.backoff(ServerError(500), attempts, lambda: fraction) <= policy.wait_max


@given(policy=POLICIES, attempts=st.integers(1, 1_000), fraction=FRACTIONS)
def test_a_wait_is_the_backoff_or_none(policy: RetryPolicy, attempts: int, fraction: float) -> None:
    for error in (*PASSING, *LASTING, RateLimitError(retry_after=5.0)):
        wait = policy.wait(error, attempts, lambda: fraction)
        assert wait in (None, policy.backoff(error, attempts, lambda: fraction))


@given(
    policy=POLICIES,
    attempts=st.integers(1, 1_000),
    fraction=FRACTIONS,
    retry_after=st.floats(0, 1e9),
)
def test_a_retry_waits_at_least_the_retry_after_up_to_its_cap(
    policy: RetryPolicy, attempts: int, fraction: float, retry_after: float
) -> None:
    error = RateLimitError(kind="rate", retry_after=retry_after)
    capped = min(retry_after, policy.retry_after_max)
    own = policy.backoff(RateLimitError(kind="rate"), attempts, lambda: fraction)
    wait = policy.backoff(error, attempts, lambda: fraction)
    assert max(capped, own) <= wait <= max(capped + policy.wait_initial, own)


@given(policy=POLICIES, retry_after=st.floats(0, 1e9), fraction=FRACTIONS)
def test_a_retry_after_that_is_too_long_ends_the_lookup(
    policy: RetryPolicy, retry_after: float, fraction: float
) -> None:
    wait = policy.wait(ServerError(503, retry_after=retry_after), 1, lambda: fraction)
    if policy.attempts == 1 or retry_after > policy.retry_after_max:
        assert wait is None
    else:
        assert wait is not None
        assert wait >= retry_after


def test_a_retry_after_of_an_hour_is_too_long_by_default_and_a_minute_is_not() -> None:
    assert RetryPolicy().wait(RateLimitError(retry_after=3_600.0), 1) is None
    assert RetryPolicy().wait(RateLimitError(retry_after=60.0), 1, lambda: 0.0) == 60.0
    assert RetryPolicy().backoff(RateLimitError(retry_after=3_600.0), 1, lambda: 0.0) == 60.0


def test_the_retry_after_of_a_permanent_error_is_ignored() -> None:
    assert RetryPolicy().wait(AuthenticationError(401, retry_after=1.0), 1) is None


def test_the_jitter_is_uniform_from_zero() -> None:
    policy = RetryPolicy(wait_initial=1.0)
    waits = [policy.backoff(ServerError(500), 1) for _ in range(500)]
    assert all(0 <= wait < 1 for wait in waits)
    assert min(waits) < 0.25  # (3/4)**500: never by chance
    assert max(waits) > 0.75


def test_only_a_status_error_has_a_retry_after() -> None:
    assert retry_after_of(ConnectionFailedError("refused")) is None
    assert retry_after_of(ServerError(503)) is None
    assert retry_after_of(ServerError(503, retry_after=0.0)) == 0.0


@pytest.mark.parametrize("attempts", [0, -1, -(10**5_000)], ids=shown)
def test_fewer_attempts_than_one_are_refused(attempts: int) -> None:
    with pytest.raises(ConfigurationError, match="attempts must be at least 1"):
        RetryPolicy(attempts=attempts)


@pytest.mark.parametrize("field", ["wait_initial", "wait_max", "retry_after_max"])
@pytest.mark.parametrize(
    "seconds", [-1.0, -0.001, math.nan, math.inf, -math.inf, 10**400, -(10**5_000), True], ids=shown
)
def test_a_wait_that_is_not_a_duration_is_refused(field: str, seconds: float) -> None:
    with pytest.raises(ConfigurationError, match=field):
        RetryPolicy(**{field: seconds})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("field", ["attempts", "wait_initial", "wait_max", "retry_after_max"])
@pytest.mark.parametrize("value", ["3", None])
def test_a_setting_that_is_not_a_number_is_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=field):
        RetryPolicy(**{field: value})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_policy_is_a_frozen_value() -> None:
    policy = RetryPolicy(attempts=5)
    with pytest.raises(AttributeError):
        policy.attempts = 6  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert pickle.loads(pickle.dumps(policy)) == policy  # noqa: S301
    assert policy == RetryPolicy(attempts=5)


# The quota


def test_the_quota_pays_for_a_hundred_retries() -> None:
    quota = RetryQuota()
    assert [quota.take() for _ in range(102)] == [True] * 100 + [False] * 2


def test_five_successes_pay_for_one_retry() -> None:
    quota = RetryQuota()
    while quota.take():
        pass
    for _ in range(4):
        quota.refund()
        assert not quota.take()
    quota.refund()
    assert quota.take()
    assert not quota.take()


@given(st.lists(st.booleans(), max_size=1_000))
def test_retries_never_cost_more_than_the_quota_and_its_refills(successes: list[bool]) -> None:
    quota = RetryQuota()
    retries = 0
    for success in successes:
        if success:
            quota.refund()
        else:
            retries += quota.take()
    assert 5 * retries <= 500 + sum(successes)


def test_successes_refill_the_quota_at_most_to_its_maximum() -> None:
    quota = RetryQuota()
    for _ in range(10_000):
        quota.refund()
    assert sum(quota.take() for _ in range(1_000)) == 100
