"""Gather and stream as their users see them, beside single lookups, and what ends a run early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

import pytest
import virtual_time
from simulated_server import LATENCY, Outage, SimulatedServer, ids, names, number_of, simulate
from stub_transport import After, Hang, Step, StubTransport, refused

from elevenphone import (
    AuthenticationError,
    ConfigurationError,
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
    Transport,
)

_T = TypeVar("_T")
START = virtual_time.START


def use(
    transport: Transport,
    use_it: Callable[[PhoneNumberClient], Awaitable[_T]],
    *,
    timeout: float = 10.0,
    deadline: float | None = 60.0,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
    concurrency: int | None = None,
) -> _T:
    """Use a client in virtual time, and see to it that nothing is left behind."""

    async def main() -> _T:
        async with PhoneNumberClient(
            transport=transport, timeout=timeout, deadline=deadline, retry=retry, concurrency=concurrency
        ) as client:
            result = await use_it(client)
            assert client.stats.in_flight == 0
            assert asyncio.all_tasks() == {asyncio.current_task()}
            return result

    return virtual_time.run(main())


def elapsed() -> float:
    return asyncio.get_running_loop().time() - START


def id_of(url: str) -> str:
    return url.rpartition("/")[2]


def found_at_once(url: str) -> Step:
    return number_of(id_of(url))


# The same answers, in their order


def test_gather_answers_in_the_order_of_the_input() -> None:
    transport = StubTransport(lambda url: After(len(url) % 7, number_of(id_of(url))))
    wanted = ["b" * n for n in range(1, 50)]
    lookups = use(transport, lambda client: client.gather(wanted))
    assert names(lookups) == wanted
    assert [lookup.index for lookup in lookups] == list(range(49))
    assert all(lookup.attempts == 1 for lookup in lookups)


@pytest.mark.parametrize("ordered", [False, True])
def test_stream_answers_each_input_once(ordered: bool) -> None:
    transport = StubTransport(lambda url: After(len(url) * 7 % 5, number_of(id_of(url))))
    wanted = ["b" * n for n in range(1, 50)]

    async def use_it(client: PhoneNumberClient) -> list[Lookup]:
        async with client.stream(wanted, ordered=ordered) as lookups:
            return [lookup async for lookup in lookups]

    lookups = use(transport, use_it)
    if not ordered:
        assert names(lookups) != wanted
        lookups.sort(key=lambda lookup: lookup.index)
    assert names(lookups) == wanted


def test_an_async_iterable_is_as_good() -> None:
    async def source() -> AsyncGenerator[str]:
        for phone_number_id in ids(20):
            await asyncio.sleep(1.0)
            yield phone_number_id

    lookups = use(StubTransport(found_at_once), lambda client: client.gather(source()))
    assert names(lookups) == ids(20)


def test_gather_asks_for_equal_ids_once_however_far_apart() -> None:
    transport = StubTransport(found_at_once)
    wanted = ["same", *ids(10_000), "same"]
    lookups = use(transport, lambda client: client.gather(wanted))
    assert names(lookups) == wanted
    assert transport.requests == 10_001


def test_stream_asks_for_equal_ids_once_where_they_are_near() -> None:
    transport = StubTransport(lambda url: After(1.0, number_of(id_of(url))))
    wanted = ["same", "same", *ids(1_000), "same"]

    async def use_it(client: PhoneNumberClient) -> int:
        async with client.stream(wanted) as lookups:
            return len([lookup async for lookup in lookups])

    assert use(transport, use_it) == 1_003
    assert transport.requests == 1_001


def test_an_id_that_cannot_be_one_fails_alone_and_sends_nothing() -> None:
    transport = StubTransport(found_at_once)
    wanted: list[str] = ["a", "", "..", None, 5, "b"]  # type: ignore[list-item]  # pyright: ignore[reportAssignmentType]
    lookups = use(transport, lambda client: client.gather(wanted))
    assert [isinstance(lookup, Found) for lookup in lookups] == [True, False, False, False, False, True]
    for lookup in lookups[1:5]:
        assert isinstance(lookup, Failed)
        assert isinstance(lookup.error, InvalidPhoneNumberIdError)
        assert lookup.attempts == 0
    assert transport.requests == 2


@pytest.mark.parametrize("single", ["phnum_1", b"phnum_1"])
def test_a_single_id_in_place_of_many_is_refused(single: str) -> None:
    async def use_it(client: PhoneNumberClient) -> None:
        with pytest.raises(ConfigurationError, match="call get"):
            await client.gather(single)

    transport = StubTransport([])
    use(transport, use_it)
    assert transport.requests == 0


def test_a_stream_that_was_not_entered_says_what_to_do() -> None:
    async def use_it(client: PhoneNumberClient) -> None:
        with pytest.raises(RuntimeError, match=r"async with client\.stream"):
            await anext(client.stream(["a"]))

    use(StubTransport([]), use_it)


def test_a_closed_client_refuses_a_run() -> None:
    async def use_it(client: PhoneNumberClient) -> None:
        await client.aclose()
        with pytest.raises(ConfigurationError, match="closed"):
            await client.gather(ids(10))

    use(StubTransport([]), use_it)


def test_a_fixed_concurrency_is_never_passed() -> None:
    transport = StubTransport(lambda url: After(1.0, number_of(id_of(url))))

    async def use_it(client: PhoneNumberClient) -> float:
        await client.gather(ids(100))
        return elapsed()

    assert use(transport, use_it, concurrency=4) == 25.0
    assert transport.peak_in_flight == 4


# Single lookups beside a run


def test_single_lookups_beside_a_run_wait_one_answer_s_time_at_most() -> None:
    server = SimulatedServer(limit=10)
    waits: list[float] = []

    async def use_it(client: PhoneNumberClient) -> None:
        run = asyncio.create_task(client.gather(ids(3_000)))
        for n in range(100):
            await asyncio.sleep(0.137)
            began = elapsed()
            await client.get(f"single_{n}")
            waits.append(elapsed() - began - LATENCY)
        await run

    use(server.connect(), use_it)
    assert sum(wait <= LATENCY for wait in waits) >= 95
    # At worst one that is refused, and waits before it asks again.
    assert max(waits) <= 4 * LATENCY


def test_a_pause_that_the_server_asks_a_run_for_holds_single_lookups_too() -> None:
    asked: list[str] = []

    def script(url: str) -> Step:
        asked.append(id_of(url))
        if len(asked) == 1:
            return After(0.01, refused(429, "rate_limit_exceeded", retry_after="5"))
        return After(0.01, number_of(id_of(url)))

    async def use_it(client: PhoneNumberClient) -> float:
        run = asyncio.create_task(client.gather(["bulk"]))
        await asyncio.sleep(1.0)
        await client.get("single")
        await run
        return elapsed()

    transport = StubTransport(script)
    assert use(transport, use_it) == pytest.approx(5.02, abs=0.2)
    assert transport.times[1] >= START + 5.01


def paused(kind: Step) -> StubTransport:
    """Answer the first request so, and then all with a number."""
    steps = iter([After(0.01, kind)])
    return StubTransport(lambda url: next(steps, After(0.01, number_of(id_of(url)))))


@pytest.mark.parametrize("retry_after", ["30", "3600"])
def test_a_single_lookup_whose_deadline_ends_before_the_pause_says_so_at_once(retry_after: str) -> None:
    transport = paused(refused(429, "rate_limit_exceeded", "Slow down", retry_after=retry_after))

    async def use_it(client: PhoneNumberClient) -> tuple[DeadlineExceededError, float]:
        run = asyncio.create_task(client.gather(["bulk"]))
        await asyncio.sleep(1.0)
        with pytest.raises(DeadlineExceededError, match="pause") as caught:
            await client.get("single", deadline=10.0)
        ended = elapsed()
        await run
        return caught.value, ended

    error, ended = use(transport, use_it)
    assert ended == 1.0
    assert isinstance(error.last_error, RateLimitError)
    assert error.last_error.message == "Slow down"


def test_a_single_lookup_in_the_queue_is_told_too_when_a_pause_beyond_its_deadline_begins() -> None:
    transport = paused(refused(429, "rate_limit_exceeded", "Slow down", retry_after="30"))

    async def use_it(client: PhoneNumberClient) -> float:
        first = asyncio.create_task(client.get("first"))
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceededError):
            await client.get("second", deadline=10.0)
        ended = elapsed()
        await first
        return ended

    assert use(transport, use_it, concurrency=1) <= 10.1


def test_a_single_lookup_that_asks_again_does_not_outlive_its_deadline_in_the_queue() -> None:
    def script(url: str) -> Step:
        return refused(503) if id_of(url) == "single" else After(30.0, number_of("slow"))

    async def use_it(client: PhoneNumberClient) -> float:
        single = asyncio.create_task(client.get("single", deadline=3.0))
        await asyncio.sleep(0)
        slow = asyncio.create_task(client.get("slow"))
        with pytest.raises((DeadlineExceededError, ServerError)):
            await single
        ended = elapsed()
        await slow
        return ended

    assert use(StubTransport(script), use_it, concurrency=1, timeout=40.0) <= 3.0


def test_a_single_lookup_does_not_wait_for_an_outage_to_end() -> None:
    server = SimulatedServer(limit=10, outages=[Outage(5.0, 30.0)])

    async def use_it(client: PhoneNumberClient) -> float:
        run = asyncio.create_task(client.gather(ids(2_000)))
        await asyncio.sleep(10.0)
        with pytest.raises(ServerError):
            await client.get("single")
        ended = elapsed()
        await run
        return ended - 10.0

    assert use(server.connect(), use_it) <= 1.0


# What ends a run


EVERYBODYS: dict[str, tuple[Step, type[Exception]]] = {
    "key refused": (refused(401, "invalid_api_key"), AuthenticationError),
    "permission missing": (refused(401, "missing_permissions"), AuthenticationError),
    "quota as 401": (refused(401, "quota_exceeded"), AuthenticationError),
    "quota as 429": (refused(429, "quota_exceeded"), RateLimitError),
}


@pytest.mark.parametrize(("step", "kind"), EVERYBODYS.values(), ids=list(EVERYBODYS))
def test_an_error_that_is_everybodys_stops_a_run_at_once(step: Step, kind: type[Exception]) -> None:
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


def test_a_stopped_run_does_not_sit_out_the_waits_of_those_who_would_ask_again() -> None:
    def script(url: str) -> Step:
        if id_of(url) == "0":
            return After(0.1, refused(429, "too_many_concurrent_requests", retry_after="50"))
        return After(0.2, refused(401, "invalid_api_key"))

    async def use_it(client: PhoneNumberClient) -> float:
        await client.gather(map(str, range(100)))
        return elapsed()

    assert use(StubTransport(script), use_it) <= 1.0


@pytest.mark.parametrize("shows", ["503", "refused connections"])
def test_a_server_away_for_longer_than_the_deadline_ends_a_run(shows: str) -> None:
    outage = Outage(5.0, 1e6, "503" if shows == "503" else "refused connections")
    simulation = simulate(SimulatedServer(limit=10, outages=[outage]), 5_000, deadline=60.0)
    expected = ServerError if shows == "503" else ConnectionFailedError
    never_asked = 0
    assert len(simulation.lost) >= 4_000
    for lookup in simulation.lost:
        error = lookup.error
        cause = error.last_error if isinstance(error, DeadlineExceededError) else error
        assert isinstance(cause, expected)
        never_asked += not lookup.attempts
    assert never_asked >= len(simulation.lost) - 40
    # A deadline, and not one for each of those that had been asked.
    assert simulation.lasted <= 5.0 + 60.0 + 5.0
    assert simulation.server.count("away") <= 20 + 1.2 * 65


def test_a_server_that_never_answers_ends_a_run_too() -> None:
    async def use_it(client: PhoneNumberClient) -> tuple[list[Lookup], float]:
        lookups = await client.gather(ids(5_000), deadline=60.0)
        return lookups, elapsed()

    transport = StubTransport(lambda _url: Hang())
    lookups, ended = use(transport, use_it)
    assert all(isinstance(lookup, Failed) for lookup in lookups)
    assert ended <= 3 * 60.0
    assert transport.requests <= 100


def test_a_server_that_never_answers_within_a_deadline_shorter_than_the_timeout_is_not_asked_by_many() -> (
    None
):
    async def use_it(client: PhoneNumberClient) -> int:
        lookups = await client.gather(ids(500), deadline=5.0)
        assert all(isinstance(lookup, Failed) for lookup in lookups)
        return client.stats.concurrency_limit

    transport = StubTransport(lambda _url: Hang())
    assert use(transport, use_it) <= 8
    assert transport.peak_in_flight <= 8


def test_lookups_whose_deadline_passed_in_an_outage_do_not_make_others_rush_in() -> None:
    simulation = simulate(SimulatedServer(limit=10, outages=[Outage(5.0, 1e6)]), 3_000, deadline=20.0)
    server = simulation.server
    for second in range(7, int(simulation.lasted)):
        assert server.count("away", since=second, until=second + 1) <= 4


def test_an_id_that_always_fails_on_a_healthy_server_is_given_up_soon() -> None:
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


def test_refusals_use_up_none_of_a_lookup_s_attempts() -> None:
    """One bad answer after many refusals is one bad answer."""
    script = {"unlucky": [*[refused(429, "too_many_concurrent_requests")] * 10, refused(500)]}

    def step(url: str) -> Step:
        steps = script.get(id_of(url))
        return After(0.01, steps.pop(0) if steps else number_of(id_of(url)))

    lookups = use(StubTransport(step), lambda client: client.gather([*ids(200), "unlucky", *ids(3_000, 1)]))
    assert [lookup.phone_number_id for lookup in lookups if isinstance(lookup, Failed)] == []


def test_without_retries_a_failure_of_the_server_is_final() -> None:
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


def test_an_invalid_id_does_not_end_a_run_in_an_outage() -> None:
    """What stops a run is shown on all that was left: it must be the outage."""
    server = SimulatedServer(limit=10, outages=[Outage(0.5, 1e6)])
    wanted = [".." if n % 2 else f"phnum_{n}" for n in range(4_000)]
    lookups = use(server.connect(), lambda client: client.gather(wanted, deadline=20.0))
    for lookup in lookups:
        if isinstance(lookup, Failed) and lookup.phone_number_id != "..":
            assert not isinstance(lookup.error, InvalidPhoneNumberIdError)
