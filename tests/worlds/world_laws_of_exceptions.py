"""Laws of what is raised: what a caller's own source or loop raises, and nothing else foreign."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import cast

from world_callers import ConsumerError, RunReport, SourceError
from world_evidence import Evidence
from world_playing import GroupError

from elevenphone import ConfigurationError, ElevenPhoneError


def what_is_raised_reaches_the_caller(evidence: Evidence) -> Iterator[str]:
    """What the source or the consumer raises reaches the caller, and nothing else foreign does.

    A run on a closed client may end with the `ConfigurationError` instead of waiting for its source.
    What a source raises that a group inside it has cancelled may be that group's exception or the
    cancellation, by where its reader was at that moment; and it may come before the consumer has
    got all that was read, since the group fails ahead of it.
    """
    for run in evidence.played.runs:
        if run.ended < 0 or not evidence.is_finished:
            continue
        expected = _expected_error(run)
        if run.cancelled is not None:
            continue
        if evidence.was_closed(run) and isinstance(run.error, ConfigurationError | None):
            continue
        if run.plan.source.kind == "failing task group" and _is_expected(run.error, "failing task group"):
            continue
        if expected is None and run.error is not None:
            yield f"{run.plan.name}: raised {run.error!r}"
        elif expected is not None and not _is_expected(run.error, expected):
            yield f"{run.plan.name}: {expected} should have come, not {run.error!r}"
        elif expected == run.plan.source.kind and run.plan.kind != "gather":
            yield from _yielded_all_before(run)
    fails_at = math.inf if evidence.world.group_fails_at is None else evidence.world.group_fails_at
    for get in evidence.played.gets:
        ours = not isinstance(get.outcome, BaseException) or isinstance(get.outcome, ElevenPhoneError)
        if evidence.is_finished and not get.cancelled and not ours and get.called < fails_at:
            yield f"{get.name}: get({get.phone_number_id}) raised {get.outcome!r}"
    yield from _of_the_group(evidence)


def _expected_error(run: RunReport) -> str | None:
    plan, count = run.plan, len(run.ids)
    consumed = min(after for after in (plan.leaves_after, plan.raises_after, count + 1) if after)
    if plan.source.fails and (plan.kind == "gather" or consumed > plan.source.at):
        return plan.source.kind
    return "ConsumerError" if consumed == plan.raises_after else None


def _is_expected(error: BaseException | None, expected: str) -> bool:
    match expected:
        case "ConsumerError":
            return isinstance(error, ConsumerError)
        case "raises":
            return isinstance(error, SourceError)
        case "cancelled":
            return isinstance(error, asyncio.CancelledError)
        case _:
            if isinstance(error, ExceptionGroup):
                return isinstance(cast("ExceptionGroup[Exception]", error).exceptions[0], SourceError)
            return isinstance(error, asyncio.CancelledError)


def _yielded_all_before(run: RunReport) -> Iterator[str]:
    if run.plan.source.kind == "failing task group":
        return  # its queue is read by the group's leave
    if len(run.lookups) != run.plan.source.at:
        yield f"{run.plan.name}: {len(run.lookups)} lookups before the error at {run.plan.source.at}"


def _of_the_group(evidence: Evidence) -> Iterator[str]:
    error = evidence.played.group_error
    if error is None:
        if evidence.world.group_fails_at is not None and evidence.is_finished:
            yield "the group of all callers did not fail"
        return
    foreign = [inner for inner in error.exceptions if not isinstance(inner, GroupError)]
    if foreign:
        yield f"the group of all callers raised {foreign}"


LAWS_OF_EXCEPTIONS = (what_is_raised_reaches_the_caller,)
