"""A `Transport` whose answers are written down beforehand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from elevenphone import Response


class After(NamedTuple):
    """A step that takes its time."""

    seconds: float
    step: Step


class Hang(NamedTuple):
    """A step that never ends by itself."""


Step: TypeAlias = Response | Exception | After | Hang
"""What a request ends in: an answer, an exception raised, or one of them later or never."""

Script: TypeAlias = Iterable[Step] | Callable[[str], Step]
"""A step for each request in turn, or a function from the URL to a step."""


class StubTransport:
    """Plays a script.

    Attributes:
        requests: How many there were.
        connections_opened: Stays 0.
        urls: What was asked for, in order.
        times: When, on the loop's clock.
        in_flight: How many requests are under way.
        peak_in_flight: The most there have been at once.
        closed: How often it was closed.
    """

    def __init__(self, script: Script) -> None:
        self.requests = 0
        self.connections_opened = 0
        self.urls: list[str] = []
        self.times: list[float] = []
        self.in_flight = 0
        self.peak_in_flight = 0
        self.closed = 0
        self._next: Callable[[str], Step]
        if callable(script):
            self._next = script
        else:
            steps = iter(script)
            self._next = lambda _url: next(steps)

    async def send(self, url: str) -> Response:
        self.requests += 1
        self.urls.append(url)
        self.times.append(asyncio.get_running_loop().time())
        try:
            step = self._next(url)
        except StopIteration:
            raise AssertionError(f"the script has no step for request {self.requests}, {url}") from None
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        try:
            return await _play(step)
        finally:
            self.in_flight -= 1

    async def aclose(self) -> None:
        self.closed += 1


async def _play(step: Step) -> Response:
    while isinstance(step, After):
        await asyncio.sleep(step.seconds)
        step = step.step
    match step:
        case Hang():
            never: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
            return await never
        case Exception():
            raise step
        case Response():
            return step


def answer(status: int, document: object = None, headers: Mapping[str, str] | None = None) -> Response:
    """Make an answer with a JSON body; header names are made lower-case."""
    body = b"" if document is None else json.dumps(document).encode()
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    return Response(status, {"content-length": str(len(body)), **lower}, body)


def found_at(url: str) -> Response:
    """Make a 200 with the number that a URL asks for."""
    return found(url.rpartition("/")[2])


def found(phone_number_id: str = "phnum_1") -> Response:
    """Make a 200 with a Twilio number."""
    return answer(
        200,
        {
            "provider": "twilio",
            "phone_number": "+12125550100",
            "label": "Main line",
            "phone_number_id": phone_number_id,
        },
    )


def refused(status: int, code: str = "", message: str = "", **headers: str) -> Response:
    """Make an error in the older envelope; `retry_after=1` stands for the header `retry-after`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(status, {"detail": {"status": code, "message": message}}, named)
