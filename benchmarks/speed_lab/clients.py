"""What a client is to the benchmarks, and the worker loop that most of them need."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, TypeAlias

from speed_lab.bodies import API_KEY

LookUp: TypeAlias = Callable[[str], Awaitable[object]]
TIMEOUT = 10.0
HEADERS = {"xi-api-key": API_KEY, "Accept": "application/json", "Accept-Encoding": "identity"}


class Settings(NamedTuple):
    """What a client is opened with.

    Attributes:
        base_url: Where the server is.
        in_flight: Requests in flight.
        authority: A PEM file to trust, or `None`.
    """

    base_url: str
    in_flight: int
    authority: str | None = None


class Client(NamedTuple):
    """A client that is open.

    Attributes:
        look_up: Looks one id up; raises where there is no number.
        run: Looks many up, with the settings' number in flight, and counts those found.
    """

    look_up: LookUp
    run: Callable[[Iterable[str]], Awaitable[int]]


Peer: TypeAlias = Callable[[Settings], AbstractAsyncContextManager[Client]]


async def work(look_up: LookUp, ids: Iterable[str], in_flight: int) -> int:
    """Look ids up with as many workers as may be in flight: no task and no semaphore for each."""
    source = iter(ids)
    found = 0

    async def worker() -> None:
        nonlocal found
        for phone_number_id in source:
            if await look_up(phone_number_id) is not None:
                found += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(worker())
    return found


def workers(look_up: LookUp, settings: Settings) -> Client:
    """Make a client of a function, its `run` being `work`."""
    return Client(look_up, lambda ids: work(look_up, ids, settings.in_flight))


def decoder() -> Callable[[Any], object]:
    """Make a decoder that is msgspec's alone, of this library's classes."""
    import msgspec  # noqa: PLC0415

    from elevenphone import ExotelPhoneNumber, SIPTrunkPhoneNumber, TwilioPhoneNumber  # noqa: PLC0415

    return msgspec.json.Decoder(TwilioPhoneNumber | ExotelPhoneNumber | SIPTrunkPhoneNumber).decode
