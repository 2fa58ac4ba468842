"""How many may be in flight: each rule of the adaptive limit by itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits_driver import LATENCY, REFUSAL_TAKES, Driver, throttled, unavailable

from elevenphone import ElevenPhoneError, NotFoundError, RateLimitError
from elevenphone.errors import RateLimitKind


def settled(bears: int) -> Driver:
    """Drive against a server that bears so many, until the client knows its limit, and that it is alone."""
    driver = Driver()
    driver.rounds(20.0, bears)
    while driver.round(bears) or driver.limit != bears:
        pass
    return driver


# Up to the first refusal


def test_the_limit_doubles_with_each_round_until_the_most() -> None:
    driver = Driver()
    limits = [driver.limit]
    for _ in range(5):
        assert driver.round() == 0
        limits.append(driver.limit)
    assert limits == [8, 16, 32, 64, 100, 100]


def test_no_more_may_start_than_the_limit() -> None:
    driver = Driver()
    permits = driver.fill()
    assert len(permits) == driver.limit == driver.limits.in_flight == 8
    assert driver.limits.ready_at(bulk=False) == float("inf")
    driver.end(permits[0], NotFoundError(404))
    assert driver.may_start()


def test_the_limit_does_not_grow_while_it_is_not_what_binds() -> None:
    driver = Driver()
    for _ in range(1_000):
        permits = [driver.start() for _ in range(3)]
        driver.now += LATENCY
        for permit in permits:
            driver.end(permit)
    assert driver.limit == 8


def test_an_answer_that_is_the_id_s_own_error_counts_as_borne() -> None:
    driver = Driver()
    for permit in driver.fill():
        driver.end(permit, NotFoundError(404))
    assert driver.limit == 16


# The first refusal


@given(bears=st.integers(1, 99))
@settings(max_examples=30)
def test_what_is_left_in_flight_at_a_refusal_becomes_the_limit(bears: int) -> None:
    driver = Driver()
    while not driver.round(bears):
        pass
    # Half of what was tried is the least that one wave leaves, and a quarter of that is given back.
    assert 0.75 * max(bears, 4) - 1 < driver.limit <= max(bears, 4)
    driver.rounds(30.0, bears)
    limits = [driver.limit for _ in range(200) if not driver.round(bears)]
    assert sum(limits) / len(limits) >= 0.85 * bears


@pytest.mark.parametrize("takes", [REFUSAL_TAKES, 0.0])  # the clock of some event loops stands for a while
def test_a_wave_of_refusals_is_one_cut(takes: float) -> None:
    driver = Driver()
    for _ in range(3):
        driver.round()
    permits = driver.fill()
    assert len(permits) == 64
    driver.now += takes
    for permit in permits:
        driver.end(permit, throttled("concurrency"))
        assert driver.limit >= 0.75 * 32


def test_the_next_wave_may_cut_again() -> None:
    driver = Driver()
    limits: list[int] = []
    while driver.limit > 1:
        driver.round(bears=1)
        limits.append(driver.limit)
    assert len(limits) <= 4
    assert limits == sorted(limits, reverse=True)


def test_at_first_others_are_taken_to_be_there_and_get_room_again_and_again() -> None:
    driver = Driver()
    while not driver.round(bears=20):
        pass
    assert driver.limit == 15
    free = [20 - driver.limit for _ in range(5) if not driver.round(bears=20)]
    assert min(free) >= 1  # for a third of a second


@pytest.mark.parametrize(("bears", "within"), [(2, 8.0), (5, 8.0), (10, 10.0), (30, 8.0)])
def test_who_finds_all_that_he_gave_back_untaken_knows_that_he_is_alone(bears: int, within: float) -> None:
    driver = Driver()
    driver.rounds(within, bears)
    # A refusal every 3 seconds and more, not two a second.
    assert driver.rounds(30.0, bears) <= 14
    limits = [driver.limit for _ in range(500) if not driver.round(bears)]
    assert sum(limits) / len(limits) >= 0.9 * bears


# Alone


def test_the_limit_steps_back_at_a_refusal_and_returns_within_seconds() -> None:
    driver = settled(bears=20)
    while not driver.round(bears=20):
        pass
    assert driver.limit == 18
    driver.rounds(0.4, bears=20)
    assert driver.limit == 18
    driver.rounds(0.8, bears=20)
    assert driver.limit == 20


def test_one_more_is_probed_after_the_hold_and_a_refusal_costs_little() -> None:
    driver = settled(bears=10)
    while not driver.round(bears=10):
        pass
    assert driver.rounds(1.5, bears=10) == 0
    # One more every three seconds or so, and back soon.
    assert 10 <= driver.rounds(60.0, bears=10) <= 24
    driver.rounds(1.0, bears=10)
    assert 9 <= driver.limit <= 11


@given(bears=st.integers(2, 60))
@settings(max_examples=20)
def test_the_hold_keeps_refusals_below_one_in_a_hundred(bears: int) -> None:
    driver = settled(bears)
    assert driver.rounds(30.0, bears) <= 0.01 * 30.0 / LATENCY * bears


def test_the_probes_of_several_clients_are_spread() -> None:
    def second_probe(random: float) -> float:
        driver = Driver(random=random)
        driver.rounds(20.0, bears=10)
        while not driver.round(bears=10):
            pass
        began = driver.now
        while not driver.round(bears=10):
            pass
        return driver.now - began

    assert second_probe(0.99) - second_probe(0.0) > 1


def test_where_more_is_borne_the_search_goes_on_by_doubling() -> None:
    driver = settled(bears=10)
    began = driver.now
    while driver.limit < 80:
        driver.round()
    assert driver.now - began < 8


def test_a_plan_that_shrinks_is_followed_at_once() -> None:
    driver = settled(bears=20)
    driver.rounds(1.0, bears=4)
    assert driver.rounds(30.0, bears=4) <= 50
    assert driver.limit <= 5


# Others on the same account


def contended(bears: int = 20, then: int = 15) -> Driver:
    """Make the limit of a client that has seen that others use the account."""
    driver = settled(bears)
    assert driver.round(bears=then) == bears - then
    return driver


def test_a_refusal_below_a_count_borne_before_cuts_by_a_quarter() -> None:
    assert contended(20, 15).limit == 11
    assert contended(30, 16).limit == 12


def test_growth_beside_others_is_by_the_clock_and_slower_for_who_has_more() -> None:
    def grown(bears: int) -> float:
        driver = contended(2 * bears, bears)
        before = driver.limit
        driver.rounds(0.5)
        return driver.limit - before

    small, large = grown(4), grown(25)
    assert 1 <= small <= 3
    assert large < small


def test_two_clients_that_are_refused_in_turn_come_to_have_the_same() -> None:
    little, much = contended(8, 4), contended(40, 30)
    much.now = little.now = max(much.now, little.now)
    for _ in range(60):
        while little.limit + much.limit <= 30:
            little.round()
            much.round()
        for driver in (little, much):
            driver.round(driver.limit - 1)
    assert much.limit <= 1.5 * little.limit


def test_when_the_others_have_gone_all_of_the_account_is_used_again() -> None:
    driver = contended(20, 10)
    driver.rounds(4.0, bears=20)
    assert driver.limit >= 14
    driver.rounds(12.0, bears=20)
    # Nobody takes what is given back, and the slow probing of one who is alone is back.
    assert driver.rounds(30.0, bears=20) <= 12


# Never below 1, and fixed


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
def test_the_limit_is_never_below_1_nor_above_the_most_and_somebody_may_always_start_in_time(
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


def hinted_rounds(driver: Driver, maximum: int, seconds: float, bears: float = float("inf")) -> int:
    until = driver.now + seconds
    refusals = 0
    while driver.now < until:
        driver.limits.hint(maximum, driver.now)
        refusals += driver.round(bears)
    return refusals


def test_a_hint_holds_growth_up() -> None:
    driver = Driver()
    assert hinted_rounds(driver, 12, 20.0) == 0
    assert driver.limit == 12


@pytest.mark.parametrize("maximum", [50, 100_000])
def test_a_hint_does_not_speed_growth(maximum: int) -> None:
    driver = Driver()
    driver.limits.hint(maximum, driver.now)
    assert driver.limit == 8
    driver.round()
    assert driver.limit == 16


def test_a_hint_that_is_too_low_is_passed_in_the_end() -> None:
    driver = Driver()
    hinted_rounds(driver, 9, 60.0)
    assert driver.limit > 50


def test_a_hint_that_is_right_is_tried_more_seldom_than_one_would_without() -> None:
    hinted, unhinted = Driver(), Driver()
    assert hinted_rounds(hinted, 10, 120.0, bears=10) < unhinted.rounds(120.0, bears=10) / 1.5
    assert hinted.limit >= 9


# A server that fails


def test_a_failing_server_is_asked_by_half_as_many_and_then_by_twice_as_many_again() -> None:
    driver = settled(bears=20)
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


def test_a_server_that_fails_mostly_at_random_is_asked_by_few() -> None:
    driver = settled(bears=20)
    lookup = driver.lookup()
    for n in range(200):
        driver.now += driver.wait()
        driver.ask(None if n % 5 == 0 else unavailable(), lookup=lookup)
        if n % 5 == 0:
            lookup = driver.lookup()
    assert driver.limit <= 5


# What a refusal says besides


@pytest.mark.parametrize("kind", ["concurrency", "busy", "unknown"])
def test_each_kind_that_may_be_about_how_many_cuts_the_limit(kind: RateLimitKind) -> None:
    driver = settled(bears=20)
    permits = driver.fill()
    driver.now += REFUSAL_TAKES
    driver.end(permits[0], RateLimitError(429, kind=kind))
    assert driver.limit < 20


@pytest.mark.parametrize("error", [throttled("rate"), throttled("rate", 1.0), throttled("quota")], ids=str)
def test_a_kind_that_is_not_about_how_many_leaves_the_limit(error: RateLimitError) -> None:
    driver = settled(bears=20)
    permits = driver.fill()
    driver.now += REFUSAL_TAKES
    driver.end(permits[0], error)
    assert driver.limit == 20
