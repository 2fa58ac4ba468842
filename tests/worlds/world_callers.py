"""What the callers of a world do, and the report that each of them leaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator

import msgspec
import virtual_time
from world_plan import ClientPlan, Gets, Run, Source
from world_server import CALLER

from elevenphone import Lookup, PhoneNumber, PhoneNumberClient


class SourceError(Exception):
    """What a source raises."""


class ConsumerError(Exception):
    """What the consumer of a stream raises."""


class GetReport(msgspec.Struct):
    """One single lookup.

    Attributes:
        name: Of the caller, and its number.
        phone_number_id: What was asked for.
        timeout: Seconds for an attempt.
        deadline: Seconds for all.
        called: When it began, in seconds since the start.
        ended: When it ended; -1: it did not.
        fresh: Whether it accepts no answer from memory.
        cancelled: Whether its caller has cancelled it.
        outcome: The number, or what was raised.
    """

    name: str
    phone_number_id: str
    timeout: float
    deadline: float
    called: float
    fresh: bool = False
    ended: float = -1.0
    cancelled: bool = False
    outcome: PhoneNumber | BaseException | None = None


class RunReport(msgspec.Struct):
    """One bulk run.

    Attributes:
        plan: What was to be done.
        ids: What it asks for.
        called: When it began.
        ended: When it ended; -1: it did not.
        cancelled: When its caller was cancelled; `None`: it was not.
        lookups: What it returned, or yielded so far, in that order.
        error: What it raised.
    """

    plan: Run
    ids: list[str]
    called: float
    ended: float = -1.0
    cancelled: float | None = None
    lookups: list[Lookup] = []
    error: BaseException | None = None


def now() -> float:
    return asyncio.get_running_loop().time() - virtual_time.START


async def sleep_until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - now()))


async def play_gets(
    plan: Gets, client: PhoneNumberClient, settings: ClientPlan, reports: list[GetReport]
) -> None:
    """Look single numbers up."""
    await sleep_until(plan.starts)
    async with asyncio.TaskGroup() as group:
        for n, phone_number_id in enumerate(plan.ids.listed()):
            timeout, deadline = plan.timeout or settings.timeout, plan.deadline or settings.deadline
            report = GetReport(f"{plan.name}/{n}", phone_number_id, timeout, deadline, now(), n in plan.fresh)
            reports.append(report)
            task = group.create_task(_get(client, report))
            after = plan.cancelled[n] if n < len(plan.cancelled) else None
            if after is not None:
                group.create_task(_cancel(task, after, report))
            await asyncio.sleep(plan.every)


async def _get(client: PhoneNumberClient, report: GetReport) -> None:
    report.called = now()
    CALLER.set(report.name)
    try:
        report.outcome = await client.get(
            report.phone_number_id, timeout=report.timeout, deadline=report.deadline, fresh=report.fresh
        )
    except Exception as error:
        report.outcome = error
    except BaseException as error:
        report.outcome = error
        raise
    finally:
        report.ended = now()


async def _cancel(task: asyncio.Task[None], after: float, report: GetReport) -> None:
    await asyncio.wait([task], timeout=after)
    if not task.done():
        report.cancelled = True
        task.cancel()


async def play_run(plan: Run, client: PhoneNumberClient, reports: list[RunReport]) -> None:
    """Look many numbers up, and cancel that at the planned moment."""
    await sleep_until(plan.starts)
    if plan.cancelled_at is None:
        await _run(plan, client, reports)
        return
    task = asyncio.ensure_future(_run(plan, client, reports))
    try:
        await asyncio.wait([task], timeout=plan.cancelled_at - now())
    finally:
        if not task.done():
            for report in reports:
                if report.plan.name.partition("/")[0] == plan.name and report.ended < 0:
                    report.cancelled = now()
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _run(plan: Run, client: PhoneNumberClient, reports: list[RunReport]) -> None:
    report = RunReport(plan, plan.ids.listed(), now(), lookups=[])
    reports.append(report)
    outer = CALLER.set(plan.name)
    try:
        if plan.kind == "gather":
            report.lookups = await client.gather(source_of(plan.source, report.ids), deadline=plan.deadline)
        else:
            await _consume(plan, client, report, reports)
    except asyncio.CancelledError as error:
        report.error = error
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
    except Exception as error:
        report.error = error
    finally:
        CALLER.reset(outer)
        report.ended = now()


async def _consume(plan: Run, client: PhoneNumberClient, report: RunReport, reports: list[RunReport]) -> None:
    ids = source_of(plan.source, report.ids)
    async with client.stream(ids, ordered=plan.kind == "ordered stream", deadline=plan.deadline) as lookups:
        async for lookup in lookups:
            report.lookups.append(lookup)
            received = len(report.lookups)
            if received == plan.leaves_after:
                break
            if received == plan.raises_after:
                raise ConsumerError
            if plan.pause:
                await asyncio.sleep(plan.pause)
            if plan.nested is not None and received % plan.nested[0] == 0:
                await _run(nested_run(plan, received // plan.nested[0]), client, reports)


def nested_run(plan: Run, number: int) -> Run:
    """Make the plan of a gather inside the loop of a stream."""
    ids = plan.nested_ids(number)
    return Run(f"{plan.name}/{number}", now(), ids, deadline=plan.deadline, client=plan.client)


def source_of(source: Source, ids: list[str]) -> Iterable[str] | AsyncIterator[str]:
    """Make what yields the ids in the planned way."""
    match source.kind:
        case "list":
            return ids
        case "generator":
            return (phone_number_id for phone_number_id in ids)
        case "raises" if source.seconds == 0.0:
            return _raising(ids, source.at)
        case "timeout around":
            return _with_timeout_around(ids)
        case "task group" | "failing task group":
            return _with_task_group(ids, source)
        case _:
            return _waiting(ids, source)


def _raising(ids: list[str], at: int) -> Iterator[str]:
    yield from ids[:at]
    raise SourceError


async def _waiting(ids: list[str], source: Source) -> AsyncIterator[str]:
    for n, phone_number_id in enumerate(ids):
        if source.kind == "slow":
            await asyncio.sleep(source.seconds)
        elif n == source.at:
            await _misbehave(source)
        yield phone_number_id
    if source.at >= len(ids) and source.kind != "slow":
        await _misbehave(source)


async def _misbehave(source: Source) -> None:
    match source.kind:
        case "late":
            await asyncio.sleep(source.seconds)
        case "timeout inside":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(source.seconds):
                    await asyncio.get_running_loop().create_future()
        case "raises":
            raise SourceError
        case "cancelled":
            task = asyncio.ensure_future(asyncio.sleep(1_000))
            asyncio.get_running_loop().call_soon(task.cancel)
            await task
        case _:
            pass


async def _with_timeout_around(ids: list[str]) -> AsyncIterator[str]:
    async with asyncio.timeout(1e6):
        for n, phone_number_id in enumerate(ids):
            if n % 7 == 0:
                await asyncio.sleep(0.001)
            yield phone_number_id


async def _with_task_group(ids: list[str], source: Source) -> AsyncIterator[str]:
    queue: asyncio.Queue[str | None] = asyncio.Queue(20)

    async def produce() -> None:
        for n, phone_number_id in enumerate(ids):
            if source.kind == "failing task group" and n == source.at:
                raise SourceError
            if n % 5 == 0:
                await asyncio.sleep(0.002)
            await queue.put(phone_number_id)
        if source.kind == "failing task group" and source.at >= len(ids):
            raise SourceError
        await queue.put(None)

    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        while (phone_number_id := await queue.get()) is not None:
            yield phone_number_id
