"""The concurrency limit up to the first refusal: how it grows, and when it does not."""

from __future__ import annotations

import pytest
from limits_driver import LATENCY, Driver

from elevenphone import NotFoundError


def test_the_limit_doubles_each_round_and_grows_more_slowly_to_the_maximum_from_32_on() -> None:
    driver = Driver()
    limits = [driver.limit]
    for _ in range(5):
        assert driver.round() == 0
        limits.append(driver.limit)
    assert limits == [8, 16, 32, 56, 98, 100]


def test_no_more_requests_start_than_the_limit() -> None:
    driver = Driver()
    permits = driver.fill()
    assert len(permits) == driver.limit == driver.limits.in_flight == 8
    assert driver.limits.ready_at(bulk=False) == float("inf")
    driver.end(permits[0], NotFoundError(404))
    assert driver.may_start()


def test_the_limit_does_not_grow_while_fewer_requests_are_in_flight() -> None:
    driver = Driver()
    for _ in range(1_000):
        permits = [driver.start() for _ in range(3)]
        driver.now += LATENCY
        for permit in permits:
            driver.end(permit)
    assert driver.limit == 8


def test_an_error_of_one_id_counts_as_accepted() -> None:
    driver = Driver()
    for permit in driver.fill():
        driver.end(permit, NotFoundError(404))
    assert driver.limit == 16


@pytest.mark.parametrize(("rounds", "before", "after"), [(1, 24, 24), (3, 77, 56)])
def test_a_slow_answer_undoes_the_growth_since_its_request_was_sent_if_the_limit_is_large(
    rounds: int, before: int, after: int
) -> None:
    driver = Driver()
    for _ in range(rounds):
        driver.round()
    permits = driver.fill()
    half = len(permits) // 2
    driver.now += LATENCY
    for permit in permits[:half]:
        driver.end(permit)
    assert driver.limit == before
    driver.fill()
    driver.now += LATENCY
    driver.end(permits[-1])
    assert driver.limit == after
    for permit in permits[half:-1]:
        driver.end(permit)
    assert driver.limit == after  # the others of its round neither cut it again nor make it grow
