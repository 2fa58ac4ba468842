"""Row 29: what is called off leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count, pairwise
from typing import NamedTuple

import pytest
from fault_helpers import KEY, Serve, connect, descriptors, ids, until
from misbehaving_server import (
    Behaviour,
    MisbehavingServer,
    Wire,
    drip,
    envelope,
    found,
    number,
    send,
    silence,
    whole,
)

from elevenphone import ConfigurationError, Failed, PhoneNumberClient, RetryPolicy

SLOWLY = RetryPolicy(wait_initial=60.0, wait_max=60.0)
MEGABYTE = 1_000_000


class Moment(NamedTuple):
    """A moment in the life of a lookup.

    Attributes:
        behaviour: What the server does to bring it about.
        is_now: Whether it has come.
        in_use: Whether a connection is in use, which can serve no other lookup then.
    """

    behaviour: Behaviour
    is_now: Callable[[MisbehavingServer, PhoneNumberClient], bool]
    in_use: bool


def _is_asked(server: MisbehavingServer, _client: PhoneNumberClient) -> bool:
    return bool(server.requests)


def _is_under_way(server: MisbehavingServer, _client: PhoneNumberClient) -> bool:
    return server.sent > 120


def _has_an_answer(server: MisbehavingServer, client: PhoneNumberClient) -> bool:
    return bool(server.requests) and client.stats.in_flight < len(server.requests)


MOMENTS = {
    "waiting for an answer": Moment(silence, _is_asked, in_use=True),
    "mid-body": Moment(drip(whole(200, number()), 0.002), _is_under_way, in_use=True),
    "backing off": Moment(send(whole(503)), _has_an_answer, in_use=False),
    "paused by the server": Moment(
        send(whole(429, envelope("rate_limit_exceeded"), "Retry-After: 30")), _has_an_answer, in_use=False
    ),
}


async def look_up(client: PhoneNumberClient, how: str) -> None:
    if how == "get":
        await client.get("phnum_1")
    elif how == "gather":
        await client.gather(ids(20))
    else:
        async with client.stream(ids(20)) as lookups:
            async for _ in lookups:
                pass


async def cancelled(lookup: asyncio.Task[None]) -> None:
    """Cancel a lookup, and check that nothing of it is left at once, and not only after the client's end."""
    lookup.cancel()
    with pytest.raises(asyncio.CancelledError):
        await lookup


def client_tasks(before: set[asyncio.Task[object]], server: MisbehavingServer) -> set[asyncio.Task[object]]:
    """List the tasks that have come since, those of the server's side left out."""
    new = asyncio.all_tasks() - before - server.tasks
    # Two kinds of which the server itself knows nothing yet.
    return {task for task in new if not re.search(r"_accept_connection|\._serve", repr(task.get_coro()))}


@pytest.mark.parametrize("how", ["get", "gather", "stream"])
@pytest.mark.parametrize("moment", MOMENTS.values(), ids=list(MOMENTS))
async def test_row_29_cancelled_while_under_way(moment: Moment, how: str, serve: Serve) -> None:
    server = await serve(moment.behaviour)
    async with connect(server, retry=SLOWLY, deadline=None) as client:
        before = asyncio.all_tasks()
        lookup = asyncio.create_task(look_up(client, how))
        await until(lambda: moment.is_now(server, client), "the moment to cancel at")
        await cancelled(lookup)
        assert client.stats.in_flight == 0
        assert client_tasks(before, server) == set()
        if moment.in_use:
            await until(lambda: not server.tasks, "the end of the connections")


@pytest.mark.usefixtures("http")
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_row_29_cancelled_while_connecting(scheme: str) -> None:
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        if scheme == "http":  # a full backlog leaves the next to connect in the air; over TLS, silence does
            for _ in range(4):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(listening.getsockname())
        base_url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
        async with PhoneNumberClient(KEY, base_url=base_url) as client:
            before, open_before = asyncio.all_tasks(), descriptors()
            lookup = asyncio.create_task(look_up(client, "get"))
            await until(lambda: descriptors() > open_before, "the attempt to connect")
            await cancelled(lookup)
            assert client.stats.in_flight == 0
            assert client.stats.connections_opened == 0
            await until(lambda: asyncio.all_tasks() == before, "the end of all tasks")
            await until(lambda: descriptors() == open_before, "the end of the socket")


async def test_row_29_cancelled_while_waiting_for_a_slot(serve: Serve) -> None:
    server = await serve(silence)
    async with connect(server, concurrency=1) as client:
        before = asyncio.all_tasks()
        first = asyncio.create_task(look_up(client, "get"))
        await until(lambda: bool(server.requests), "the first request")
        waiting = [asyncio.create_task(look_up(client, how)) for how in ("get", "gather", "stream")]
        await asyncio.sleep(0.01)
        for lookup in waiting:
            await cancelled(lookup)
        assert client.stats.requests == client.stats.in_flight == len(server.requests) == 1
        await cancelled(first)
        server.behaviour = found
        assert (await client.get("phnum_1")).phone_number_id == "phnum_1"
        assert client_tasks(before, server) == set()


@pytest.mark.parametrize("ordered", [False, True], ids=["as completed", "ordered"])
async def test_row_29_break_out_of_a_stream(ordered: bool, serve: Serve) -> None:
    async def every_fourth_hangs(wire: Wire) -> None:
        index = int(wire.request.phone_number_id.removeprefix("phnum_"))
        await (silence if index % 4 == 3 else found)(wire)

    server = await serve(every_fourth_hangs)
    async with connect(server) as client:
        before = asyncio.all_tasks()
        async with client.stream((f"phnum_{n}" for n in count()), ordered=ordered) as lookups:
            async for lookup in lookups:
                if lookup.index == 2:
                    break
        assert client.stats.in_flight == 0
        assert client_tasks(before, server) == set()
        asked = len(server.requests)
        await asyncio.sleep(0.01)
        assert len(server.requests) == asked


@pytest.mark.parametrize("kept_alive", [False, True], ids=["new connections", "kept-alive connections"])
async def test_row_29_a_client_closed_under_its_lookups_ends_them(kept_alive: bool, serve: Serve) -> None:
    server = await serve(found)
    client = connect(server, concurrency=3)
    if kept_alive:
        await client.gather(ids(9))
    server.behaviour = silence
    server.requests.clear()
    lookups = [asyncio.create_task(client.get(phone_number_id)) for phone_number_id in ids(3)]
    run = asyncio.create_task(client.gather(ids(9)))
    await until(lambda: len(server.requests) == 3, "three requests")
    await client.aclose()
    ends: list[object] = [*await asyncio.gather(*lookups, return_exceptions=True)]
    left = await run
    assert len(left) == 9
    ends += [lookup.error for lookup in left if isinstance(lookup, Failed)]
    assert len(ends) == 3 + 9
    for end in ends:
        assert isinstance(end, ConfigurationError)
        assert "closed" in str(end)
    await until(lambda: not server.tasks, "the end of the connections")
    assert len(server.requests) == 3


async def test_row_29_two_hundred_lives_leave_descriptors_and_memory_flat(serve: Serve) -> None:
    async def every_fourth_hangs(wire: Wire) -> None:
        index = int(wire.request.phone_number_id.removeprefix("phnum_"))
        await (silence if index % 4 == 3 else found)(wire)

    server = await serve(every_fourth_hangs)

    async def live() -> None:
        async with connect(server, concurrency=3) as client:
            run = asyncio.create_task(look_up(client, "stream"))
            single = asyncio.create_task(look_up(client, "get"))
            await until(lambda: client.stats.found > 3, "some numbers")
            await cancelled(run)
            await single
        await until(lambda: descriptors() == open_before, f"{open_before} open descriptors")
        server.requests.clear()

    open_before = descriptors()
    for _ in range(50):
        await live()
    held: list[int] = []
    tracemalloc.start()
    try:
        await live()
        for lives in (0, 75, 75):
            for _ in range(lives):
                await live()
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # A table of the interpreter's own that is made larger once counts in one half only.
    assert min(later - earlier for earlier, later in pairwise(held)) < MEGABYTE // 20
