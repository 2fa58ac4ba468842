"""Rows 39 to 41: `aclose` ends every lookup at once, whatever it waits for."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import NamedTuple

import aiohttp
import pytest
from fault_helpers import KEY, Serve, connect, ids, in_uvloop, until
from misbehaving_server import Behaviour, MisbehavingServer, drip, number, silence, whole
from stub_transport import After, Hang, Step, StubTransport, refused
from stub_transport import found as found_step
from virtual_client import good, now, use_client

from elevenphone import (
    ConfigurationError,
    ConnectionFailedError,
    Failed,
    Lookup,
    PhoneNumberClient,
    RetryPolicy,
)

SLOWLY = RetryPolicy(wait_initial=60.0, wait_max=60.0)
AT_ONCE_SECONDS = 0.5


# Row 39: over sockets


@asynccontextmanager
async def session_of(borrowed: bool) -> AsyncGenerator[aiohttp.ClientSession | None]:
    if borrowed:
        async with aiohttp.ClientSession() as session:
            yield session
    else:
        yield None


async def assert_closing_ends(client: PhoneNumberClient, lookups: list[asyncio.Task[object]]) -> None:
    """Close a client, and check that its lookups end at once with an error that says why."""
    try:
        async with asyncio.timeout(AT_ONCE_SECONDS):
            await client.aclose()
            ends = await asyncio.gather(*lookups, return_exceptions=True)
    finally:
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)
    for end in ends:
        assert isinstance(end, ConfigurationError)
        assert "closed" in str(end)
    assert client.stats.in_flight == 0


def three_gets(client: PhoneNumberClient) -> list[asyncio.Task[object]]:
    return [asyncio.create_task(client.get(each, timeout=1.0, deadline=1.0)) for each in ids(3)]


class Moment(NamedTuple):
    """A moment in the life of a lookup.

    Attributes:
        behaviour: What the server does to bring it about.
        is_now: Whether it has come.
    """

    behaviour: Behaviour
    is_now: Callable[[MisbehavingServer], bool]


def _all_are_asked(server: MisbehavingServer) -> bool:
    return len(server.requests) == 3


def _all_are_under_way(server: MisbehavingServer) -> bool:
    return server.sent > 360


MOMENTS = {
    "waiting for an answer": Moment(silence, _all_are_asked),
    "mid-body": Moment(drip(whole(200, number()), 0.002), _all_are_under_way),
}


@pytest.mark.parametrize(
    ("moment", "borrowed"),
    [
        pytest.param("waiting for an answer", False, id="waiting for an answer, own session"),
        pytest.param("waiting for an answer", True, id="waiting for an answer, borrowed"),
        pytest.param("mid-body", False, id="mid-body, own session"),
        pytest.param("mid-body", True, id="mid-body, borrowed"),
    ],
)
async def test_row_39_closed_during_a_request(moment: str, borrowed: bool, serve: Serve) -> None:
    server = await serve(MOMENTS[moment].behaviour)
    async with session_of(borrowed) as session:
        client = connect(server, session=session)
        lookups = three_gets(client)
        await until(lambda: MOMENTS[moment].is_now(server), "the moment to close at")
        await assert_closing_ends(client, lookups)
        assert len(server.requests) == 3
        await until(lambda: not server.tasks, "the end of the connections")


@pytest.mark.parametrize("borrowed", [False, True], ids=["own session", "borrowed session"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_row_39_closed_while_connecting(scheme: str, borrowed: bool) -> None:
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        if scheme == "http":  # a full backlog keeps the next connection waiting; over TLS, silence does
            for _ in range(4):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(listening.getsockname())
        base_url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
        async with session_of(borrowed) as session:
            client = PhoneNumberClient(KEY, base_url=base_url, session=session)
            lookups = three_gets(client)
            await until(lambda: client.stats.requests == 3, "three requests")
            await asyncio.sleep(0.01)
            await assert_closing_ends(client, lookups)


# Row 40: on the virtual clock


class Wait(NamedTuple):
    """What a lookup may wait for.

    Attributes:
        first: What the server answers first.
        retry: The client's policy.
        concurrency: The client's.
        rate: The client's.
    """

    first: Step
    retry: RetryPolicy = RetryPolicy()
    concurrency: int | None = None
    rate: float | None = None


WAITS = {
    "a pause for everybody": Wait(refused(429, "rate_limit_exceeded", retry_after="50")),
    "a pause of one's own": Wait(refused(429, "too_many_concurrent_requests", retry_after="50")),
    "a backoff": Wait(refused(503, "unavailable"), retry=SLOWLY),
    "an answer": Wait(Hang()),
    "a slot in flight": Wait(Hang(), concurrency=1),
    "the next start": Wait(After(0.1, found_step()), rate=0.01),
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=list(WAITS))
def test_row_40_closed_while_single_lookups_wait(wait: Wait) -> None:
    async def use(client: PhoneNumberClient) -> None:
        first = asyncio.create_task(client.get("phnum_first"))
        await asyncio.sleep(1.0)
        later = [asyncio.create_task(client.get(each)) for each in ids(20)]
        await asyncio.sleep(1.0)
        await client.aclose()
        ends = await asyncio.gather(first, *later, return_exceptions=True)
        assert now() < 2.1
        for end in ends[1:] if wait.rate is not None else ends:
            assert isinstance(end, ConfigurationError)
            assert "closed" in str(end)
        asked = transport.requests
        await asyncio.sleep(100.0)
        assert transport.requests == asked

    transport = StubTransport(lambda url: wait.first if url.endswith("first") else Hang())
    use_client(transport, use, retry=wait.retry, concurrency=wait.concurrency, rate=wait.rate)


@pytest.mark.parametrize("how", ["gather", "stream", "ordered stream"])
@pytest.mark.parametrize("wait", WAITS.values(), ids=list(WAITS))
def test_row_40_closed_while_a_run_waits(wait: Wait, how: str) -> None:
    async def run(client: PhoneNumberClient) -> list[Lookup]:
        if how == "gather":
            return await client.gather(ids(3_000))
        async with client.stream(ids(3_000), ordered=how == "ordered stream") as lookups:
            return [lookup async for lookup in lookups]

    async def use(client: PhoneNumberClient) -> None:
        under_way = asyncio.create_task(run(client))
        await asyncio.sleep(2.0)
        asked = transport.requests
        await client.aclose()
        lookups = await under_way
        assert now() < 2.1
        assert sorted(lookup.index for lookup in lookups) == list(range(3_000))
        for lookup in lookups:
            if isinstance(lookup, Failed):
                assert isinstance(lookup.error, ConfigurationError)
                assert "closed" in str(lookup.error)
        failed = [lookup for lookup in lookups if isinstance(lookup, Failed)]
        assert len(failed) >= 2_999
        assert sum(lookup.attempts for lookup in lookups) == transport.requests == asked

    transport = StubTransport(lambda _url: wait.first)
    use_client(transport, use, retry=wait.retry, concurrency=wait.concurrency, rate=wait.rate)


def test_row_40_closed_while_a_run_waits_for_the_server_to_come_back() -> None:
    async def use(client: PhoneNumberClient) -> None:
        under_way = asyncio.create_task(client.gather(ids(100)))
        await asyncio.sleep(20.0)
        await client.aclose()
        lookups = await under_way
        assert now() < 20.1
        assert [lookup.index for lookup in lookups] == list(range(100))
        for lookup in lookups:
            assert isinstance(lookup, Failed)
            assert isinstance(lookup.error, ConfigurationError)

    use_client(lambda _url: ConnectionFailedError("refused"), use)


async def waiting(count: int, *, awaits: float = 0.0) -> AsyncGenerator[str]:
    """Yield so many ids, and wait for ever for the next one."""
    for each in ids(count):
        await asyncio.sleep(awaits)
        yield each
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("how", ["gather", "stream", "ordered stream"])
@pytest.mark.parametrize("step", [After(0.1, found_step()), Hang()], ids=["none in flight", "all in flight"])
@pytest.mark.parametrize("awaits", [0.0, 0.5], ids=["late", "slow"])
def test_row_40_closed_while_a_source_waits_for_its_next_id(how: str, step: Step, awaits: float) -> None:
    lookups: list[Lookup] = []

    async def run(client: PhoneNumberClient) -> None:
        source = waiting(5, awaits=awaits)
        if how == "gather":
            await client.gather(source)
            return
        async with client.stream(source, ordered=how == "ordered stream") as stream:
            async for lookup in stream:
                lookups.append(lookup)  # noqa: PERF401 - the loop raises, and these are kept

    async def use(client: PhoneNumberClient) -> None:
        under_way = asyncio.create_task(run(client))
        await asyncio.sleep(1.9)
        await client.aclose()
        with pytest.raises(ConfigurationError, match="closed"):
            await under_way
        assert now() == pytest.approx(1.9)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    use_client(lambda _url: step, use)
    if how != "gather":
        assert sorted(lookup.index for lookup in lookups) == list(range(5 if not awaits else 3))


def test_row_40_closed_before_the_source_waits() -> None:
    async def close_after_one(client: PhoneNumberClient) -> None:
        async with client.stream(waiting(3_000)) as stream:
            async for _ in stream:
                await client.aclose()

    async def use(client: PhoneNumberClient) -> None:
        with pytest.raises(ConfigurationError, match="closed"):
            await close_after_one(client)
        assert now() < 1.0

    use_client(good, use)


# Row 41


async def test_row_41_closed_during_name_resolution(monkeypatch: pytest.MonkeyPatch) -> None:
    if in_uvloop():
        pytest.skip("uvloop resolves names by itself")
    asked, may_answer = threading.Event(), threading.Event()

    def slow_resolver(*_args: object, **_kwargs: object) -> None:
        asked.set()
        may_answer.wait()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", slow_resolver)
    client = PhoneNumberClient(KEY, base_url="https://nowhere.example")
    lookup = asyncio.create_task(client.get("phnum_1"))
    run = asyncio.create_task(client.gather(ids(5)))
    try:
        await until(asked.is_set, "the question for the address")
        await asyncio.sleep(0.01)
        async with asyncio.timeout(AT_ONCE_SECONDS):
            await client.aclose()
            end = (await asyncio.gather(lookup, return_exceptions=True))[0]
            lookups = await run
    finally:
        may_answer.set()
        lookup.cancel()
        run.cancel()
        await asyncio.gather(lookup, run, return_exceptions=True)
    assert isinstance(end, ConfigurationError)
    assert [lookup.index for lookup in lookups] == [0, 1, 2, 3, 4]
    for each in lookups:
        assert isinstance(each, Failed)
        assert isinstance(each.error, ConfigurationError)
