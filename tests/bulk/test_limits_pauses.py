"""Shared pauses: which requests a refusal delays, and for how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits_driver import Driver, throttled, unavailable

from elevenphone import ElevenPhoneError


def after(error: ElevenPhoneError, *, others: int = 3) -> Driver:
    """End one of several requests in flight with an error."""
    driver = Driver()
    driver.rounds(1.0)
    permits = [driver.start() for _ in range(1 + others)]
    driver.now += 0.001
    driver.end(permits[0], error)
    return driver


@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "single"])
@pytest.mark.parametrize(
    "error",
    [throttled("rate", 2.0), throttled("busy", 2.0), throttled("unknown", 2.0), unavailable(2.0)],
    ids=["rate", "busy", "unknown", "503"],
)
def test_a_retry_after_for_all_requests_holds_all_requests(error: ElevenPhoneError, bulk: bool) -> None:
    driver = after(error)
    assert driver.wait(bulk=bulk) == pytest.approx(2.0)
    assert driver.limits.paused_by is error
    driver.now += 2.001
    assert driver.may_start(bulk=bulk)


@pytest.mark.parametrize("retry_after", [None, 5.0])
def test_a_concurrency_refusal_holds_no_other_request(retry_after: float | None) -> None:
    driver = after(throttled("concurrency", retry_after), others=3)
    assert driver.may_start(bulk=True)
    assert driver.may_start(bulk=False)


@pytest.mark.parametrize("error", [throttled("quota"), unavailable()], ids=["quota", "503"])
def test_an_error_without_retry_after_holds_no_request(error: ElevenPhoneError) -> None:
    assert after(error).wait() == 0.0


def test_pauses_grow_for_a_busy_service_without_retry_after() -> None:
    driver = Driver()
    waits: list[float] = []
    for _ in range(8):
        driver.ask(throttled("busy"), takes=0.001)
        waits.append(driver.wait())
        driver.now += waits[-1]
    assert waits == pytest.approx([0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0])
    driver.ask()
    driver.ask(throttled("busy"))
    assert driver.wait() == pytest.approx(0.25)


def test_a_busy_service_with_a_retry_after_of_zero_still_gets_pauses() -> None:
    driver = Driver()
    waits: list[float] = []
    for _ in range(4):
        driver.ask(throttled("busy", 0.0), takes=0.001)
        waits.append(driver.wait())
        driver.now += waits[-1]
    assert waits == pytest.approx([0.0, 0.5, 1.0, 2.0])


def test_a_retry_after_of_zero_does_not_hide_later_refusals_of_a_busy_service() -> None:
    driver = Driver(concurrency=2)
    first, second = driver.start(), driver.start()
    driver.now += 0.001
    driver.end(first, throttled("busy", 0.0))
    driver.now += 0.001
    driver.end(second, throttled("busy"))
    assert driver.wait() >= 0.25


def test_a_busy_service_gets_the_longer_pause_it_asks_for() -> None:
    driver = Driver()
    for _ in range(3):
        driver.ask(throttled("busy", 5.0), takes=0.001)
        assert driver.wait() == pytest.approx(5.0)
        driver.now += driver.wait()


def test_several_refusals_of_one_busy_spell_make_one_pause() -> None:
    driver = Driver()
    permits = driver.fill()
    driver.now += 0.001
    for permit in permits:
        driver.end(permit, throttled("busy"))
    assert driver.wait() == pytest.approx(0.25)


def test_a_request_refused_though_alone_leaves_room_for_other_clients() -> None:
    driver = Driver()
    waits: list[float] = []
    for _ in range(5):
        driver.ask(throttled("concurrency"), takes=0.001)
        waits.append(driver.wait())
        driver.now += waits[-1]
    assert waits == pytest.approx([0.075, 0.15, 0.3, 0.3, 0.3])


def test_an_unknown_refusal_at_a_limit_of_one_is_treated_as_a_rate_limit() -> None:
    driver = Driver(concurrency=1)
    for _ in range(50):
        driver.ask()
    driver.ask(throttled("unknown"), takes=0.001)
    assert 0.02 < driver.wait() < 0.2


@given(
    refusals=st.lists(
        st.tuples(
            st.sampled_from(["rate", "busy", "unknown", "503"]),
            st.floats(0, 10_000),
            st.floats(0, 1),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_a_pause_only_grows_and_never_exceeds_a_minute(refusals: list[tuple[str, float, float]]) -> None:
    driver = Driver(concurrency=len(refusals))
    permits = driver.fill()
    resumes_at = driver.limits.resumes_at
    for permit, (kind, retry_after, takes) in zip(permits, refusals, strict=True):
        driver.now += takes
        match kind:
            case "rate" | "busy" | "unknown":
                driver.end(permit, throttled(kind, retry_after))
            case _:
                driver.end(permit, unavailable(retry_after))
        if retry_after:
            assert driver.limits.resumes_at >= max(resumes_at, driver.now + min(retry_after, 60.0))
        assert driver.limits.resumes_at <= max(resumes_at, driver.now + 60.0)
        resumes_at = driver.limits.resumes_at


def test_an_answer_does_not_end_a_pause() -> None:
    driver = after(throttled("rate", 10.0))
    driver.end(driver.start_anyway(bulk=False))
    assert driver.wait() == pytest.approx(10.0)


def test_a_pause_counts_as_time_without_a_good_answer() -> None:
    driver = after(throttled("rate", 60.0), others=0)
    driver.now += driver.wait()
    driver.ask(throttled("rate"))
    assert driver.limits.without_answer_for(driver.now) > 60.0


def test_the_time_without_a_good_answer_starts_with_the_last_one_even_in_a_pause() -> None:
    driver = Driver()
    refused, good = driver.start(), driver.start()
    driver.end(refused, throttled("rate", 60.0))
    driver.now += 1.0
    driver.end(good)
    driver.now += driver.wait()
    driver.ask(throttled("rate"), takes=1.0)
    assert driver.limits.without_answer_for(driver.now) == pytest.approx(60.0)


@pytest.mark.parametrize("idle", [40.0, 3_600.0])
@pytest.mark.parametrize("error", [unavailable(), throttled("concurrency")])
def test_idle_time_does_not_count_as_time_without_a_good_answer(error: ElevenPhoneError, idle: float) -> None:
    driver = Driver()
    driver.ask(error)
    driver.now += idle
    driver.ask(error)
    assert driver.limits.without_answer_for(driver.now) < 1.0
    assert not driver.limits.is_away_for(1.0, driver.now)


@pytest.mark.parametrize("refused_for", [20.0, 40.0])
def test_only_refusals_for_as_long_show_that_the_server_refuses_everything(refused_for: float) -> None:
    driver = Driver()
    driver.start()  # it is never answered
    driver.now += 40.0
    driver.end(driver.start(), throttled("concurrency"))
    driver.now += refused_for
    driver.end(driver.start(), throttled("concurrency"))
    assert driver.limits.is_away_for(30.0, driver.now) is (refused_for > 30.0)
