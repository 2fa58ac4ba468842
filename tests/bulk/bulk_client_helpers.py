"""Use one client in virtual time, and answer its requests by id."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import virtual_time
from simulated_server import number_of
from stub_transport import Step

from elevenphone import PhoneNumberClient, RetryPolicy, Transport

_T = TypeVar("_T")


def use(
    transport: Transport,
    use_it: Callable[[PhoneNumberClient], Awaitable[_T]],
    *,
    timeout: float = 10.0,
    deadline: float | None = 60.0,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
    concurrency: int | None = None,
) -> _T:
    """Use a client in virtual time, and check that it leaves no task and no request."""

    async def main() -> _T:
        async with PhoneNumberClient(
            transport=transport, timeout=timeout, deadline=deadline, retry=retry, concurrency=concurrency
        ) as client:
            result = await use_it(client)
            assert client.stats.in_flight == 0
            assert asyncio.all_tasks() == {asyncio.current_task()}
            return result

    return virtual_time.run(main())


def id_of(url: str) -> str:
    return url.rpartition("/")[2]


def found_at_once(url: str) -> Step:
    return number_of(id_of(url))
