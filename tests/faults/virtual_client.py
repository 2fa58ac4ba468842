"""A client on the virtual clock, and what a scripted server answers it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import virtual_time
from stub_transport import After, Script, Step, StubTransport
from stub_transport import found as found_step

from elevenphone import PhoneNumberClient, RetryPolicy

LATENCY = 0.06
"""Seconds that a good answer takes."""

_T = TypeVar("_T")


def id_of(url: str) -> str:
    return url.rpartition("/")[2]


def good(url: str) -> Step:
    """Answer with the number that was asked for."""
    return After(LATENCY, found_step(id_of(url)))


def now() -> float:
    """Return the seconds since the start."""
    return asyncio.get_running_loop().time() - virtual_time.START


def use_client(
    script: Script | StubTransport,
    use: Callable[[PhoneNumberClient], Awaitable[_T]],
    *,
    concurrency: int | None = None,
    rate: float | None = None,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
) -> _T:
    """Use a client in virtual time, close it, and return what came of it.

    Raises:
        DeadlockError: It hung.
    """
    transport = script if isinstance(script, StubTransport) else StubTransport(script)

    async def main() -> _T:
        async with PhoneNumberClient(
            transport=transport, concurrency=concurrency, rate=rate, retry=retry
        ) as client:
            return await use(client)

    random.seed(0)
    return virtual_time.run(main())
