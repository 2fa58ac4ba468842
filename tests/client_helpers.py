"""Play a script to one client, in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
import virtual_time
from stub_transport import Script, StubTransport

from elevenphone import ElevenPhoneError, PhoneNumberClient, RetryPolicy, TwilioPhoneNumber

_T = TypeVar("_T")

NUMBER = TwilioPhoneNumber(phone_number="+12125550100", label="Main line", phone_number_id="phnum_1")
AT_ONCE = RetryPolicy(wait_initial=0.0)


class Played:
    """The result of a script that was played to a client."""

    def __init__(self, transport: StubTransport, client: PhoneNumberClient, elapsed: float) -> None:
        self.transport = transport
        self.stats = client.stats
        self.elapsed = elapsed
        self.waits = [
            later - sooner for sooner, later in zip(transport.times, transport.times[1:], strict=False)
        ]


def play(
    script: Script,
    use: Callable[[PhoneNumberClient], Awaitable[_T]],
    make: Callable[[StubTransport], PhoneNumberClient] = lambda transport: PhoneNumberClient(
        transport=transport
    ),
) -> tuple[_T, Played]:
    """Use a client whose transport plays a script, in virtual time."""

    async def main() -> tuple[_T, Played]:
        transport = StubTransport(script)
        async with make(transport) as client:
            result = await use(client)
            return result, Played(transport, client, virtual_time.elapsed())

    return virtual_time.run(main())


def fail_to_get(
    script: Script,
    *,
    make: Callable[[StubTransport], PhoneNumberClient] = lambda transport: PhoneNumberClient(
        transport=transport
    ),
) -> tuple[ElevenPhoneError, Played]:
    """Look up a number and return the error that is raised, in virtual time."""

    async def use(client: PhoneNumberClient) -> ElevenPhoneError:
        with pytest.raises(ElevenPhoneError) as caught:
            await client.get("phnum_1")
        return caught.value

    return play(script, use, make)


async def get(client: PhoneNumberClient) -> object:
    return await client.get("phnum_1")
