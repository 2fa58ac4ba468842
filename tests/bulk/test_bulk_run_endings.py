"""How a bulk run ends early: by an error, by its source, or by its consumer."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
from collections.abc import AsyncGenerator

import pytest
import virtual_time
from bulk_run_helpers import STOPS, LookUps, Source, found_ids, make_run, read, read_all, read_into, use
from stub_transport import refused

from elevenphone import AuthenticationError, Failed, Found, Lookup

# Stopped by an error of the account


@pytest.mark.parametrize("ordered", [False, True])
def test_an_account_error_stops_the_run_but_keeps_the_requests_in_flight(ordered: bool) -> None:
    look_ups = LookUps(
        slots=5, takes=lambda phone_number_id: 1.0 if phone_number_id == "3" else 2.0, errors={"3": STOPS}
    )
    lookups, _ = read_all(map(str, range(5_000)), look_ups, ordered=ordered)
    assert look_ups.requested == ["0", "1", "2", "3", "4"]
    assert sorted(lookup.index for lookup in lookups) == list(range(5_000))
    by_index = {lookup.index: lookup for lookup in lookups}
    assert all(isinstance(by_index[n], Found) for n in (0, 1, 2, 4))
    for n in (3, *range(5, 5_000)):
        lookup = by_index[n]
        assert isinstance(lookup, Failed)
        assert isinstance(lookup.error, AuthenticationError)
        assert lookup.attempts == (n == 3)


def test_the_first_of_several_account_errors_fails_the_rest() -> None:
    look_ups = LookUps(slots=2, takes=float, errors={"1": STOPS, "2": refused(401, "other")})
    lookups, _ = read_all(["2", "1", "3", "4"], look_ups)
    codes = {
        lookup.phone_number_id: lookup.error.code
        for lookup in lookups
        if isinstance(lookup, Failed) and isinstance(lookup.error, AuthenticationError)
    }
    assert codes == {"1": "invalid_api_key", "2": "other", "3": "invalid_api_key", "4": "invalid_api_key"}


def test_a_stopped_run_still_reuses_the_results_it_has() -> None:
    look_ups = LookUps(slots=1, errors={"b": STOPS})
    lookups, _ = read_all(["a", "b", "c", "a"], look_ups)
    assert look_ups.requested == ["a", "b"]
    assert sorted(lookup.index for lookup in lookups if isinstance(lookup, Found)) == [0, 3]


# A source that raises, a worker that is cancelled


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_lookups_of_a_source_that_raises_are_delivered_before_its_error(
    asynchronous: bool, ordered: bool
) -> None:
    async def main() -> list[str]:
        source = Source(20, then=ZeroDivisionError("source"))
        lookups: list[Lookup] = []
        ids = source.asynchronous() if asynchronous else source.synchronous()
        async with make_run(ids, LookUps(slots=3), ordered=ordered) as run:
            with pytest.raises(ZeroDivisionError, match="source"):
                await read_into(lookups, run)
            with pytest.raises(ZeroDivisionError, match="source"):
                await anext(run)
        return found_ids(lookups)

    assert sorted(use(main), key=int) == [str(n) for n in range(20)]


def test_an_error_of_a_source_without_ids_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        read_all(Source(0, then=ZeroDivisionError()).synchronous())


def test_a_source_that_is_not_iterable_is_refused_when_the_run_is_entered() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="not iterable"):
            async with make_run(5, LookUps()):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
                pass

    use(main)


def test_the_consumer_does_not_hang_if_somebody_cancels_the_workers() -> None:
    async def main() -> None:
        async with make_run(map(str, range(10)), LookUps(slots=3)) as run:
            await anext(run)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await read_into([], run)

    use(main)


# A consumer that leaves


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_consumer_that_breaks_off_leaves_no_request_in_flight(asynchronous: bool) -> None:
    async def main() -> tuple[int, int]:
        source, look_ups = Source(10_000), LookUps(slots=20)
        await read(make_run(source.asynchronous() if asynchronous else source.synchronous(), look_ups), 30)
        taken = source.taken
        await asyncio.sleep(100)
        return look_ups.in_flight, source.taken - taken

    assert use(main) == (0, 0)


def test_an_exception_of_the_consumer_propagates_and_leaves_no_request_in_flight() -> None:
    async def main() -> int:
        look_ups = LookUps(slots=20)

        async def consume() -> None:
            async with make_run(map(str, range(100)), look_ups) as run:
                async for _ in run:
                    raise LookupError("consumer")

        with pytest.raises(LookupError, match="consumer"):
            await consume()
        return look_ups.in_flight

    assert use(main) == 0


@pytest.mark.parametrize("ordered", [False, True])
def test_a_cancelled_consumer_leaves_no_request_in_flight(ordered: bool) -> None:
    async def main() -> int:
        look_ups = LookUps(slots=20)
        task = asyncio.create_task(read(make_run(map(str, range(10_000)), look_ups, ordered=ordered)))
        await asyncio.sleep(7.5)
        assert look_ups.in_flight == 20
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return look_ups.in_flight

    assert use(main) == 0


def test_cancelling_anext_loses_no_lookup() -> None:
    async def main() -> list[str]:
        lookups: list[Lookup] = []
        async with make_run(["1", "2", "3"], LookUps(takes=float)) as run:
            while True:
                try:
                    async with asyncio.timeout(0.3):
                        lookups.append(await anext(run))
                except TimeoutError:
                    continue
                except StopAsyncIteration:
                    return found_ids(lookups)

    assert use(main) == ["1", "2", "3"]


def test_polling_a_stream_leaves_nothing_behind() -> None:
    async def main() -> None:
        async with make_run(["1"], LookUps(takes=1_000.0)) as run:
            for _ in range(3):  # what the first poll makes stays
                for _ in range(100):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(anext(run), 0.1)
                gc.collect()
                futures.append(sum(type(each) is asyncio.Future for each in gc.get_objects()))

    futures: list[int] = []
    use(main)
    assert futures[2] <= futures[0]


def test_several_consumers_share_the_lookups_of_one_run() -> None:
    async def main() -> None:
        shares: list[list[Lookup]] = [[], [], []]
        run = make_run(map(str, range(30)), LookUps(slots=3, takes=0.1))
        async with asyncio.timeout(5.0), run, asyncio.TaskGroup() as group:
            for share in shares:
                group.create_task(read_into(share, run))
        assert sorted(lookup.index for share in shares for lookup in share) == list(range(30))

    use(main)


def test_an_asynchronous_source_is_closed_while_it_waits_for_its_next_id() -> None:
    async def main() -> bool:
        source = Source(1_000, every=0.7)
        await read(make_run(source.asynchronous(), LookUps()), 3)  # leaves while the source sleeps
        return source.closed

    assert use(main)


def test_a_run_whose_end_is_cancelled_leaves_nothing_in_the_client() -> None:
    look_ups = LookUps(slots=2)

    async def slow_to_close() -> AsyncGenerator[str]:
        try:
            for n in range(100):
                yield str(n)
        finally:
            await asyncio.sleep(5)

    async def leave_early() -> None:
        async with look_ups.client.stream(slow_to_close()) as run:
            await anext(run)

    async def main() -> None:
        async with look_ups.client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2):
                    await leave_early()
            await asyncio.sleep(10)
            assert ", 0 runs," in repr(look_ups.client)
            assert len(asyncio.all_tasks()) == 1

    virtual_time.run(main())


@pytest.mark.parametrize("turns", range(40))
def test_a_cancelled_gather_leaves_no_run_in_the_client(turns: int) -> None:
    look_ups = LookUps(slots=2, takes=0.0)

    async def main() -> None:
        async with look_ups.client:
            gathering = asyncio.create_task(look_ups.client.gather(["1", "2", "3"]))
            for _ in range(turns):
                await asyncio.sleep(0)
            gathering.cancel()
            await asyncio.gather(gathering, return_exceptions=True)
            await look_ups.client.get("4")
            assert ", 0 runs," in repr(look_ups.client)

    virtual_time.run(main())


def test_a_source_that_ignores_its_cancellation_is_read_no_further() -> None:
    look_ups = LookUps(slots=2)

    async def stubborn() -> AsyncGenerator[str]:
        for n in itertools.count():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(10)
            yield str(n)

    async def main() -> None:
        async with look_ups.client:
            async with look_ups.client.stream(stubborn()) as run:
                await anext(run)
            assert virtual_time.elapsed() < 20
            assert len(asyncio.all_tasks()) == 1
            assert len(look_ups.requested) == 1

    virtual_time.run(main())


def test_an_asynchronous_source_is_closed_while_the_run_does_not_read_it() -> None:
    async def main() -> bool:
        source = Source(1_000)
        await read(make_run(source.asynchronous(), LookUps()), 3)
        return source.closed

    assert use(main)


def test_a_consumer_that_leaves_before_the_first_lookup_sends_no_request() -> None:
    async def main() -> int:
        look_ups = LookUps()
        async with make_run(map(str, range(100)), look_ups):
            pass
        await asyncio.sleep(10)
        return len(look_ups.requested)

    assert use(main) == 0


# A run that was not entered


def test_the_error_of_a_run_that_was_not_entered_says_what_to_do() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"async with client\.stream"):
            await anext(make_run(["a"], LookUps()))

    use(main)
