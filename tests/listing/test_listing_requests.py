"""A page is requested behind single lookups, retried until its deadline, and ended by `aclose`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
import virtual_time
from listing_helpers import client_of, ids_of, pages_of, parameters_of, read
from stub_transport import After, Hang, Step, StubTransport, found, refused

from elevenphone import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    ElevenPhoneError,
    Found,
    PhoneNumberClient,
    RequestTimeoutError,
    Response,
    RetryPolicy,
    ServerError,
)

PAGES = pages_of([["a", "b"], ["c", "d"], ["e"]], ["1", "2"])


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run on the virtual clock; a lookup that hangs is a `DeadlockError`."""
    virtual_time.run(main)


def good(url: str) -> Step:
    """Answer lookups and pages alike, each after 0.1 s."""
    if "phone-numbers?" in url:
        return After(0.1, PAGES[parameters_of(url).get("cursor")])
    return After(0.1, found(url.rpartition("/")[2]))


class Failing:
    """Fails the second page this many times, and then answers it."""

    def __init__(self, failure: Step, times: float) -> None:
        self.failure = failure
        self.left = times

    def __call__(self, url: str) -> Step:
        if "cursor=1" in url and self.left > 0:
            self.left -= 1
            return self.failure
        return good(url)


PASSING: list[Step] = [
    refused(503),
    refused(500, retry_after="1"),
    refused(429, "too_many_concurrent_requests"),
    refused(429, "rate_limit_exceeded", retry_after="2"),
    ConnectionFailedError("dropped"),
    ConnectionFailedError("refused", stage="connect"),
]


@pytest.mark.parametrize("failure", PASSING, ids=str)
@pytest.mark.parametrize("times", [1, 3, 10])
def test_a_transient_failure_between_pages_is_retried(failure: Step, times: int) -> None:
    async def main() -> None:
        async with client_of(Failing(failure, times)) as client:
            assert await read(client.list()) == (["a", "b", "c", "d", "e"], [], None)
            assert client.stats.retries == times

    run(main())


@pytest.mark.parametrize("failure", PASSING, ids=str)
def test_a_page_that_always_fails_ends_the_listing_by_its_deadline(failure: Step) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with client_of(Failing(failure, float("inf"))) as client:
            listing = client.list(deadline=20.0)
            assert ids_of([await anext(listing), await anext(listing)]) == ["a", "b"]
            started = loop.time()
            ids, _, error = await read(listing)
            assert ids == []
            assert error is not None
            assert error.history
            assert 10 < loop.time() - started <= 20
            with pytest.raises(StopAsyncIteration):
                await anext(listing)

    run(main())


def test_the_first_page_waits_for_an_outage_to_end() -> None:
    async def main() -> None:
        ends = asyncio.get_running_loop().time() + 30

        def script(url: str) -> Step:
            return good(url) if asyncio.get_running_loop().time() > ends else refused(503)

        async with client_of(script) as client:
            assert (await read(client.list()))[0] == ["a", "b", "c", "d", "e"]

    run(main())


def test_without_retries_a_failure_is_final() -> None:
    async def main() -> None:
        transport = StubTransport([PAGES[None], refused(503)])
        async with client_of(transport, RetryPolicy.none()) as client:
            ids, _, error = await read(client.list())
            assert ids == ["a", "b"]
            assert isinstance(error, ServerError)

    run(main())


@pytest.mark.parametrize(
    "answer", [refused(401, "invalid_api_key"), refused(403), refused(404), refused(422)]
)
def test_a_permanent_error_ends_the_listing(answer: Response) -> None:
    async def main() -> None:
        transport = StubTransport([PAGES[None], answer])
        async with client_of(transport) as client:
            ids, _, error = await read(client.list())
            assert ids == ["a", "b"]
            assert error is not None
            assert error.scope == ("account" if answer.status in {401, 403} else "lookup")
            assert transport.requests == 2

    run(main())


def test_a_page_that_hangs_is_attempted_again_until_its_deadline() -> None:
    async def main() -> None:
        transport = StubTransport(Failing(Hang(), float("inf")))
        async with client_of(transport) as client:
            ids, _, error = await read(client.list(deadline=25.0))
            assert ids == ["a", "b"]
            assert isinstance(error, DeadlineExceededError)
            assert isinstance(error.last_error, RequestTimeoutError)
            assert transport.requests == 4  # at 0, 10 and 20 seconds, within 25

    run(main())


def test_on_retry_gets_none_for_the_id_of_a_page() -> None:
    async def main() -> None:
        retries: list[tuple[str | None, int]] = []
        transport = StubTransport(Failing(refused(503), 2))
        client = PhoneNumberClient(
            transport=transport,
            on_retry=lambda phone_number_id, n, _, __: retries.append((phone_number_id, n)),
        )
        async with client:
            await read(client.list())
        assert retries == [(None, 1), (None, 2)]

    run(main())


def test_a_page_waits_behind_single_lookups() -> None:
    async def main() -> None:
        transport = StubTransport(good)
        async with (
            PhoneNumberClient(transport=transport, concurrency=1) as client,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(client.get("phnum_1"))
            await asyncio.sleep(0)
            listing = tasks.create_task(read(client.list()))
            await asyncio.sleep(0)
            tasks.create_task(client.get("phnum_2"))
            tasks.create_task(client.get("phnum_3"))
            assert (await listing)[0] == ["a", "b", "c", "d", "e"]
        kinds = ["page" if "phone-numbers?" in url else url.rpartition("_")[2] for url in transport.urls]
        assert kinds == ["1", "2", "3", "page", "page", "page"]

    run(main())


def test_a_listing_and_a_run_share_the_slots() -> None:
    async def main() -> None:
        transport = StubTransport(good)
        async with (
            PhoneNumberClient(transport=transport, concurrency=2) as client,
            asyncio.TaskGroup() as tasks,
        ):
            lookups = tasks.create_task(client.gather([f"phnum_{i}" for i in range(100)]))
            await asyncio.sleep(0.05)
            assert (await read(client.list()))[0] == ["a", "b", "c", "d", "e"]
            assert transport.requests < 20
            assert transport.peak_in_flight == 2
        assert all(isinstance(lookup, Found) for lookup in lookups.result())

    run(main())


def test_a_run_and_a_listing_both_survive_an_outage() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()

        def script(url: str) -> Step:
            return good(url) if not 0.15 < loop.time() - start < 20 else After(0.1, refused(503))

        async with client_of(script) as client, asyncio.TaskGroup() as tasks:
            lookups = tasks.create_task(client.gather([f"phnum_{i}" for i in range(100)]))
            assert (await read(client.list()))[0] == ["a", "b", "c", "d", "e"]
        assert all(isinstance(lookup, Found) for lookup in lookups.result())

    run(main())


async def assert_nothing_is_left(client: PhoneNumberClient, transport: StubTransport) -> None:
    """Check that no task, slot, lane or request is left, and that the client still works."""
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert "0 waiting, 0 runs" in repr(client)
    assert client.stats.in_flight == transport.in_flight == 0
    assert (await client.get("phnum_1")).phone_number_id == "phnum_1"


@pytest.mark.parametrize("taken", range(1, 6))
def test_leaving_a_listing_early_leaves_no_task_and_no_slot_taken(taken: int) -> None:
    async def main() -> None:
        transport = StubTransport(good)
        async with client_of(transport) as client:
            listing = client.list()
            for _ in range(taken):
                await anext(listing)
            assert transport.requests == (taken + 1) // 2
            await assert_nothing_is_left(client, transport)

    run(main())


@pytest.mark.parametrize("stage", ["in flight", "waiting for a retry", "waiting for a slot"])
def test_a_cancelled_page_leaves_no_slot_taken_and_can_be_requested_again(stage: str) -> None:
    async def main() -> None:
        failure = Hang() if stage != "waiting for a retry" else refused(503, retry_after="30")
        transport = StubTransport(Failing(failure, 1))
        async with PhoneNumberClient(transport=transport, concurrency=1) as client:
            listing = client.list()
            await anext(listing)
            await anext(listing)
            other = asyncio.create_task(client.get("phnum_1")) if stage == "waiting for a slot" else None
            await asyncio.sleep(0)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05 if other is not None else 5):
                    await anext(listing)
            if other is not None:
                await other
            await assert_nothing_is_left(client, transport)
            assert (await read(listing))[0] == ["c", "d", "e"]

    run(main())


@pytest.mark.parametrize("stage", ["in flight", "waiting for a retry", "waiting for a slot"])
def test_closing_the_client_ends_a_page_at_once(stage: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        failure = Hang() if stage != "waiting for a retry" else refused(503, retry_after="30")
        transport = StubTransport(Failing(failure, float("inf")))
        client = PhoneNumberClient(transport=transport, concurrency=1)
        listing = client.list()
        await anext(listing)
        await anext(listing)
        if stage == "waiting for a slot":
            tasks = [asyncio.create_task(read(client.list())) for _ in range(2)]
            await asyncio.sleep(5)
        else:
            tasks = []
        step = asyncio.create_task(read(listing))
        await asyncio.sleep(5)
        closed = loop.time()
        await client.aclose()
        for task in (step, *tasks):
            error = (await task)[2]
            assert isinstance(error, ConfigurationError)
            assert "this client is closed" in str(error)
        assert loop.time() == closed
        assert transport.in_flight == 0
        with pytest.raises(StopAsyncIteration):
            await anext(listing)

    run(main())


def test_a_closed_client_lists_nothing() -> None:
    async def main() -> None:
        client = client_of(good)
        listing = client.list()
        assert await anext(listing)
        await client.aclose()
        assert (await anext(listing)).phone_number_id == "b"  # from the page at hand
        with pytest.raises(ConfigurationError, match="this client is closed"):
            await anext(listing)
        with pytest.raises(ConfigurationError, match="this client is closed"):
            await anext(client.list())

    run(main())


def test_two_tasks_cannot_read_one_listing() -> None:
    async def main() -> None:
        async with client_of(good) as client:
            listing = client.list()
            first = asyncio.create_task(read(listing))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="make one listing for each task"):
                await anext(listing)
            assert (await first)[0] == ["a", "b", "c", "d", "e"]

    run(main())


async def test_the_repr_of_a_listing_shows_the_filters_and_no_key() -> None:
    async with PhoneNumberClient("sk_secret", base_url="http://127.0.0.1:9") as client:
        assert repr(client.list(provider="twilio")) == "<Listing page_size=100&provider=twilio, under way>"


def test_the_errors_of_a_listing_are_this_packages() -> None:
    async def main() -> None:
        async with client_of([ValueError("a bug in the transport")], RetryPolicy.none()) as client:
            assert isinstance((await read(client.list()))[2], ElevenPhoneError)
        async with client_of([refused(401, "invalid_api_key")]) as client:
            with pytest.raises(AuthenticationError) as caught:
                await anext(client.list())
            assert len(caught.value.history) == 1

    run(main())
