"""The clients: `elevenphone`, and what people do otherwise. Each is imported when it is made."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from elevenphone import Failed, PhoneNumberClient, decode
from limits_lab.plans import ClientReport, Task

if TYPE_CHECKING:
    import aiohttp

Client: TypeAlias = Callable[[Task], Coroutine[Any, Any, ClientReport]]
LookUp: TypeAlias = Callable[[str], Awaitable[object]]

ATTEMPTS = 5
RAISED_RETRIES = 10
WAIT_INITIAL, WAIT_MAX = 0.1, 2.0
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_PATH = "/v1/convai/phone-numbers/"


class RefusedError(Exception):
    """An answer that may be otherwise the next time."""


def full_jitter(attempt: int) -> float:
    """Draw the wait after an attempt, counted from 1, in seconds."""
    return random.uniform(0.0, min(WAIT_MAX, WAIT_INITIAL * 2.0 ** (attempt - 1)))


async def gather_bounded(task: Task, look_up: LookUp) -> ClientReport:
    """Look all ids up, as a gather behind a semaphore does; whatever is raised is a lookup lost."""
    loop = asyncio.get_running_loop()
    report = ClientReport(started=loop.time(), finished=[], lost=0)
    places = asyncio.Semaphore(task.in_flight or 1)

    async def one(phone_number_id: str) -> None:
        async with places:
            try:
                await look_up(phone_number_id)
            except Exception:  # of any library, and each counts the same here
                report.lost += 1
            report.finished.append(loop.time())

    await asyncio.gather(*map(one, task.ids))
    return report


@asynccontextmanager
async def _session(task: Task) -> AsyncIterator[aiohttp.ClientSession]:
    import aiohttp  # noqa: PLC0415

    async with aiohttp.ClientSession(
        base_url=task.base_url,
        headers={"xi-api-key": task.api_key},
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=10.0),
    ) as session:
        yield session


async def _read(response: aiohttp.ClientResponse) -> object:
    body = await response.read()
    if response.status in PASSING:
        raise RefusedError(response.status)
    response.raise_for_status()
    return decode(body)


def _elevenphone() -> Client:
    import aiohttp  # noqa: F401, PLC0415 - the first client would import it while the clock runs

    async def client(task: Task) -> ClientReport:
        loop = asyncio.get_running_loop()
        report = ClientReport(started=loop.time(), finished=[], lost=0)
        async with PhoneNumberClient(
            task.api_key, base_url=task.base_url, concurrency=task.in_flight
        ) as numbers:
            await _consume(numbers, task, report)
            report.requests = numbers.stats.requests
        return report

    return client


async def _consume(numbers: PhoneNumberClient, task: Task, report: ClientReport) -> None:
    loop = asyncio.get_running_loop()
    answers = 0
    sampler = asyncio.create_task(_sample(numbers, task.sample_every, report)) if task.sample_every else None
    with contextlib.suppress(TimeoutError):
        async with (
            asyncio.timeout(task.seconds or None),
            getting(numbers, task.ids, task.get_every, report),
            numbers.stream(task.ids) as lookups,
        ):
            async for lookup in lookups:
                report.finished.append(loop.time())
                report.lost += isinstance(lookup, Failed)
                if lookup.attempts == 1:
                    answers += 1
                    report.answer += (lookup.elapsed - report.answer) / answers
    if sampler is not None:
        sampler.cancel()


@asynccontextmanager
async def getting(
    client: PhoneNumberClient, ids: Sequence[str], every: float, report: ClientReport
) -> AsyncIterator[None]:
    """Look single ids up beside a bulk run, one after each `every` seconds; 0 for none."""
    loop = asyncio.get_running_loop()

    async def get(phone_number_id: str) -> None:
        began = loop.time()
        await client.get(phone_number_id)
        report.gets.append(loop.time() - began)

    async def get_all() -> None:
        async with asyncio.TaskGroup() as gets:
            for phone_number_id in itertools.cycle(ids):
                await asyncio.sleep(every)
                gets.create_task(get(phone_number_id))

    task = asyncio.create_task(get_all()) if every else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait([task])


async def _sample(numbers: PhoneNumberClient, every: float, report: ClientReport) -> None:
    loop = asyncio.get_running_loop()
    while True:
        stats = numbers.stats
        report.samples.append((loop.time(), stats.concurrency_limit, stats.in_flight))
        await asyncio.sleep(every)


def _gather() -> Client:
    import aiohttp  # noqa: PLC0415

    async def client(task: Task) -> ClientReport:
        async with _session(task) as session:

            async def look_up(phone_number_id: str) -> object:
                attempt = 0
                while True:
                    attempt += 1
                    try:
                        async with session.get(_PATH + phone_number_id) as response:
                            return await _read(response)
                    except (RefusedError, aiohttp.ClientConnectionError, TimeoutError):
                        if attempt == ATTEMPTS:
                            raise
                    await asyncio.sleep(full_jitter(attempt))

            return await gather_bounded(task, look_up)

    return client


def _aiohttp_retry() -> Client:
    import aiohttp_retry  # noqa: PLC0415

    async def client(task: Task) -> ClientReport:
        options = aiohttp_retry.JitterRetry(
            attempts=ATTEMPTS,
            start_timeout=WAIT_INITIAL,
            max_timeout=WAIT_MAX,
            statuses=set(PASSING),
            exceptions={OSError, TimeoutError},
        )
        async with _session(task) as session:
            retrying = aiohttp_retry.RetryClient(session, retry_options=options)

            async def look_up(phone_number_id: str) -> object:
                async with retrying.get(_PATH + phone_number_id) as response:
                    return await _read(response)

            return await gather_bounded(task, look_up)

    return client


def _tenacity() -> Client:
    import aiohttp  # noqa: PLC0415
    import tenacity  # noqa: PLC0415

    async def client(task: Task) -> ClientReport:
        async with _session(task) as session:

            @tenacity.retry(
                stop=tenacity.stop_after_attempt(ATTEMPTS),
                wait=tenacity.wait_random_exponential(multiplier=WAIT_INITIAL, max=WAIT_MAX),
                retry=tenacity.retry_if_exception_type(
                    (RefusedError, aiohttp.ClientConnectionError, TimeoutError)
                ),
            )
            async def look_up(phone_number_id: str) -> object:
                async with session.get(_PATH + phone_number_id) as response:
                    return await _read(response)

            return await gather_bounded(task, look_up)

    return client


def _official(max_retries: int | None) -> Client:
    import elevenlabs  # noqa: PLC0415
    import httpx  # noqa: PLC0415

    async def client(task: Task) -> ClientReport:
        connections = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx.AsyncClient(timeout=10.0, limits=connections) as http:
            official = elevenlabs.AsyncElevenLabs(
                api_key=task.api_key, base_url=task.base_url, httpx_client=http
            )
            numbers = official.conversational_ai.phone_numbers
            options = None if max_retries is None else {"max_retries": max_retries}

            async def look_up(phone_number_id: str) -> object:
                return await numbers.get(phone_number_id, request_options=options)

            return await gather_bounded(task, look_up)

    return client


CLIENTS: dict[str, Callable[[], Client]] = {
    "elevenphone": _elevenphone,
    "gather, full jitter": _gather,
    "aiohttp-retry": _aiohttp_retry,
    "tenacity": _tenacity,
    "official SDK": lambda: _official(None),
    f"official SDK, {RAISED_RETRIES} retries": lambda: _official(RAISED_RETRIES),
}
"""By name, what makes each client; making one imports what it needs."""

_NEEDS = {"aiohttp-retry": "aiohttp_retry", "tenacity": "tenacity", "official SDK": "elevenlabs"}


def installed() -> tuple[list[str], list[str]]:
    """Say which of the others are there, and what is not.

    Returns:
        Names of `CLIENTS`, and names of packages that are not installed.
    """
    missing = {name: package for name, package in _NEEDS.items() if importlib.util.find_spec(package) is None}
    there = [
        name
        for name in CLIENTS
        if name != "elevenphone" and not any(name.startswith(absent) for absent in missing)
    ]
    return there, sorted(missing.values())
