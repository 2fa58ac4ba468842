"""Bulk runs on a client whose server answers a fixed number of lookups at once, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable
from typing import TypeVar

import virtual_time
from simulated_server import number_of
from stub_transport import After, Step, StubTransport, refused

from elevenphone import Lookup, PhoneNumberClient, Response
from elevenphone.run import REMEMBERED, WINDOW, Run

_T = TypeVar("_T")
STOPS = refused(401, "invalid_api_key", "No")


class LookUps:
    """A client with a fixed number of slots, and a server that answers all its requests.

    Args:
        slots: Most requests in flight.
        takes: Seconds that an answer takes, or a function from the id to them.
        errors: The error answers, by id.

    Attributes:
        client: The client.
        requested: The ids that were requested, in order.
    """

    def __init__(
        self,
        *,
        slots: int = 5,
        takes: float | Callable[[str], float] = 1.0,
        errors: dict[str, Response] | None = None,
    ) -> None:
        self.requested: list[str] = []
        self._takes = takes
        self._errors = errors or {}
        self._transport = StubTransport(self._answer)
        self.client = PhoneNumberClient(transport=self._transport, concurrency=slots, timeout=2_000.0)

    @property
    def in_flight(self) -> int:
        """Requests in flight now."""
        return self._transport.in_flight

    @property
    def peak(self) -> int:
        """Most requests in flight so far."""
        return self._transport.peak_in_flight

    def _answer(self, url: str) -> Step:
        phone_number_id = url.rpartition("/")[2]
        self.requested.append(phone_number_id)
        takes = self._takes(phone_number_id) if callable(self._takes) else self._takes
        return After(takes, self._errors.get(phone_number_id) or number_of(phone_number_id))


class Source:
    """A source of ids that counts how many were taken."""

    def __init__(self, count: int, *, then: BaseException | None = None, every: float = 0.0) -> None:
        self.taken = 0
        self.closed = False
        self._count = count
        self._then = then
        self._every = every

    def synchronous(self) -> Generator[str]:
        for n in range(self._count):
            self.taken += 1
            yield str(n)
        if self._then is not None:
            raise self._then

    async def asynchronous(self) -> AsyncGenerator[str]:
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
    """Read the first `count` lookups of a run, or all."""
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
    """Make a run as `client.stream` does, but with other bounds."""
    run = look_ups.client.stream(ids, ordered=ordered, deadline=None)
    return Run(
        ids,
        run._dispatcher,  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - to test small bounds
        run._terms,  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        ordered=ordered,
        remembered=remembered,
        window=window,
    )


async def read_into(lookups: list[Lookup], run: Run) -> None:
    """Append the lookups of an entered run, so that they are kept if the run raises."""
    async for lookup in run:
        lookups.append(lookup)  # noqa: PERF401 - a comprehension would lose them


def use(main: Callable[[], Awaitable[_T]]) -> _T:
    """Run a test in virtual time, and check that no task is left."""

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
