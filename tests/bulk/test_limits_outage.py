"""When a server is taken to be away, and how its return is noticed."""

from __future__ import annotations

import random

import pytest
from limits_driver import LATENCY, Driver, throttled, unavailable

from elevenphone import (
    ConnectionFailedError,
    ElevenPhoneError,
    NotFoundError,
    RateLimitError,
    RequestTimeoutError,
)

FAILURES: dict[str, ElevenPhoneError] = {
    "5xx": unavailable(),
    "connection": ConnectionFailedError("refused"),
    "timeout": RequestTimeoutError("no answer"),
}


def away() -> Driver:
    """Drive until the gate has closed, with nothing in flight."""
    driver = Driver()
    driver.rounds(1.0)
    permits = [driver.start() for _ in range(6)]
    driver.now += LATENCY
    for permit in permits:
        driver.end(permit, unavailable())
    assert driver.limits.away_since is not None
    return driver


# When it closes


@pytest.mark.parametrize("failure", FAILURES.values(), ids=list(FAILURES))
def test_six_failures_in_a_row_of_a_healthy_server_close_the_gate(failure: ElevenPhoneError) -> None:
    driver = Driver()
    driver.rounds(1.0)
    for _ in range(5):
        driver.ask(failure)
    assert driver.limits.away_since is None
    driver.ask(failure)
    assert driver.limits.away_since is not None


@pytest.mark.parametrize("answer", [None, NotFoundError(404), throttled("concurrency")], ids=str)
def test_an_answer_among_them_keeps_it_open(answer: ElevenPhoneError | None) -> None:
    driver = Driver()
    driver.rounds(1.0)
    for _ in range(3):
        for _ in range(5):
            driver.ask(unavailable())
        driver.ask(answer)
        driver.now += driver.wait()
    assert driver.limits.away_since is None


@pytest.mark.parametrize(("share", "most"), [(0.05, 0), (0.2, 3), (0.5, 15)])
def test_failures_at_random_seldom_close_it(share: float, most: int) -> None:
    driver = Driver()
    chance = random.Random(1)
    closed = 0
    for _ in range(10_000):
        was_open = driver.limits.away_since is None
        driver.now += driver.wait()
        driver.ask(unavailable() if chance.random() < share else None)
        closed += was_open and driver.limits.away_since is not None
    assert closed <= most


def test_a_server_that_went_away_while_half_its_answers_failed_is_noticed_too() -> None:
    driver = Driver()
    for n in range(200):
        driver.now += driver.wait()
        driver.ask(unavailable() if n % 2 else None)
    assert driver.limits.away_since is None
    for _ in range(20):
        driver.ask(unavailable())
        if driver.limits.away_since is not None:
            return
    pytest.fail("twenty failures in a row were taken for chance")


def test_one_outage_halves_the_limit_once() -> None:
    driver = Driver()
    driver.round()
    driver.round()
    permits = driver.fill()
    assert len(permits) == 32
    for permit in permits:
        driver.now += 0.001
        driver.end(permit, ConnectionFailedError("reset"))
    assert driver.limit == 16
    for _ in range(60):
        driver.now += driver.wait()
        driver.ask(ConnectionFailedError("refused"))
    assert driver.limit == 16


# While it is closed


def test_one_request_at_a_time_probes() -> None:
    driver = away()
    probe = driver.start()
    assert driver.limits.ready_at(bulk=True) == float("inf")
    driver.now += 5.0
    assert not driver.may_start()
    driver.end(probe, unavailable())
    driver.now += driver.wait()
    driver.start()
    assert not driver.may_start()


def test_the_waits_between_probes_double_to_a_second() -> None:
    driver = away()
    waits: list[float] = []
    for _ in range(8):
        waits.append(driver.wait())
        driver.now += waits[-1]
        driver.ask(unavailable())
    assert waits == pytest.approx([0.0, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0])


def test_the_next_outage_begins_with_short_waits_again() -> None:
    driver = away()
    for _ in range(6):
        driver.now += driver.wait()
        driver.ask(unavailable())
    driver.now += driver.wait()
    driver.ask()
    for _ in range(50):
        driver.ask()
    while driver.limits.away_since is None:
        driver.ask(unavailable())
    driver.ask(unavailable())
    assert driver.wait() == pytest.approx(0.1)


def test_single_lookups_do_not_wait_for_the_gate() -> None:
    driver = away()
    driver.start()
    assert not driver.may_start(bulk=True)
    assert driver.may_start(bulk=False)


def test_a_probe_that_is_called_off_leaves_its_place_to_the_next() -> None:
    driver = away()
    probe = driver.start()
    assert not driver.may_start()
    driver.withdraw(probe)
    assert driver.may_start()
    assert driver.limits.away_since is not None
    assert driver.limits.in_flight == 0


# When it opens


@pytest.mark.parametrize(
    "answer",
    [None, NotFoundError(404), throttled("concurrency"), throttled("rate", 1.0), throttled("busy")],
    ids=["a number", "404", "too many", "too often", "busy"],
)
@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "single"])
def test_any_answer_to_a_request_sent_since_opens_it(answer: ElevenPhoneError | None, bulk: bool) -> None:
    driver = away()
    driver.ask(answer, bulk=bulk)
    assert driver.limits.away_since is None
    driver.now += driver.wait()
    driver.start()
    driver.now += 2.0
    assert driver.may_start()


def test_an_answer_to_a_request_sent_before_does_not_open_it() -> None:
    driver = Driver()
    driver.rounds(1.0)
    late, *others = [driver.start() for _ in range(7)]
    driver.now += LATENCY
    for permit in others:
        driver.end(permit, unavailable())
    driver.now += 0.01
    driver.end(late)
    assert driver.limits.away_since is not None
    driver.start()
    assert not driver.may_start()


def test_a_failure_of_a_request_sent_before_does_not_lengthen_the_wait() -> None:
    driver = Driver()
    driver.rounds(1.0)
    permits = driver.fill()
    driver.now += LATENCY
    for permit in permits:
        driver.end(permit, unavailable())
    assert driver.wait() == 0.0


def test_a_single_lookup_called_off_does_not_let_a_second_probe_out() -> None:
    driver = away()
    driver.start()
    driver.withdraw(driver.start(bulk=False))
    assert not driver.may_start(bulk=True)


def test_a_single_lookup_that_fails_does_not_let_a_second_probe_out() -> None:
    driver = away()
    driver.start()
    single = driver.start(bulk=False)
    driver.now += 2.0
    driver.end(single, unavailable())
    driver.now += 2.0
    assert not driver.may_start(bulk=True)


def test_a_quota_that_is_used_up_is_an_answer() -> None:
    driver = away()
    driver.ask(RateLimitError(429, kind="quota"))
    assert driver.limits.away_since is None
