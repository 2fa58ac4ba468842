"""When the client decides that the server is down or back, and which failures count against an id."""

from __future__ import annotations

import random

import pytest
from limits_driver import LATENCY, Driver, Lookup, throttled, unavailable

from elevenphone import (
    ConnectionFailedError,
    ElevenPhoneError,
    NotFoundError,
    RateLimitError,
    RequestTimeoutError,
)

FAILURES: dict[str, ElevenPhoneError] = {
    "5xx": unavailable(),
    "connection": ConnectionFailedError("reset"),
    "timeout": RequestTimeoutError("no answer"),
}
UNREACHABLE = ConnectionFailedError("refused", stage="connect")


def closed(*, found_before: bool = True, error: ElevenPhoneError | None = None) -> Driver:
    """Drive until the gate has closed and no request is in flight."""
    driver = Driver()
    if found_before:
        driver.rounds(1.0)
    permits = [driver.start() for _ in range(6)]
    driver.now += LATENCY
    for permit in permits:
        driver.end(permit, error or unavailable())
    assert driver.is_away
    return driver


# When it closes


@pytest.mark.parametrize("failure", FAILURES.values(), ids=list(FAILURES))
def test_the_gate_closes_when_six_different_ids_fail_in_a_row(failure: ElevenPhoneError) -> None:
    driver = Driver()
    driver.rounds(1.0)
    for _ in range(5):
        driver.ask(failure)
    assert not driver.is_away
    driver.ask(failure)
    assert driver.is_away


def test_one_id_that_keeps_failing_does_not_close_the_gate() -> None:
    driver = Driver()
    lookups = [driver.lookup() for _ in range(5)]
    for _ in range(20):
        for lookup in lookups:
            driver.ask(unavailable(), lookup=lookup)
    assert not driver.is_away


def test_connection_failures_close_the_gate_even_with_one_id() -> None:
    driver = Driver()
    lookup = driver.lookup()
    for _ in range(6):
        driver.ask(UNREACHABLE, lookup=lookup)
    assert driver.is_away
    assert lookup.failures == 0


@pytest.mark.parametrize("answer", [None, NotFoundError(404), throttled("concurrency")], ids=str)
def test_an_answer_between_failures_keeps_the_gate_open(answer: ElevenPhoneError | None) -> None:
    driver = Driver()
    driver.rounds(1.0)
    for _ in range(3):
        for _ in range(5):
            driver.ask(unavailable())
        driver.ask(answer)
        driver.now += driver.wait()
    assert not driver.is_away


@pytest.mark.parametrize(("share", "most"), [(0.05, 0), (0.2, 5), (0.5, 15)])
def test_random_failures_rarely_close_the_gate(share: float, most: int) -> None:
    driver = Driver()
    chance = random.Random(1)
    times_closed = 0
    for _ in range(5_000):
        lookup = driver.lookup()
        was_open = not driver.is_away
        failed = True
        while failed:
            driver.now += driver.wait()
            failed = chance.random() < share
            driver.ask(unavailable() if failed else None, lookup=lookup)
            times_closed += was_open and driver.is_away
            was_open = not driver.is_away
    assert times_closed <= most


def test_each_false_alarm_makes_the_gate_harder_to_close() -> None:
    driver = closed()
    driver.now += driver.wait()
    driver.ask()  # the probe is answered: it was no outage
    for _ in range(11):
        driver.ask(unavailable())
    assert not driver.is_away
    driver.ask(unavailable())
    assert driver.is_away


def test_a_confirmed_outage_halves_the_limit_once() -> None:
    driver = Driver()
    driver.round()
    driver.round()
    permits = driver.fill()
    assert len(permits) == 32
    for permit in permits:
        driver.now += 0.001
        driver.end(permit, ConnectionFailedError("reset"))
    assert driver.limit == 32
    for _ in range(60):
        driver.now += driver.wait()
        driver.ask(ConnectionFailedError("reset"))
    assert driver.limit == 16


# While it is closed


def test_probes_request_ids_that_were_found_before() -> None:
    driver = closed()
    urls: set[str | None] = set()
    for _ in range(20):
        driver.now += driver.wait()
        urls.add(driver.ask(unavailable(), lookup=Lookup("failed before", failures=1)).probe_url)
    assert None not in urls
    assert len(urls) == 4


def test_every_other_probe_is_a_new_id() -> None:
    driver = closed()
    own = 0
    for _ in range(20):
        driver.now += driver.wait()
        own += driver.ask(unavailable()).probe_url is None
    assert own == 10


def test_an_id_that_starts_to_fail_is_no_longer_used_as_a_probe_if_there_is_another() -> None:
    driver = Driver()
    lookups = [driver.lookup(), driver.lookup()]
    for lookup in lookups:
        driver.ask(lookup=lookup)
    for _ in range(4):
        driver.ask(unavailable())
    for lookup in lookups:
        driver.ask(unavailable(), lookup=lookup)
    assert driver.is_away
    assert list(driver.limits.gate.known_good) == [lookups[-1].url]


def test_a_failed_id_is_not_used_as_a_probe() -> None:
    gate = closed(found_before=False).limits.gate
    assert not gate.accepts(fresh=False)
    assert gate.accepts(fresh=True)


def test_any_id_can_probe_a_server_that_cannot_be_reached() -> None:
    assert closed(found_before=False, error=UNREACHABLE).limits.gate.accepts(fresh=False)


@pytest.mark.parametrize(
    ("found_before", "waits"),
    [(True, [0.0, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]), (False, [0.0, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5])],
)
def test_the_waits_between_probes_double_up_to_a_maximum(found_before: bool, waits: list[float]) -> None:
    driver = closed(found_before=found_before)
    seen: list[float] = []
    for _ in waits:
        seen.append(driver.wait())
        driver.now += driver.wait()
        driver.ask(unavailable(), takes=0.0, lookup=Lookup("failed before", failures=1))
    assert seen == pytest.approx(waits)


def test_an_unanswered_probe_does_not_delay_the_next_one() -> None:
    driver = closed()
    driver.start()
    assert not driver.may_start()
    driver.now += 0.1
    assert driver.may_start()


def test_single_lookups_do_not_wait_for_the_gate() -> None:
    driver = closed()
    driver.start()
    assert not driver.may_start(bulk=True)
    assert driver.may_start(bulk=False)


def test_the_next_outage_starts_with_short_waits_again() -> None:
    driver = closed()
    for _ in range(6):
        driver.now += driver.wait()
        driver.ask(unavailable())
    driver.now += driver.wait()
    driver.ask()
    for _ in range(50):
        driver.ask()
    while not driver.is_away:
        driver.ask(unavailable())
    driver.ask(unavailable(), takes=0.0)
    assert driver.wait() == pytest.approx(0.1)


# When it opens


@pytest.mark.parametrize(
    "answer",
    [None, NotFoundError(404), throttled("concurrency"), throttled("rate", 1.0), throttled("busy")],
    ids=["a number", "404", "too many", "too often", "busy"],
)
@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "single"])
def test_any_answer_to_a_later_request_opens_the_gate(answer: ElevenPhoneError | None, bulk: bool) -> None:
    driver = closed()
    driver.ask(answer, bulk=bulk)
    assert not driver.is_away


def test_an_answer_to_an_earlier_request_does_not_open_the_gate() -> None:
    driver = Driver()
    driver.rounds(1.0)
    late, *others = [driver.start() for _ in range(7)]
    driver.now += LATENCY
    for permit in others:
        driver.end(permit, unavailable())
    driver.now += 0.01
    driver.end(late)
    assert driver.is_away


def test_an_exhausted_quota_counts_as_an_answer() -> None:
    driver = closed()
    driver.ask(RateLimitError(429, kind="quota"))
    assert not driver.is_away


# The id or the server?


def test_a_lookup_gets_its_number_of_attempts_on_a_healthy_server() -> None:
    driver = Driver()
    driver.rounds(1.0)
    lookup = driver.lookup()
    verdicts: list[str] = []
    for _ in range(3):
        driver.ask(unavailable(), lookup=lookup)
        driver.ask()
        verdicts.append(driver.limits.verdict(lookup, 3, driver.now))
    assert verdicts == ["try again", "try again", "give up"]


def test_a_lookup_continues_while_its_failures_could_be_chance() -> None:
    driver = Driver()
    chance = random.Random(1)
    for _ in range(300):
        lookup = driver.lookup()
        while chance.random() < 0.3:
            driver.ask(unavailable(), lookup=lookup)
        driver.ask(lookup=lookup)
    unlucky = driver.lookup()
    failures = 0
    while driver.limits.verdict(unlucky, 3, driver.now) == "try again":
        driver.ask(unavailable(), lookup=unlucky)
        driver.ask()
        failures += 1
    assert 10 <= failures <= 25


def test_ids_that_always_fail_do_not_raise_the_estimated_failure_rate() -> None:
    driver = Driver()
    for _ in range(100):
        lookup = driver.lookup()
        for _ in range(3):
            driver.ask(unavailable(), lookup=lookup)
        driver.ask()
    assert driver.limits.gate.failing_share == 0.0


def test_without_other_answers_a_probe_decides() -> None:
    driver = Driver()
    driver.rounds(1.0)
    lookup = driver.lookup()
    for _ in range(3):
        driver.ask(unavailable(), lookup=lookup)
    assert driver.limits.verdict(lookup, 3, driver.now) == "find out"
    assert driver.is_away
    probe = driver.start(fresh=False)
    assert probe.probe_url is not None
    driver.end(probe)
    assert driver.limits.verdict(lookup, 3, driver.now) == "give up"


def test_a_refusal_of_a_later_request_does_not_show_that_the_id_is_bad() -> None:
    driver = Driver()
    driver.rounds(1.0)
    lookup = driver.lookup()
    permit = driver.start()
    driver.ask(throttled("concurrency"))
    driver.end(permit, unavailable(), lookup)
    assert driver.limits.verdict(lookup, 1, driver.now) == "find out"


def test_failures_during_an_outage_do_not_count_against_a_lookup() -> None:
    driver = Driver()
    driver.rounds(1.0)
    lookup = driver.lookup()
    for _ in range(3):
        driver.ask(unavailable(), lookup=lookup)
    assert driver.limits.verdict(lookup, 3, driver.now) == "find out"
    driver.end(driver.start(fresh=False), unavailable())
    driver.now += driver.wait()
    driver.end(driver.start(fresh=False))
    assert driver.limits.verdict(lookup, 3, driver.now) == "try again"
    assert lookup.failures == 0


def test_a_failed_probe_gives_a_doubtful_lookup_one_more_attempt() -> None:
    driver = Driver()
    driver.rounds(1.0)
    # Where some requests fail by chance, a single failed probe proves no outage.
    unlucky = driver.lookup()
    driver.ask(unavailable(), lookup=unlucky)
    driver.ask(lookup=unlucky)
    lookup, attempts = driver.lookup(), 8
    for _ in range(attempts):
        driver.ask(unavailable(), lookup=lookup)

    def verdict() -> str:
        return driver.limits.verdict(lookup, attempts, driver.now)

    def probe(error: ElevenPhoneError | None) -> None:
        driver.now += driver.wait()
        driver.end(driver.start(fresh=False), error)

    assert verdict() == "find out"
    probe(unavailable())
    assert not driver.limits.gate.confirmed
    assert verdict() == "find out"
    probe(None)
    assert verdict() == "try again"
    driver.ask(unavailable(), lookup=lookup)
    assert verdict() == "find out"
    probe(None)
    assert verdict() == "give up"


def test_a_lookup_gets_its_attempts_if_no_id_was_found_before() -> None:
    driver = Driver()
    lookup = driver.lookup()
    for _ in range(3):
        driver.ask(unavailable(), lookup=lookup)
    assert driver.limits.verdict(lookup, 3, driver.now) == "give up"


def test_a_request_sent_during_an_outage_does_not_count_against_its_id() -> None:
    driver = closed()
    late = driver.start(bulk=False)
    driver.now += driver.wait()
    driver.end(driver.start(fresh=False), unavailable())
    driver.now += driver.wait()
    driver.end(driver.start(fresh=False))
    assert not driver.is_away
    lookup = driver.lookup()
    driver.now += 10.0
    driver.end(late, RequestTimeoutError("no answer"), lookup)
    assert lookup.failures == 0


def test_an_old_refusal_does_not_stand_in_for_a_failed_probe() -> None:
    driver = Driver()
    driver.rounds(1.0)
    driver.ask(throttled("concurrency"))
    driver.now += driver.wait()
    driver.ask()
    driver.start()  # no answer comes from now on
    driver.now += 300.0
    assert not driver.limits.is_away_for(270.0, driver.now)
    assert driver.is_away  # but a probe is due


@pytest.mark.parametrize("found_before", [True, False])
def test_a_new_id_that_fails_shows_that_the_server_is_away_only_if_no_id_was_found(
    found_before: bool,
) -> None:
    driver = Driver()
    if found_before:
        driver.ask()
    driver.start()  # it is never answered
    driver.now += 300.0
    assert not driver.limits.is_away_for(270.0, driver.now)
    while (permit := driver.start()).probe_url is not None:
        driver.now += driver.wait()
    driver.end(permit, unavailable())
    assert driver.limits.is_away_for(270.0, driver.now) is not found_before


def test_one_probe_that_may_have_failed_by_chance_does_not_show_that_the_server_is_away() -> None:
    driver = Driver()
    for number in range(500):
        lookup = driver.lookup()
        if number % 4 == 0:
            driver.ask(unavailable(), lookup=lookup)
        driver.ask(lookup=lookup)
    driver.start()  # it is never answered
    driver.now += 300.0
    assert not driver.limits.is_away_for(270.0, driver.now)
    failed = 0
    while not driver.limits.is_away_for(270.0, driver.now):
        while (probe := driver.start()).probe_url is None:
            driver.now += driver.wait()
        driver.end(probe, unavailable())
        driver.now += driver.wait()
        failed += 1
    assert 3 <= failed <= 6
