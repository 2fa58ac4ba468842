"""Tells what happened in a world, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from world_callers import GetReport, RunReport
from world_laws import judge
from world_playing import Played
from world_server import Request

from elevenphone import Found

_Step: TypeAlias = tuple[float, str]


def story(played: Played) -> str:
    """Describe all of it: the world, each step with its moment in seconds, and the laws that were broken."""
    world = played.world
    lines = [f"world {world.seed}"]
    lines += [f"  {part}" for part in (world.server, world.client, *world.gets, *world.runs)]
    steps = sorted(_steps(played), key=lambda step: step[0])
    lines += [f"{moment:10.4f}  {what}" for moment, what in steps]
    if played.stats:
        lines += [f"{played.ended:10.4f}  client {n}: {stats}" for n, stats in enumerate(played.stats)]
    lines.append(f"in peace: {_peace(played)}")
    lines += [str(violation) for violation in judge(played)] or ["all laws hold"]
    return "\n".join(lines)


def _steps(played: Played) -> Iterator[_Step]:
    world = played.world
    for outage in world.server.outages:
        yield outage.begins, f"** the server is away ({outage.shows})"
        yield outage.ends, "** the server is back"
    if world.server.account is not None:
        yield world.server.account.at, f"** from now on every answer is {world.server.account.kind}"
    if world.server.throttles_from is not None:
        yield world.server.throttles_from, f"** from now on every answer is 429 {world.server.throttles_with}"
    for begins, limit in world.server.limits:
        yield begins, f"** at most {limit} in flight"
    if world.closes_at is not None:
        yield world.closes_at, "** the client is closed"
    if world.group_fails_at is not None:
        yield world.group_fails_at, "** the group of all callers fails"
    for at, phone_number_id in world.forgets:
        yield at, f"** client 0 forgets {phone_number_id or 'all'}"
    for request in played.server.log[: played.in_peace]:
        yield from _of_request(request)
    for run in played.runs:
        yield from _of_run(run)
    for get in played.gets:
        yield from _of_get(get)


def _of_request(request: Request) -> Iterator[_Step]:
    who = f"client {request.client}, {request.caller}: {request.phone_number_id[:40]!r}"
    who += ", a probe" * request.probe
    if request.ended == request.at:
        yield request.at, f"   -> {who} {request.outcome}"
        return
    yield request.at, f"   -> {who}"
    if request.ended >= 0:
        asked = "" if request.retry_after is None else f", Retry-After {request.retry_after:g}"
        yield request.ended, f"   <- {who} {request.outcome}{asked}"


def _of_run(run: RunReport) -> Iterator[_Step]:
    found = sum(isinstance(lookup, Found) for lookup in run.lookups)
    yield run.called, f"{run.plan.name}: {run.plan.kind} of {len(run.ids)} ids"
    if run.cancelled is not None:
        yield run.cancelled, f"{run.plan.name}: cancelled"
    if run.ended >= 0:
        raised = "" if run.error is None else f", raised {run.error!r}"
        yield run.ended, f"{run.plan.name}: ended with {len(run.lookups)} lookups, {found} found{raised}"


def _of_get(get: GetReport) -> Iterator[_Step]:
    yield get.called, f"{get.name}: get({get.phone_number_id[:40]!r})" + ", fresh" * get.fresh
    if get.ended >= 0:
        outcome = repr(get.outcome) if isinstance(get.outcome, BaseException) else "found"
        yield get.ended, f"{get.name}: get({get.phone_number_id[:40]!r}) ended: {outcome}"


def _peace(played: Played) -> str:
    peace = played.peace
    if peace is None:
        return "none, the client was closed"
    if peace.error is not None:
        return repr(peace.error)
    return f"a get took {peace.get_took:.3f} s, a gather {peace.gather_took:.3f} s"
