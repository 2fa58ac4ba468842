"""A client with a cache on the virtual clock, and a server whose numbers and health can be changed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import virtual_time
from stub_transport import After, Hang, Step, StubTransport, answer, refused

from elevenphone import Cache, PhoneNumberClient, RetryPolicy

LATENCY = 0.1
"""Seconds that an answer takes."""

_T = TypeVar("_T")


class ScriptedServer:
    """Answers every id with a number whose label counts its edits.

    Attributes:
        edits: The label of each id; `edit` raises it.
        outcome: The error of every request, or `None`.
        outcomes: The errors of single ids.
        latency: Seconds that an answer takes.
        transport: The transport of the client.
    """

    def __init__(self) -> None:
        self.edits: dict[str, int] = {}
        self.outcome: Step | None = None
        self.outcomes: dict[str, Step] = {}
        self.latency = LATENCY
        self.transport = StubTransport(self._step)

    def edit(self, phone_number_id: str) -> None:
        self.edits[phone_number_id] = self.edits.get(phone_number_id, 0) + 1

    def asked(self, phone_number_id: str = "phnum_1") -> int:
        """Count the requests for an id."""
        return sum(url.endswith(f"/{phone_number_id}") for url in self.transport.urls)

    def _step(self, url: str) -> Step:
        phone_number_id = url.rpartition("/")[2]
        if "?" in phone_number_id:
            return After(self.latency, self._page())
        step = self.outcomes.get(phone_number_id, self.outcome)
        if step is None:
            step = numbered(phone_number_id, self.edits.get(phone_number_id, 0))
        return step if isinstance(step, Hang) else After(self.latency, step)

    def _page(self) -> Step:
        """Answer a listing with all ids that were edited."""
        numbers = [body_of(phone_number_id, edits) for phone_number_id, edits in self.edits.items()]
        return answer(200, {"phone_numbers": numbers, "has_more": False, "next_cursor": None})


def body_of(phone_number_id: str, edits: int) -> dict[str, str]:
    return {
        "provider": "twilio",
        "phone_number": "+1",
        "label": str(edits),
        "phone_number_id": phone_number_id,
    }


def numbered(phone_number_id: str, edits: int) -> Step:
    return answer(200, body_of(phone_number_id, edits))


DOWN = refused(503)
NO_RETRY = RetryPolicy.none()


async def label(client: PhoneNumberClient, phone_number_id: str = "phnum_1") -> str:
    return (await client.get(phone_number_id)).label


def with_cache(
    use: Callable[[PhoneNumberClient, ScriptedServer], Awaitable[_T]],
    cache: Cache | None,
    *,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
    timeout: float = 10.0,
    deadline: float | None = 60.0,
    concurrency: int | None = None,
) -> _T:
    """Use a client in virtual time, close it, and check that no task and no timer is left.

    Raises:
        DeadlockError: It hung.
    """

    async def main() -> _T:
        server = ScriptedServer()
        async with PhoneNumberClient(
            transport=server.transport,
            cache=cache,
            retry=retry,
            timeout=timeout,
            deadline=deadline,
            concurrency=concurrency,
        ) as client:
            result = await use(client, server)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, f"left behind: {others}"
        assert server.transport.in_flight == 0
        return result

    random.seed(0)
    return virtual_time.run(main())
