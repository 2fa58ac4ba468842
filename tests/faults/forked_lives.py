"""Use a client on both sides of a fork, and say as JSON lines how that ends; run by a test."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from elevenphone import ElevenPhoneError, PhoneNumberClient

LIFE, BASE_URL, API_KEY, PHONE_NUMBER_ID = sys.argv[1:]


async def look_up(client: PhoneNumberClient) -> str:
    try:
        number = await client.get(PHONE_NUMBER_ID)
    except ElevenPhoneError as error:
        return type(error).__name__
    assert number.phone_number_id == PHONE_NUMBER_ID
    return "found"


def tell(who: str, outcome: str) -> None:
    os.write(1, json.dumps({"who": who, "outcome": outcome}).encode() + b"\n")


def child(client: PhoneNumberClient) -> None:
    """Use the client in a child of its own, and wait for its end."""
    if (pid := os.fork()) == 0:
        try:
            tell("child", asyncio.run(look_up(client)))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


async def in_use(client: PhoneNumberClient) -> str:
    async with client:
        assert await look_up(client) == "found"
        loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)  # noqa: SLF001 - what a forked child of an asyncio server does first
        child(client)
        asyncio._set_running_loop(loop)  # noqa: SLF001 - the parent is as it was
        return await look_up(client)


async def look_up_and_close(client: PhoneNumberClient) -> str:
    async with client:
        return await look_up(client)


def main() -> None:
    client = PhoneNumberClient(API_KEY, base_url=BASE_URL)
    if LIFE == "in use":
        tell("parent", asyncio.run(in_use(client)))
    elif LIFE == "made before":
        child(client)
        tell("parent", asyncio.run(look_up_and_close(client)))
    else:
        assert asyncio.run(look_up_and_close(client)) == "found"
        child(client)
        tell("parent", asyncio.run(look_up(client)))


main()
