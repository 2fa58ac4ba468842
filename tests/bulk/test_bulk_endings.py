"""Errors that end a whole run, and errors that end one lookup of it."""

from __future__ import annotations

import asyncio

import pytest
import virtual_time
from bulk_client_helpers import id_of, use
from simulated_server import LATENCY, Outage, SimulatedServer, ids, number_of, simulate
from stub_transport import After, Hang, Step, StubTransport, refused

from elevenphone import (
    AuthenticationError,
    ConnectionFailedError,
    DeadlineExceededError,
    Failed,
    Found,
    InvalidPhoneNumberIdError,
    Lookup,
    PhoneNumberClient,
    RateLimitError,
    RetryPolicy,
    ServerError,
)

ACCOUNT_ERRORS: dict[str, tuple[Step, type[Exception]]] = {
    "key refused": (refused(401, "invalid_api_key"), AuthenticationError),
    "permission missing": (refused(401, "missing_permissions"), AuthenticationError),
    "quota as 401": (refused(401, "quota_exceeded"), AuthenticationError),
    "quota as 429": (refused(429, "quota_exceeded"), RateLimitError),
}


@pytest.mark.parametrize(("step", "kind"), ACCOUNT_ERRORS.values(), ids=list(ACCOUNT_ERRORS))
def test_an_account_error_stops_a_run_at_once(step: Step, kind: type[Exception]) -> None:
    transport = StubTransport(
        lambda url: After(1.0, step if int(id_of(url)) >= 20 else number_of(id_of(url)))
    )
    lookups = use(transport, lambda client: client.gather(map(str, range(5_000))))
    assert [isinstance(lookup, Found) for lookup in lookups[:20]] == [True] * 20
    for lookup in lookups[20:]:
        assert isinstance(lookup, Failed)
        assert isinstance(lookup.error, kind)
    assert transport.requests <= 20 + 32
    assert sum(lookup.attempts for lookup in lookups) == transport.requests


def test_a_stopped_run_does_not_wait_for_pending_retries() -> None:
    def script(url: str) -> Step:
        if id_of(url) == "0":
            return After(0.1, refused(429, "too_many_concurrent_requests", retry_after="50"))
        return After(0.2, refused(401, "invalid_api_key"))

    async def use_it(client: PhoneNumberClient) -> float:
        await client.gather(map(str, range(100)))
        return virtual_time.elapsed()

    assert use(StubTransport(script), use_it) <= 1.0


@pytest.mark.parametrize("shows", ["503", "refused connections"])
def test_an_outage_longer_than_the_deadline_ends_a_run(shows: str) -> None:
    outage = Outage(5.0, 1e6, "503" if shows == "503" else "refused connections")
    simulation = simulate(SimulatedServer(limit=10, outages=[outage]), 5_000, deadline=60.0)
    expected = ServerError if shows == "503" else ConnectionFailedError
    never_sent = 0
    assert len(simulation.lost) >= 4_000
    for lookup in simulation.lost:
        error = lookup.error
        cause = error.last_error if isinstance(error, DeadlineExceededError) else error
        assert isinstance(cause, expected)
        never_sent += not lookup.attempts
    assert never_sent >= len(simulation.lost) - 40
    # One deadline, not one for each lookup that had been sent.
    assert simulation.lasted <= 5.0 + 60.0 + 5.0
    assert simulation.server.count("away") <= 20 + 1.2 * 65


@pytest.mark.parametrize("pause", [40.0, 0.0])
@pytest.mark.parametrize("before", [Hang(), refused(500)])
def test_failures_of_another_lookup_do_not_end_a_run_at_its_first_refusal(before: Step, pause: float) -> None:
    def script(url: str) -> Step:
        if id_of(url) == "bad":
            return before
        if transport.in_flight >= 4:
            return After(0.001, refused(429, "too_many_concurrent_requests"))
        return After(LATENCY, number_of(id_of(url)))

    async def use_it(client: PhoneNumberClient) -> list[Lookup]:
        await asyncio.gather(client.get("bad"), return_exceptions=True)
        await asyncio.sleep(pause)
        return await client.gather(ids(20), deadline=30.0)

    transport = StubTransport(script)
    assert all(isinstance(lookup, Found) for lookup in use(transport, use_it))


def test_a_server_that_never_answers_ends_a_run() -> None:
    async def use_it(client: PhoneNumberClient) -> tuple[list[Lookup], float]:
        lookups = await client.gather(ids(5_000), deadline=60.0)
        return lookups, virtual_time.elapsed()

    transport = StubTransport(lambda _url: Hang())
    lookups, ended = use(transport, use_it)
    assert all(isinstance(lookup, Failed) for lookup in lookups)
    assert ended <= 3 * 60.0
    assert transport.requests <= 100


def test_few_requests_wait_for_a_server_that_never_answers_within_the_deadline() -> None:
    async def use_it(client: PhoneNumberClient) -> int:
        lookups = await client.gather(ids(500), deadline=5.0)
        assert all(isinstance(lookup, Failed) for lookup in lookups)
        return client.stats.concurrency_limit

    transport = StubTransport(lambda _url: Hang())
    assert use(transport, use_it) <= 8
    assert transport.peak_in_flight <= 8


def test_lookups_that_miss_their_deadline_in_an_outage_cause_no_burst_of_requests() -> None:
    simulation = simulate(SimulatedServer(limit=10, outages=[Outage(5.0, 1e6)]), 3_000, deadline=20.0)
    server = simulation.server
    for second in range(7, int(simulation.lasted)):
        assert server.count("away", since=second, until=second + 1) <= 4


def test_an_outage_ends_for_more_lookups_than_there_are_workers() -> None:
    transport = StubTransport(
        lambda url: After(1.0, refused(503) if virtual_time.elapsed() < 6 else number_of(id_of(url)))
    )

    async def use_it(client: PhoneNumberClient) -> float:
        lookups = await client.gather(map(str, range(6_000)))
        assert all(isinstance(lookup, Found) for lookup in lookups)
        return virtual_time.elapsed()

    assert use(transport, use_it, concurrency=1_000) < 25


def test_a_concurrency_of_thousands_is_used() -> None:
    transport = StubTransport(lambda url: After(1.0, number_of(id_of(url))))
    use(transport, lambda client: client.gather(map(str, range(6_000))), concurrency=2_000)
    assert transport.peak_in_flight == 2_000


def test_an_invalid_id_does_not_end_a_run_in_an_outage() -> None:
    """The error that stops a run is that of all ids that are left, so it must be the error of the outage."""
    server = SimulatedServer(limit=10, outages=[Outage(0.5, 1e6)])
    wanted = [".." if n % 2 else f"phnum_{n}" for n in range(4_000)]
    lookups = use(server.connect(), lambda client: client.gather(wanted, deadline=20.0))
    for lookup in lookups:
        if isinstance(lookup, Failed) and lookup.phone_number_id != "..":
            assert not isinstance(lookup.error, InvalidPhoneNumberIdError)


# What ends one lookup of a run


def test_an_id_that_always_fails_on_a_healthy_server_is_soon_given_up() -> None:
    transport = StubTransport(
        lambda url: After(LATENCY, refused(500) if id_of(url) == "bad" else number_of(id_of(url)))
    )
    lookups = use(transport, lambda client: client.gather([*ids(100), "bad", *ids(3_000, 1)]))
    (lost,) = [lookup for lookup in lookups if isinstance(lookup, Failed)]
    assert lost.phone_number_id == "bad"
    assert isinstance(lost.error, ServerError)
    assert 3 <= lost.attempts <= 12
    assert lost.elapsed <= 20.0
    assert transport.requests == 3_100 + lost.attempts


def test_refusals_do_not_use_up_the_attempts_of_a_lookup() -> None:
    """One server error after many refusals counts as one failed attempt."""
    script = {"unlucky": [*[refused(429, "too_many_concurrent_requests")] * 10, refused(500)]}

    def step(url: str) -> Step:
        steps = script.get(id_of(url))
        return After(0.01, steps.pop(0) if steps else number_of(id_of(url)))

    lookups = use(StubTransport(step), lambda client: client.gather([*ids(200), "unlucky", *ids(3_000, 1)]))
    assert [lookup.phone_number_id for lookup in lookups if isinstance(lookup, Failed)] == []


def test_without_retries_a_server_error_is_final() -> None:
    transport = StubTransport(lambda url: refused(503) if id_of(url) == "bad" else number_of(id_of(url)))
    lookups = use(transport, lambda client: client.gather(["a", "bad", "b"]), retry=RetryPolicy.none())
    assert [type(lookup) for lookup in lookups] == [Found, Failed, Found]
    assert transport.requests == 3


def test_a_lookup_of_a_run_ends_at_its_deadline() -> None:
    transport = StubTransport(
        lambda url: After(
            0.01,
            refused(429, "too_many_concurrent_requests") if id_of(url) == "bad" else number_of(id_of(url)),
        )
    )
    lookups = use(transport, lambda client: client.gather(["bad", *ids(500)], deadline=7.0))
    assert isinstance(lookups[0], Failed)
    assert isinstance(lookups[0].error, RateLimitError | DeadlineExceededError)
    assert 4.0 <= lookups[0].elapsed <= 7.0
    assert all(isinstance(lookup, Found) for lookup in lookups[1:])
