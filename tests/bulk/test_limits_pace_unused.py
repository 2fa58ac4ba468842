"""The pace while fewer requests start than it allows."""

from __future__ import annotations

from limits_driver import Driver, throttled
from test_limits_pace import Bucket, starts


def test_a_pace_that_is_not_used_does_not_rise() -> None:
    driver = Driver(concurrency=1)
    driver.ask(throttled("rate"))  # the first answer: a guess, from which the pace rises fast
    for _ in range(300):
        driver.now += driver.wait()
        driver.ask(takes=0.1)  # some ten a second, as slow answers allow no more
    bucket = Bucket(driver, 40.0)
    assert starts(driver, 10.0, bucket) > 0.85 * 10.0 * 40.0
    assert bucket.refusals < 20


def test_a_pace_that_is_used_rises() -> None:
    driver = Driver(concurrency=1)
    driver.ask(throttled("rate"))
    starts(driver, 10.0)
    assert starts(driver, 1.0) > 200
