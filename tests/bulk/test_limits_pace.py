"""How many requests start a second: a fixed rate, and the pace learned from refusals."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits_driver import Driver, throttled

from elevenphone import RateLimitError


def starts(driver: Driver, seconds: float, refuse: Callable[[], RateLimitError | None] = lambda: None) -> int:
    """Start all requests that may start within these seconds; each is answered or refused after 1 ms."""
    until = driver.now + seconds
    count = 0
    while driver.now + driver.wait() < until:
        driver.now += driver.wait()
        driver.ask(refuse(), takes=0.001)
        count += 1
    driver.now = until
    return count


def pace(driver: Driver) -> float:
    """Start one request as soon as possible, and return how many a second may follow."""
    driver.now += driver.wait()
    driver.ask(takes=0.0)
    return 1 / driver.wait()


class Bucket:
    """A server's rate limit, with bursts of a tenth of a second by default."""

    def __init__(
        self, driver: Driver, rate: float, retry_after: float | None = None, *, burst: float | None = None
    ) -> None:
        self.refusals = 0
        self._driver = driver
        self._rate = rate
        self._retry_after = retry_after
        self._burst = max(1.0, rate / 10) if burst is None else burst
        self._tokens = self._burst
        self._filled_at = driver.now

    def __call__(self) -> RateLimitError | None:
        now = self._driver.now
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        self.refusals += 1
        return throttled("rate", self._retry_after)


@given(rate=st.floats(0.1, 500))
def test_a_fixed_rate_spaces_the_starts_evenly(rate: float) -> None:
    driver = Driver(concurrency=1_000, rate=rate)
    moments: list[float] = []
    for _ in range(20):
        driver.now += driver.wait()
        driver.start()
        moments.append(driver.now)
    gaps = [later - sooner for sooner, later in pairwise(moments)]
    assert gaps == pytest.approx([1 / rate] * 19, rel=1e-6, abs=1e-9)


def test_idle_time_allows_no_burst() -> None:
    driver = Driver(rate=10.0)
    driver.ask()
    driver.now += 100
    driver.start()
    assert not driver.may_start()


def test_the_lateness_of_a_timer_is_made_up_for() -> None:
    driver = Driver(concurrency=1_000, rate=200.0)
    began = driver.now
    for _ in range(1_000):
        driver.now += driver.wait() + 0.001
        driver.start()
    assert driver.now - began == pytest.approx(1_000 / 200, rel=0.01)


def test_there_is_no_pace_before_the_first_refusal() -> None:
    driver = Driver()
    assert starts(driver, 1.0) == pytest.approx(1_000, rel=0.01)


def test_the_first_refusal_sets_the_pace_to_the_accepted_rate() -> None:
    driver = Driver()
    bucket = Bucket(driver, rate=50.0)
    starts(driver, 0.5, bucket)
    assert bucket.refusals
    assert 0.4 * 50 <= starts(driver, 1.0) <= 3 * 50


@pytest.mark.parametrize("rate", [10.0, 50.0, 200.0])
def test_the_pace_is_found_and_kept(rate: float) -> None:
    driver = Driver()
    bucket = Bucket(driver, rate)
    starts(driver, 10.0, bucket)
    bucket.refusals = 0
    accepted = starts(driver, 60.0, bucket) - bucket.refusals
    assert accepted >= 0.85 * 60 * rate
    assert bucket.refusals <= 60  # one a second


def test_refusals_with_retry_after_are_provoked_less_often() -> None:
    def refusals(retry_after: float | None) -> int:
        driver = Driver()
        bucket = Bucket(driver, 50.0, retry_after)
        starts(driver, 10.0, bucket)
        bucket.refusals = 0
        starts(driver, 60.0, bucket)
        return bucket.refusals

    assert refusals(1.0) < refusals(None) / 3


def test_the_pace_rises_while_nothing_is_refused() -> None:
    driver = Driver()
    starts(driver, 5.0, Bucket(driver, 50.0))
    before = starts(driver, 1.0)
    starts(driver, 20.0)
    assert starts(driver, 1.0) > 3 * before


def test_a_learned_pace_never_exceeds_the_fixed_rate() -> None:
    driver = Driver(rate=100.0)
    starts(driver, 5.0, Bucket(driver, 50.0))
    starts(driver, 120.0)
    assert starts(driver, 10.0) == pytest.approx(1_000, rel=0.02)


def test_a_wave_of_refusals_slows_the_pace_once() -> None:
    def wait_after(refusals: int) -> float:
        driver = Driver(concurrency=20)
        starts(driver, 1.0)
        permits = driver.fill()
        driver.now += 0.001
        for permit in permits[:refusals]:
            driver.end(permit, throttled("rate"))
        for permit in permits[refusals:]:
            driver.withdraw(permit)
        return driver.wait()

    assert wait_after(20) <= 1.1 * wait_after(1)


def test_single_lookups_keep_the_pace_too() -> None:
    driver = Driver(rate=10.0)
    driver.start(bulk=True)
    assert driver.wait(bulk=False) == pytest.approx(0.1)


def test_the_first_pace_does_not_count_requests_of_the_refused_wave() -> None:
    driver = Driver(concurrency=100)
    permits = driver.fill()
    driver.now += 0.4
    for permit in permits[:60]:
        driver.end(permit)
    for permit in permits[60:]:
        driver.end(permit, throttled("rate"))
    # 60 requests in 0.4 seconds; those of a tenth of a second count as a burst.
    assert pace(driver) == pytest.approx(60 / 0.5, rel=0.05)


@pytest.mark.parametrize("burst", [1.0, 5.0, 50.0])
@pytest.mark.parametrize("retry_after", [None, 1.0])
def test_the_pace_is_found_whatever_the_size_of_the_bucket(burst: float, retry_after: float | None) -> None:
    driver = Driver()
    bucket = Bucket(driver, 50.0, retry_after, burst=burst)
    starts(driver, 10.0, bucket)
    refused_before = bucket.refusals
    accepted = starts(driver, 60.0, bucket) - (bucket.refusals - refused_before)
    assert accepted >= (0.85 if retry_after is None else 0.75) * 60 * 50


def refuse_with(driver: Driver, retry_after: float) -> None:
    """Answer ten requests in a second, refuse the next, and wait out the longest possible delay."""
    for _ in range(10):
        driver.now += driver.wait()
        driver.ask(takes=0.1)
    driver.now += driver.wait()
    driver.ask(throttled("rate", retry_after), takes=0.001)
    driver.now += 59.0


@pytest.mark.parametrize("refusals", [1, 2, 3])
@pytest.mark.parametrize("retry_after", [60.0, 3600.0, 86_400.0])
def test_a_refusal_slows_the_growth_of_the_pace_for_at_most_a_minute(
    retry_after: float, refusals: int
) -> None:
    driver = Driver()
    for _ in range(refusals):
        refuse_with(driver, retry_after)
    before = pace(driver)
    starts(driver, 10.0)
    # It grows by a tenth each second, as after a refusal without Retry-After.
    assert pace(driver) >= 0.9 * before * 1.1**10


def test_a_pace_that_bad_luck_has_cut_to_almost_nothing_recovers_in_seconds() -> None:
    """Another client may take every request that the server accepts, at the moment of each attempt."""
    driver = Driver()
    for _ in range(40):
        driver.now += driver.wait()
        driver.ask(takes=0.01)
        driver.now += driver.wait()
        driver.ask(throttled("rate"), takes=0.001)
    assert pace(driver) < 1.0
    starts(driver, 15.0)
    assert pace(driver) >= 5.0
