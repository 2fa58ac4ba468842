"""The adaptive limit of requests in flight, rule by rule."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits_driver import LATENCY, REFUSAL_TAKES, Driver, throttled, unavailable

from elevenphone import ElevenPhoneError, RateLimitError
from elevenphone.errors import RateLimitKind


def settled(accepts: int) -> Driver:
    """Drive against a server of this limit until the client knows the limit and that it is alone."""
    driver = Driver()
    driver.rounds(20.0, accepts)
    while driver.round(accepts) or driver.limit != accepts:
        pass
    return driver


# The first refusal


@given(accepts=st.integers(1, 99))
@settings(max_examples=30)
def test_the_first_refusal_sets_the_limit_to_what_is_left_in_flight(accepts: int) -> None:
    driver = Driver()
    while not driver.round(accepts):
        pass
    # One wave leaves at least half of what was tried, and a quarter of that is given back.
    assert 0.75 * max(accepts, 4) - 1 < driver.limit <= max(accepts, 4)
    driver.rounds(30.0, accepts)
    limits = [driver.limit for _ in range(200) if not driver.round(accepts)]
    assert sum(limits) / len(limits) >= 0.85 * accepts


@pytest.mark.parametrize("takes", [REFUSAL_TAKES, 0.0])  # the clock of some event loops is coarse
def test_a_wave_of_refusals_cuts_the_limit_once(takes: float) -> None:
    driver = Driver()
    for _ in range(3):
        driver.round()
    permits = driver.fill()
    assert len(permits) == 56
    driver.now += takes
    for permit in permits:
        driver.end(permit, throttled("concurrency"))
        assert driver.limit >= 0.75 * 28


def test_the_next_wave_of_refusals_cuts_the_limit_again() -> None:
    driver = Driver()
    limits: list[int] = []
    while driver.limit > 1:
        driver.round(accepts=1)
        limits.append(driver.limit)
    assert len(limits) <= 4
    assert limits == sorted(limits, reverse=True)


def test_at_first_the_client_leaves_room_for_others_again_and_again() -> None:
    driver = Driver()
    while not driver.round(accepts=20):
        pass
    assert driver.limit == 15
    free = [20 - driver.limit for _ in range(5) if not driver.round(accepts=20)]
    assert min(free) >= 1  # during a third of a second


@pytest.mark.parametrize(("accepts", "within"), [(2, 8.0), (5, 8.0), (10, 10.0), (30, 8.0)])
def test_a_client_learns_that_it_is_alone_if_nobody_takes_the_room_it_leaves(
    accepts: int, within: float
) -> None:
    driver = Driver()
    driver.rounds(within, accepts)
    # A refusal every few seconds, not two a second.
    assert driver.rounds(30.0, accepts) <= 14
    limits = [driver.limit for _ in range(500) if not driver.round(accepts)]
    assert sum(limits) / len(limits) >= 0.9 * accepts


def test_only_as_many_in_flight_as_were_refused_show_that_the_limit_has_risen() -> None:
    driver = Driver()
    while driver.limit > 3:
        driver.round(accepts=2)
    first, _, third = driver.start(), driver.start(), driver.start()
    driver.now += REFUSAL_TAKES
    driver.end(first)  # while the refusal is on its way, so fewer are left than the server accepts
    driver.end(third, throttled("concurrency"))
    assert driver.limits.concurrency.state.ceiling < 2
    driver.limits.concurrency.value = 3.0
    driver.ask()
    assert driver.limits.concurrency.state.ceiling == 2
    driver.start()
    driver.ask()
    assert driver.limits.concurrency.state.ceiling == math.inf


# Alone


def test_the_limit_falls_a_little_at_a_refusal_and_returns_within_seconds() -> None:
    driver = settled(accepts=20)
    while not driver.round(accepts=20):
        pass
    assert driver.limit == 18
    driver.rounds(0.4, accepts=20)
    assert driver.limit == 18
    driver.rounds(0.8, accepts=20)
    assert driver.limit == 20


def test_one_more_request_is_tried_after_the_hold_and_a_refusal_costs_little() -> None:
    driver = settled(accepts=10)
    while not driver.round(accepts=10):
        pass
    assert driver.rounds(1.5, accepts=10) == 0
    # One more request is tried every three seconds or so, and the limit soon returns.
    assert 10 <= driver.rounds(60.0, accepts=10) <= 24
    driver.rounds(1.0, accepts=10)
    assert 9 <= driver.limit <= 11


@given(accepts=st.integers(2, 60))
@settings(max_examples=20)
def test_the_hold_keeps_refusals_below_one_percent(accepts: int) -> None:
    driver = settled(accepts)
    assert driver.rounds(30.0, accepts) <= 0.01 * 30.0 / LATENCY * accepts


def test_clients_probe_at_different_times() -> None:
    def second_probe(random: float) -> float:
        driver = Driver(random=random)
        driver.rounds(20.0, accepts=10)
        while not driver.round(accepts=10):
            pass
        began = driver.now
        while not driver.round(accepts=10):
            pass
        return driver.now - began

    assert second_probe(0.99) - second_probe(0.0) > 1


def test_the_limit_doubles_again_if_the_server_accepts_more() -> None:
    driver = settled(accepts=10)
    began = driver.now
    while driver.limit < 80:
        driver.round()
    assert driver.now - began < 8


def test_the_limit_follows_a_smaller_plan_at_once() -> None:
    driver = settled(accepts=20)
    driver.rounds(1.0, accepts=4)
    assert driver.rounds(30.0, accepts=4) <= 50
    assert driver.limit <= 5


# Others on the same account


def contended(accepts: int = 20, then: int = 15) -> Driver:
    """Drive until a client has noticed that others use the account."""
    driver = settled(accepts)
    assert driver.round(accepts=then) == accepts - then
    return driver


def test_a_refusal_below_a_recently_accepted_level_cuts_the_limit_by_a_quarter() -> None:
    assert contended(20, 15).limit == 11
    assert contended(30, 16).limit == 12


def test_beside_others_the_limit_grows_by_the_clock_and_a_large_one_more_slowly() -> None:
    def grown(accepts: int) -> float:
        driver = contended(2 * accepts, accepts)
        before = driver.limit
        driver.rounds(0.5)
        return driver.limit - before

    small, large = grown(4), grown(25)
    assert 1 <= small <= 3
    assert large < small


def test_two_clients_that_are_refused_in_turn_reach_equal_limits() -> None:
    little, much = contended(8, 4), contended(40, 30)
    much.now = little.now = max(much.now, little.now)
    for _ in range(60):
        while little.limit + much.limit <= 30:
            little.round()
            much.round()
        for driver in (little, much):
            driver.round(driver.limit - 1)
    assert much.limit <= 1.5 * little.limit


def test_the_whole_account_is_used_again_when_the_others_have_left() -> None:
    driver = contended(20, 10)
    driver.rounds(4.0, accepts=20)
    assert driver.limit >= 14
    driver.rounds(12.0, accepts=20)
    # Nobody takes the room that it leaves, so it probes slowly again, as a client that is alone.
    assert driver.rounds(30.0, accepts=20) <= 12


# The bounds, and a fixed limit


@given(
    rounds=st.lists(
        st.tuples(
            st.integers(0, 12),
            st.sampled_from(
                [throttled("concurrency"), throttled("busy"), throttled("unknown"), unavailable()]
            ),
            st.floats(0.001, 20),
        ),
        max_size=30,
    ),
    random=st.floats(0, 0.999),
)
def test_the_limit_stays_between_1_and_the_maximum_and_a_request_can_always_start_soon(
    rounds: list[tuple[int, ElevenPhoneError, float]], random: float
) -> None:
    driver = Driver(random=random)
    for answered, error, takes in rounds:
        permits = driver.fill()
        driver.now += takes
        for n, permit in enumerate(permits):
            driver.end(permit, error if n >= answered else None)
            assert 1 <= driver.limit <= 100
        assert driver.limits.in_flight == 0
        assert driver.wait() <= 60


@given(
    concurrency=st.integers(1, 200),
    ends=st.lists(
        st.sampled_from(
            [None, throttled("concurrency"), throttled("busy"), throttled("unknown"), unavailable()]
        ),
        max_size=50,
    ),
)
def test_a_fixed_concurrency_never_moves(concurrency: int, ends: list[ElevenPhoneError | None]) -> None:
    driver = Driver(concurrency=concurrency)
    for error in ends:
        driver.now += 100
        driver.ask(error)
        driver.limits.hint(3, driver.now)
        assert driver.limit == concurrency
    driver.now += 100
    may_start = 1 if driver.is_away else concurrency
    assert len(driver.fill()) == may_start


# The server's hint


def hinted_rounds(driver: Driver, maximum: int, seconds: float, accepts: float = float("inf")) -> int:
    until = driver.now + seconds
    refusals = 0
    while driver.now < until:
        driver.limits.hint(maximum, driver.now)
        refusals += driver.round(accepts)
    return refusals


def test_a_hint_stops_growth() -> None:
    driver = Driver()
    assert hinted_rounds(driver, 12, 20.0) == 0
    assert driver.limit == 12


@pytest.mark.parametrize("maximum", [50, 100_000])
def test_a_hint_does_not_speed_up_growth(maximum: int) -> None:
    driver = Driver()
    driver.limits.hint(maximum, driver.now)
    assert driver.limit == 8
    driver.round()
    assert driver.limit == 16


def test_a_hint_that_is_too_low_is_exceeded_in_the_end() -> None:
    driver = Driver()
    hinted_rounds(driver, 9, 60.0)
    assert driver.limit > 50


def test_a_limit_that_refusals_state_holds_growth_up_for_seconds_only() -> None:
    driver = settled(accepts=4)
    driver.rounds(1.0, accepts=4)
    driver.limits.hint(4, driver.now, by_refusal=True)
    driver.rounds(3.0)
    assert driver.limit <= 4
    driver.rounds(7.0)
    assert driver.limit >= 20


def test_a_correct_hint_causes_fewer_refusals_than_no_hint() -> None:
    hinted, unhinted = Driver(), Driver()
    assert hinted_rounds(hinted, 10, 120.0, accepts=10) < unhinted.rounds(120.0, accepts=10) / 1.5
    assert hinted.limit >= 9


# A server that fails


def test_an_outage_halves_the_limit_and_it_doubles_again_afterwards() -> None:
    driver = settled(accepts=20)
    permits = driver.fill()
    driver.now += LATENCY
    for permit in permits:
        driver.end(permit, unavailable())
    driver.ask(unavailable())  # a probe confirms that it is the server
    assert driver.limit == 10
    driver.now += driver.wait()
    driver.ask()
    driver.round()
    assert driver.limit >= 15


def test_a_server_that_fails_mostly_gets_few_requests() -> None:
    driver = settled(accepts=20)
    lookup = driver.lookup()
    for n in range(200):
        driver.now += driver.wait()
        driver.ask(None if n % 5 == 0 else unavailable(), lookup=lookup)
        if n % 5 == 0:
            lookup = driver.lookup()
    assert driver.limit <= 5


# The kinds of refusals


@pytest.mark.parametrize("kind", ["concurrency", "busy", "unknown"])
def test_each_kind_of_429_that_may_mean_concurrency_cuts_the_limit(kind: RateLimitKind) -> None:
    driver = settled(accepts=20)
    permits = driver.fill()
    driver.now += REFUSAL_TAKES
    driver.end(permits[0], RateLimitError(429, kind=kind))
    assert driver.limit < 20


@pytest.mark.parametrize("error", [throttled("rate"), throttled("rate", 1.0), throttled("quota")], ids=str)
def test_a_429_that_cannot_mean_concurrency_leaves_the_limit(error: RateLimitError) -> None:
    driver = settled(accepts=20)
    permits = driver.fill()
    driver.now += REFUSAL_TAKES
    driver.end(permits[0], error)
    assert driver.limit == 20
