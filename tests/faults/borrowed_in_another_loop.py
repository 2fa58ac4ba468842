"""Use a session that was made in another event loop, and print how that ends; run by a test."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import aiohttp

from elevenphone import ElevenPhoneError, PhoneNumberClient

LOOP, BASE_URL, API_KEY, PHONE_NUMBER_ID = sys.argv[1:]


async def make_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


async def look_up(session: aiohttp.ClientSession) -> str:
    async with PhoneNumberClient(API_KEY, base_url=BASE_URL, session=session) as client:
        try:
            await client.get(PHONE_NUMBER_ID)
        except ElevenPhoneError as error:
            return f"{type(error).__name__}: {error}"
        return "found"


def factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if LOOP == "asyncio":
        return asyncio.new_event_loop
    import uvloop  # noqa: PLC0415 - not everybody has it

    return uvloop.new_event_loop


def main() -> None:
    with asyncio.Runner(loop_factory=factory()) as first, asyncio.Runner(loop_factory=factory()) as second:
        session = first.run(make_session())
        try:
            sys.stdout.write(second.run(look_up(session)))
        finally:
            first.run(session.close())


main()
