"""Plays a world from beginning to end, and keeps what the laws need to judge it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Iterator
from typing import Any

import msgspec
import virtual_time
from msgspec import UNSET
from world_bounds import horizon_of
from world_callers import GetReport, RunReport, now, play_gets, play_run, sleep_until
from world_plan import World
from world_server import WorldServer

from elevenphone import ClientStats, ConfigurationError, Lookup, PhoneNumberClient, RetryPolicy

PEACE_SECONDS = 120.0
PEACE_IDS = 60
"""How long nothing happens after all callers are done, and how many ids are then gathered."""


class GroupError(Exception):
    """What a task raises that is in one group with all callers."""


class Peace(msgspec.Struct):
    """What a client did after two quiet minutes, on a server that is well again."""

    get_took: float = -1.0
    gather_took: float = -1.0
    lookups: list[Lookup] = []
    error: BaseException | None = None


class Played(msgspec.Struct):
    """What happened in a world.

    Attributes:
        world: The world.
        server: Its server, with the log of all requests.
        gets: The single lookups.
        runs: The bulk runs.
        stats: The first client's, when all callers were done.
        in_peace: How many requests had come by then; `None`: it never came so far.
        peace: What the first client did afterwards; `None`: it had been closed.
        closing_took: Seconds that closing the client took, where it was closed in the middle.
        after_closing: What a call on the closed client raised.
        group_error: What the group of all callers raised.
        ended: When all callers were done, or nobody waited any longer.
        stuck: What was not done then.
        left: What was left when all was closed: tasks, timers, permits, requests.
        complaints: Errors that the event loop reported, because nobody handled them.
        crash: What ended the play itself.
    """

    world: World
    server: WorldServer
    gets: list[GetReport] = []
    runs: list[RunReport] = []
    stats: list[ClientStats] = []
    in_peace: int | None = None
    peace: Peace | None = None
    closing_took: float = 0.0
    after_closing: BaseException | None = None
    group_error: BaseExceptionGroup[BaseException] | None = None
    ended: float = -1.0
    stuck: list[str] = []
    left: list[str] = []
    complaints: list[str] = []
    crash: BaseException | None = None


def play(world: World) -> Played:
    """Play a world; whatever happens in it, what happened is returned."""
    played = Played(world, WorldServer(world.server, world.seed), [], [], [], left=[], complaints=[])
    random.seed(world.seed)
    try:
        with asyncio.Runner(loop_factory=WorldLoop) as runner:
            runner.run(_live(played))
    except Exception as error:
        played.crash = error
    return played


class WorldLoop(virtual_time.VirtualTimeLoop):
    """A loop on a virtual clock that says which of its timers are still set."""

    def timers(self) -> list[asyncio.TimerHandle]:
        return [timer for timer in self._scheduled if not timer.cancelled()]


async def _live(played: Played) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: played.complaints.append(_complaint(context)))
    clients = [_client(played, number) for number in range(2)]
    calls = asyncio.ensure_future(_call(played, clients))
    _, pending = await asyncio.wait([calls], timeout=horizon_of(played.world))
    played.ended = now()
    if pending:
        played.stuck = _names_of_open_calls(played)
        calls.cancel()
        return
    calls.result()
    played.stats = [client.stats for client in clients]
    played.in_peace = len(played.server.log)
    if played.world.closes_at is None:
        played.peace = await _enjoy_peace(played.server, clients[0])
    for client in clients:
        await client.aclose()
    await _look_for_leftovers(played, clients)


def _client(played: Played, number: int) -> PhoneNumberClient:
    plan, connection = played.world.client, played.server.connect(number)
    connection.client = PhoneNumberClient(
        transport=connection,
        timeout=plan.timeout,
        deadline=plan.deadline,
        retry=RetryPolicy(attempts=plan.attempts),
        concurrency=plan.concurrency,
        rate=plan.rate,
        cache=plan.cache,
    )
    return connection.client


async def _call(played: Played, clients: list[PhoneNumberClient]) -> None:
    """Let all callers do what they do, in one group with what closes the client and what fails."""
    world = played.world
    closing = None
    if world.closes_at is not None:
        closing = asyncio.ensure_future(_close(played, clients[0], world.closes_at))
    try:
        async with asyncio.TaskGroup() as group:
            for caller in _callers(played, clients):
                group.create_task(caller)
            if world.forgets:
                group.create_task(_forget(clients[0], world))
            if world.group_fails_at is not None:
                group.create_task(_fail(world.group_fails_at, played))
    except BaseExceptionGroup as error:
        played.group_error = error
    if closing is not None:
        await closing


def _callers(played: Played, clients: list[PhoneNumberClient]) -> Iterator[Coroutine[Any, Any, None]]:
    for gets in played.world.gets:
        yield play_gets(gets, clients[0], played.world.client, played.gets)
    for run in played.world.runs:
        yield play_run(run, clients[run.client], played.runs)


async def _fail(at: float, played: Played) -> None:
    await sleep_until(at)
    for run in played.runs:
        if run.ended < 0:
            run.cancelled = now()
    for get in played.gets:
        get.cancelled = get.cancelled or get.ended < 0
    raise GroupError


async def _forget(client: PhoneNumberClient, world: World) -> None:
    for at, phone_number_id in world.forgets:
        await sleep_until(at)
        client.forget(UNSET if phone_number_id is None else phone_number_id)


async def _close(played: Played, client: PhoneNumberClient, at: float) -> None:
    await sleep_until(at)
    begun = now()
    await client.aclose()
    played.closing_took = now() - begun
    try:
        await client.get("after closing")
    except ConfigurationError as error:
        played.after_closing = error


async def _enjoy_peace(server: WorldServer, client: PhoneNumberClient) -> Peace:
    server.heal()
    peace = Peace()
    await asyncio.sleep(PEACE_SECONDS)
    try:
        begun = now()
        await client.get("peace")
        peace.get_took = now() - begun
        begun = now()
        peace.lookups = await client.gather([f"peace{n}" for n in range(PEACE_IDS)])
        peace.gather_took = now() - begun
    except Exception as error:
        peace.error = error
    return peace


async def _look_for_leftovers(played: Played, clients: list[PhoneNumberClient]) -> None:
    for _ in range(3):  # what was cancelled in the last step ends in the next
        await asyncio.sleep(0)
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    played.left += [f"task {task!r}" for task in tasks]
    played.left += [f"{client.stats.in_flight} permits" for client in clients if client.stats.in_flight]
    if played.server.open:
        played.left.append(f"{played.server.open} requests")
    loop = asyncio.get_running_loop()
    assert isinstance(loop, WorldLoop)
    played.left += [f"timer {timer!r}" for timer in loop.timers()]


def _names_of_open_calls(played: Played) -> list[str]:
    runs = [run.plan.name for run in played.runs if run.ended < 0]
    return runs + [f"get({get.phone_number_id})" for get in played.gets if get.ended < 0]


def _complaint(context: dict[str, Any]) -> str:
    return f"{context.get('message')}: {context.get('exception')!r}"
