"""A bulk run: order, backpressure, equal ids, and its end, on a server with a number of places."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable
from typing import TypeVar

import pytest
import virtual_time
from hypothesis import given
from hypothesis import strategies as st
from simulated_server import number_of
from stub_transport import After, Step, StubTransport, refused

from elevenphone import (
    AuthenticationError,
    Failed,
    Found,
    InvalidPhoneNumberIdError,
    Lookup,
    NotFoundError,
    PhoneNumberClient,
    Response,
)
from elevenphone.run import REMEMBERED, WINDOW, Run

_T = TypeVar("_T")
STOPS = refused(401, "invalid_api_key", "No")


class LookUps:
    """A client, and a server that answers as many lookups at once as there are places.

    Args:
        places: How many may be looked up at once.
        takes: Seconds; a function of the id where they differ.
        errors: Ids that fail, and with what.

    Attributes:
        client: The client.
        asked: The ids looked up, in order.
    """

    def __init__(
        self,
        *,
        places: int = 5,
        takes: float | Callable[[str], float] = 1.0,
        errors: dict[str, Response] | None = None,
    ) -> None:
        self.asked: list[str] = []
        self._takes = takes
        self._errors = errors or {}
        self._transport = StubTransport(self._answer)
        self.client = PhoneNumberClient(transport=self._transport, concurrency=places, timeout=2_000.0)

    @property
    def in_flight(self) -> int:
        """How many are being looked up."""
        return self._transport.in_flight

    @property
    def peak(self) -> int:
        """The most that have been looked up at once."""
        return self._transport.peak_in_flight

    def _answer(self, url: str) -> Step:
        phone_number_id = url.rpartition("/")[2]
        self.asked.append(phone_number_id)
        takes = self._takes(phone_number_id) if callable(self._takes) else self._takes
        return After(takes, self._errors.get(phone_number_id) or number_of(phone_number_id))


class Source:
    """Ids that count how many of them were taken."""

    def __init__(self, count: int, *, then: BaseException | None = None, every: float = 0.0) -> None:
        self.taken = 0
        self.closed = False
        self._count = count
        self._then = then
        self._every = every

    def sync(self) -> Generator[str]:
        for n in range(self._count):
            self.taken += 1
            yield str(n)
        if self._then is not None:
            raise self._then

    async def ran(self) -> AsyncGenerator[str]:
        try:
            for n in range(self._count):
                if self._every:
                    await asyncio.sleep(self._every)
                self.taken += 1
                yield str(n)
            if self._then is not None:
                raise self._then
        finally:
            self.closed = True


async def read(run: Run, count: int | None = None) -> list[Lookup]:
    """Read so many lookups of a run, or all."""
    lookups: list[Lookup] = []
    async with run:
        async for lookup in run:
            lookups.append(lookup)
            if len(lookups) == count:
                break
    return lookups


def make_run(
    ids: Iterable[str] | AsyncIterable[str],
    look_ups: LookUps,
    *,
    ordered: bool = False,
    remembered: int | None = REMEMBERED,
    window: int = WINDOW,
) -> Run:
    """Make a run like `client.stream`, with bounds of its own."""
    run = look_ups.client.stream(ids, ordered=ordered, deadline=None)
    return Run(
        ids,
        run._dispatcher,  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - so that small bounds can be tried
        run._terms,  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        ordered=ordered,
        remembered=remembered,
        window=window,
    )


def elapsed() -> float:
    return asyncio.get_running_loop().time() - virtual_time.START


async def read_into(lookups: list[Lookup], run: Run) -> None:
    """Read all of a run that has been entered, and keep what came if it raises."""
    async for lookup in run:
        lookups.append(lookup)  # noqa: PERF401 - a list made at once would be lost


def use(main: Callable[[], Awaitable[_T]]) -> _T:
    """Use a run in virtual time, and see to it that no task is left."""

    async def checked() -> _T:
        result = await main()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return virtual_time.run(checked())


def read_all(
    ids: Iterable[str] | AsyncIterable[str],
    look_ups: LookUps | None = None,
    *,
    ordered: bool = False,
    remembered: int | None = REMEMBERED,
    window: int = WINDOW,
) -> tuple[list[Lookup], LookUps]:
    async def main() -> tuple[list[Lookup], LookUps]:
        used = look_ups or LookUps()
        run = make_run(ids, used, ordered=ordered, remembered=remembered, window=window)
        return await read(run), used

    return use(main)


def found_ids(lookups: Iterable[Lookup]) -> list[str]:
    return [lookup.result().phone_number_id for lookup in lookups]


# Every input once, in either order


@given(
    ids=st.lists(st.integers(0, 20).map(str), max_size=60),
    ordered=st.booleans(),
    remembered=st.none() | st.integers(0, 10),
    window=st.integers(1, 10),
    places=st.integers(1, 8),
    failing=st.sets(st.integers(0, 20).map(str)),
    asynchronous=st.booleans(),
)
def test_each_input_is_answered_once(
    ids: list[str],
    ordered: bool,
    remembered: int | None,
    window: int,
    places: int,
    failing: set[str],
    asynchronous: bool,
) -> None:
    async def ran() -> AsyncGenerator[str]:
        for phone_number_id in ids:
            await asyncio.sleep(0.3)
            yield phone_number_id

    look_ups = LookUps(
        places=places,
        takes=lambda phone_number_id: 1.0 + int(phone_number_id) * 7 % 5,
        errors={phone_number_id: refused(404) for phone_number_id in failing},
    )
    lookups, _ = read_all(
        ran() if asynchronous else ids, look_ups, ordered=ordered, remembered=remembered, window=window
    )
    indices = [lookup.index for lookup in lookups]
    assert (indices if ordered else sorted(indices)) == list(range(len(ids)))
    for lookup in lookups:
        assert lookup.phone_number_id == ids[lookup.index]
        assert isinstance(lookup, Failed) == (lookup.phone_number_id in failing)
    assert look_ups.peak <= places
    if remembered is None:
        assert sorted(look_ups.asked) == sorted(set(ids))


def test_lookups_come_as_they_complete() -> None:
    lookups, _ = read_all(["3", "1", "2"], LookUps(takes=float))
    assert found_ids(lookups) == ["1", "2", "3"]
    assert [lookup.index for lookup in lookups] == [1, 2, 0]


def test_lookups_come_in_the_order_of_the_input_where_asked() -> None:
    lookups, _ = read_all(["3", "1", "2"], LookUps(takes=float), ordered=True)
    assert found_ids(lookups) == ["3", "1", "2"]


def test_a_lookup_is_handed_over_when_it_is_there_and_not_when_all_are() -> None:
    async def main() -> list[float]:
        async with make_run(["1", "2", "5"], LookUps(takes=float)) as run:
            return [elapsed() async for _ in run]

    assert use(main) == [1.0, 2.0, 5.0]


def test_no_input_is_no_output() -> None:
    assert read_all([])[0] == []
    assert read_all(Source(0).ran())[0] == []


def test_all_places_are_used() -> None:
    async def main() -> tuple[float, int]:
        look_ups = LookUps(places=50)
        await read(make_run(map(str, range(500)), look_ups))
        return elapsed(), look_ups.peak

    assert use(main) == (10.0, 50)


# Lazily pulled


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_no_more_is_pulled_than_the_window_ahead_of_a_slow_consumer(
    asynchronous: bool, ordered: bool
) -> None:
    async def main() -> None:
        source = Source(100_000)
        ids = source.ran() if asynchronous else source.sync()
        async with make_run(ids, LookUps(places=100, takes=0.001), ordered=ordered, window=200) as run:
            handed_over = 0
            async for _ in run:
                handed_over += 1
                await asyncio.sleep(1.0)
                assert source.taken - handed_over <= 200
                if handed_over == 500:
                    break
            assert source.taken >= 600

    use(main)


def test_no_more_is_pulled_than_the_window_ahead_of_a_slow_head() -> None:
    async def main() -> tuple[int, int]:
        source = Source(1_000)
        look_ups = LookUps(takes=lambda phone_number_id: 1_000.0 if phone_number_id == "0" else 0.01)
        async with make_run(source.sync(), look_ups, ordered=True, window=50) as run:
            await asyncio.sleep(999)
            before = source.taken
            return before, len([lookup async for lookup in run])

    assert use(main) == (50, 1_000)


def test_nothing_is_pulled_before_the_run_is_entered_and_little_before_there_is_a_place() -> None:
    async def main() -> tuple[int, int]:
        source = Source(10_000)
        run = make_run(source.sync(), LookUps(places=3, takes=1_000.0))
        before = source.taken
        async with run:
            await asyncio.sleep(1)
            return before, source.taken

    before, after = use(main)
    assert before == 0
    assert 3 <= after <= 3 * 3 + 1


def test_the_window_of_a_run_is_a_few_thousand() -> None:
    async def main() -> int:
        source = Source(100_000)
        async with make_run(source.sync(), LookUps(takes=0.001)):
            await asyncio.sleep(1_000)
            return source.taken

    assert use(main) == WINDOW <= 5_000


def test_a_slow_source_holds_up_nobody_who_was_asked() -> None:
    async def main() -> list[float]:
        async with make_run(Source(4, every=10.0).ran(), LookUps(takes=1.0)) as run:
            return [elapsed() async for _ in run]

    assert use(main) == [11.0, 21.0, 31.0, 41.0]


# Equal ids


@pytest.mark.parametrize("ordered", [False, True])
def test_an_id_that_is_being_asked_is_not_asked_again(ordered: bool) -> None:
    lookups, look_ups = read_all(["a", "b", "a", "a", "b"], ordered=ordered)
    assert sorted(look_ups.asked) == ["a", "b"]
    assert Counter(found_ids(lookups)) == {"a": 3, "b": 2}
    assert sorted(lookup.index for lookup in lookups) == list(range(5))


def test_an_id_that_was_asked_is_not_asked_again() -> None:
    ids = ["a", *map(str, range(100)), "a"]
    lookups, look_ups = read_all(ids, LookUps(places=1))
    assert look_ups.asked.count("a") == 1
    assert {lookup.index for lookup in lookups if lookup.phone_number_id == "a"} == {0, 101}


def test_an_id_that_failed_is_not_asked_again() -> None:
    lookups, look_ups = read_all(["a", "a"] * 20, LookUps(errors={"a": refused(404)}))
    assert look_ups.asked == ["a"]
    assert [isinstance(lookup, Failed) and isinstance(lookup.error, NotFoundError) for lookup in lookups] == [
        True
    ] * 40


def test_only_so_many_are_remembered() -> None:
    ids = ["a", *map(str, range(100)), "a"]
    _, few = read_all(ids, LookUps(places=1), remembered=50)
    _, many = read_all(ids, LookUps(places=1), remembered=200)
    _, whole = read_all(ids, LookUps(places=1), remembered=None)
    assert [used.asked.count("a") for used in (few, many, whole)] == [2, 1, 1]


# Ids that are none


@pytest.mark.parametrize("ordered", [False, True])
def test_what_is_no_str_fails_alone(ordered: bool) -> None:
    ids: list[str] = ["a", None, 5, b"b", ["c"], {}, 1.5, "d"]  # type: ignore[list-item]  # pyright: ignore[reportAssignmentType]
    lookups, look_ups = read_all(ids, ordered=ordered)
    assert sorted(look_ups.asked) == ["a", "d"]
    assert sorted(lookup.index for lookup in lookups) == list(range(8))
    for lookup in lookups:
        if lookup.index in (0, 7):
            assert isinstance(lookup, Found)
        else:
            assert isinstance(lookup, Failed)
            assert isinstance(lookup.error, InvalidPhoneNumberIdError)
            assert lookup.attempts == 0


@pytest.mark.parametrize("ids", [["5", 5, "5", "5"], [5, "5", 5, "5"]], ids=["str first", "int first"])
def test_what_is_no_str_does_not_answer_for_the_str_that_looks_like_it(ids: list[str]) -> None:
    lookups, _ = read_all(ids, LookUps(places=1))
    answered = {lookup.index: isinstance(lookup, Found) for lookup in lookups}
    assert answered == {index: isinstance(one, str) for index, one in enumerate(ids)}


# Stopped by an error


@pytest.mark.parametrize("ordered", [False, True])
def test_an_error_that_is_everybodys_stops_the_run_and_keeps_what_was_asked(ordered: bool) -> None:
    look_ups = LookUps(
        places=5, takes=lambda phone_number_id: 1.0 if phone_number_id == "3" else 2.0, errors={"3": STOPS}
    )
    lookups, _ = read_all(map(str, range(5_000)), look_ups, ordered=ordered)
    assert look_ups.asked == ["0", "1", "2", "3", "4"]
    assert sorted(lookup.index for lookup in lookups) == list(range(5_000))
    by_index = {lookup.index: lookup for lookup in lookups}
    assert all(isinstance(by_index[n], Found) for n in (0, 1, 2, 4))
    for n in (3, *range(5, 5_000)):
        lookup = by_index[n]
        assert isinstance(lookup, Failed)
        assert isinstance(lookup.error, AuthenticationError)
        assert lookup.attempts == (n == 3)


def test_the_first_of_several_such_errors_is_the_one_shown() -> None:
    look_ups = LookUps(places=2, takes=float, errors={"1": STOPS, "2": refused(401, "other")})
    lookups, _ = read_all(["2", "1", "3", "4"], look_ups)
    codes = {
        lookup.phone_number_id: lookup.error.code
        for lookup in lookups
        if isinstance(lookup, Failed) and isinstance(lookup.error, AuthenticationError)
    }
    assert codes == {"1": "invalid_api_key", "2": "other", "3": "invalid_api_key", "4": "invalid_api_key"}


def test_what_is_known_is_answered_even_after_the_stop() -> None:
    look_ups = LookUps(places=1, errors={"b": STOPS})
    lookups, _ = read_all(["a", "b", "c", "a"], look_ups)
    assert look_ups.asked == ["a", "b"]
    assert sorted(lookup.index for lookup in lookups if isinstance(lookup, Found)) == [0, 3]


# A source, or a look-up, that raises


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_was_obtained_of_a_source_that_raises_is_delivered_first(
    asynchronous: bool, ordered: bool
) -> None:
    async def main() -> list[str]:
        source = Source(20, then=ZeroDivisionError("source"))
        lookups: list[Lookup] = []
        ids = source.ran() if asynchronous else source.sync()
        async with make_run(ids, LookUps(places=3), ordered=ordered) as run:
            with pytest.raises(ZeroDivisionError, match="source"):
                await read_into(lookups, run)
            with pytest.raises(ZeroDivisionError, match="source"):
                await anext(run)
        return found_ids(lookups)

    assert sorted(use(main), key=int) == [str(n) for n in range(20)]


def test_a_source_that_raises_at_once_is_told() -> None:
    with pytest.raises(ZeroDivisionError):
        read_all(Source(0, then=ZeroDivisionError()).sync())


def test_what_cannot_be_iterated_over_is_told_when_the_run_is_entered() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="not iterable"):
            async with make_run(5, LookUps()):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
                pass

    use(main)


def test_a_worker_that_somebody_cancels_does_not_make_its_consumer_wait_for_ever() -> None:
    async def main() -> None:
        async with make_run(map(str, range(10)), LookUps(places=3)) as run:
            await anext(run)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await read_into([], run)

    use(main)


# A consumer that leaves


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_consumer_that_breaks_off_leaves_nothing_under_way(asynchronous: bool) -> None:
    async def main() -> tuple[int, int]:
        source, look_ups = Source(10_000), LookUps(places=20)
        await read(make_run(source.ran() if asynchronous else source.sync(), look_ups), 30)
        taken = source.taken
        await asyncio.sleep(100)
        return look_ups.in_flight, source.taken - taken

    assert use(main) == (0, 0)


def test_a_consumer_s_exception_passes_and_leaves_nothing_under_way() -> None:
    async def main() -> int:
        look_ups = LookUps(places=20)

        async def consume() -> None:
            async with make_run(map(str, range(100)), look_ups) as run:
                async for _ in run:
                    raise LookupError("consumer")

        with pytest.raises(LookupError, match="consumer"):
            await consume()
        return look_ups.in_flight

    assert use(main) == 0


@pytest.mark.parametrize("ordered", [False, True])
def test_a_consumer_that_is_cancelled_leaves_nothing_under_way(ordered: bool) -> None:
    async def main() -> int:
        look_ups = LookUps(places=20)
        task = asyncio.create_task(read(make_run(map(str, range(10_000)), look_ups, ordered=ordered)))
        await asyncio.sleep(7.5)
        assert look_ups.in_flight == 20
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return look_ups.in_flight

    assert use(main) == 0


def test_a_cancelled_wait_for_a_lookup_loses_none() -> None:
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


def test_several_consumers_of_one_run_share_what_comes() -> None:
    async def main() -> None:
        shares: list[list[Lookup]] = [[], [], []]
        run = make_run(map(str, range(30)), LookUps(places=3, takes=0.1))
        async with asyncio.timeout(5.0), run, asyncio.TaskGroup() as group:
            for share in shares:
                group.create_task(read_into(share, run))
        assert sorted(lookup.index for share in shares for lookup in share) == list(range(30))

    use(main)


def test_an_asynchronous_source_is_not_left_running() -> None:
    async def main() -> bool:
        source = Source(1_000, every=0.7)
        await read(make_run(source.ran(), LookUps()), 3)  # leaves while the source sleeps
        return source.closed

    assert use(main)


def test_an_asynchronous_source_that_stands_between_two_ids_is_closed_too() -> None:
    async def main() -> bool:
        source = Source(1_000)
        await read(make_run(source.ran(), LookUps()), 3)
        return source.closed

    assert use(main)


def test_who_leaves_before_the_first_lookup_leaves_nothing_under_way() -> None:
    async def main() -> int:
        look_ups = LookUps()
        async with make_run(map(str, range(100)), look_ups):
            pass
        await asyncio.sleep(10)
        return len(look_ups.asked)

    assert use(main) == 0


# Not entered


def test_a_run_that_was_not_entered_says_what_to_do() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"async with client\.stream"):
            await anext(make_run(["a"], LookUps()))

    use(main)


# Workers


def test_there_are_as_many_workers_as_are_of_use() -> None:
    def script(url: str) -> Step:
        # The first 300 are refused once and wait, without a slot, before they try again.
        phone_number_id = url.rpartition("/")[2]
        if phone_number_id in waiting:
            waiting.remove(phone_number_id)
            return After(0.1, refused(429, "too_many_concurrent_requests", retry_after="50"))
        return After(0.1, number_of(phone_number_id))

    async def main() -> tuple[int, int, int]:
        async with (
            PhoneNumberClient(transport=StubTransport(script), concurrency=8) as client,
            client.stream(map(str, range(20_000))) as run,
        ):
            few = len(asyncio.all_tasks())
            many, afterwards = [
                len(asyncio.all_tasks())
                async for lookup in run
                if lookup.index in (2_000, 19_000)  # after 25 and 240 seconds
            ]
        return few, many, afterwards

    waiting = {str(n) for n in range(300)}
    few, many, afterwards = use(main)
    assert few <= 2
    assert 300 <= many <= 330
    assert afterwards <= 20
