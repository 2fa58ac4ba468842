"""Laws of what callers get: all of it, once, and what the server would have answered."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from typing import Literal, cast

from world_bounds import LONGEST_PAUSE, LONGEST_PAUSE_ALONE, chance_of_failing, ends_runs_for_time
from world_callers import ConsumerError, GetReport, RunReport, SourceError
from world_evidence import Evidence, is_good, lost
from world_ids import INVALID_IDS, fault_of
from world_plan import WAIT_INITIAL, WAIT_MAX
from world_playing import GroupError
from world_server import Request

from elevenphone import (
    ConfigurationError,
    DeadlineExceededError,
    DecodeError,
    ElevenPhoneError,
    Found,
    InvalidPhoneNumberIdError,
    Lookup,
    NotFoundError,
    StatusError,
)

_EXACT = 1e-6


def every_id_has_one_lookup(evidence: Evidence) -> Iterator[str]:
    """A run returns one lookup for each id, at its index, with its own number.

    Of a run that was cancelled, left or ended by an exception this claims that of what it had
    yielded nothing came twice, and of an ordered one that nothing was left out.
    """
    for run in evidence.played.runs:
        name, ids, indexes = run.plan.name, run.ids, [lookup.index for lookup in run.lookups]
        for lookup in run.lookups:
            if not 0 <= lookup.index < len(ids) or lookup.phone_number_id != ids[lookup.index]:
                yield f"{name}: {lookup.phone_number_id!r} came at index {lookup.index}"
            elif isinstance(lookup, Found) and lookup.number.phone_number_id != lookup.phone_number_id:
                yield f"{name}: {lookup.phone_number_id} got the number of {lookup.number.phone_number_id}"
        if run.plan.kind == "stream":
            twice = [index for index, times in Counter(indexes).items() if times > 1]
            if twice:
                yield f"{name}: more than one lookup for {twice[:5]}"
            indexes.sort()
        elif indexes != list(range(len(indexes))):
            yield f"{name}: lookups in the order {indexes[:10]}"
    for run in evidence.complete_runs():
        if not run.plan.source.fails and len(run.lookups) != len(run.ids):
            yield f"{run.plan.name}: {len(run.lookups)} lookups for {len(run.ids)} ids"


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
        if _was_closed(evidence, run) and isinstance(run.error, ConfigurationError | None):
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


def _was_closed(evidence: Evidence, run: RunReport) -> bool:
    closes_at = evidence.world.closes_at
    return run.plan.client == 0 and closes_at is not None and run.ended >= closes_at - _EXACT


def good_ids_are_found(evidence: Evidence) -> Iterator[str]:
    """An id that the server would have answered within its deadline and attempts is found.

    Not claimed, and why:
    - lasting: by then the client was closed, or the error is the account's, or the server refused
      everybody: nothing can be found any more. Under a policy of one attempt any failure is the end;
    - long: outages of about a lookup's deadline, which end the run, with the waits that the server asked
      for in them; or such a wait, cut at 60 s, that reached beyond the deadline;
    - singles: from its last attempt to its deadline single lookups, which come first, took all slots.
      If its slots went to probes, the deadline began with the first of them;
    - crowded: the other client, with a fixed number in flight, took all places at the server whenever
      this client asked for the id, until its deadline, or whenever it asked for any for so long
      that the run ended;
    - unknown: the attempts failed in outages before anything was found: there is no id to probe with
      that is known to be good;
    - chance: so many requests for this id failed as its policy allows. Not counted are those
      answered 429, refused connections, and what failed in an outage that was long enough for the
      client to tell it from bad luck: longer than all attempts take, and 5 s, and not over before
      a probe had its turn after single lookups and could fail.
    """
    for run in evidence.played.runs:
        for lookup, error in lost(run):
            if _reason_of_loss(evidence, run, lookup, error) is not None:
                continue
            log = [
                (round(r.at, 2), r.outcome) for r in evidence.requests[run.plan.name, lookup.phone_number_id]
            ][:6]
            yield f"{run.plan.name}: {lookup.phone_number_id} is lost: {error!r} after {log}"


def _reason_of_loss(
    evidence: Evidence, run: RunReport, lookup: Lookup, error: ElevenPhoneError
) -> Literal["lasting", "long", "singles", "crowded", "unknown", "chance"] | None:
    """Say which of the reasons that `good_ids_are_found` names applies; `None`: none does."""
    world, deadline, client = evidence.world, run.plan.deadline, run.plan.client
    if _was_closed(evidence, run) and isinstance(error, ConfigurationError):
        return "lasting"
    log = evidence.attempts(run, lookup)
    throttles_from = world.server.throttles_from
    throttled = throttles_from is not None and (log[-1].ended if log else run.ended) >= throttles_from
    if throttled or _is_the_accounts(evidence, error):
        return "lasting"
    if deadline is not None and (
        ends_runs_for_time(world, deadline)
        or evidence.longest_absence(client) >= 0.9 * deadline
        or (log and evidence.asked_to_wait_beyond(client, log[0].at + deadline))
    ):
        return "long"
    if client == 0 and deadline is not None:
        turns = [(log[0].at, log[-1].ended)] if log else evidence.turns_of_probes(deadline)
        for first, last in turns:
            begins = max(last, evidence.asked_to_wait_until(client, last)) + WAIT_MAX
            if evidence.singles_come_first(begins, first + deadline):
                return "singles"
    if deadline is not None and (
        evidence.was_crowded_out(log, deadline)
        or evidence.was_crowded_out(evidence.refused_at_the_end(run), 0.9 * deadline)
    ):
        return "crowded"
    if log and _nothing_was_known(evidence, run, log):
        return "unknown"
    if log and evidence.failures(log) >= world.client.attempts:
        return "chance"
    return "lasting" if log and world.client.attempts == 1 else None


def _nothing_was_known(evidence: Evidence, run: RunReport, log: list[Request]) -> bool:
    """Tell whether a lookup's attempts failed in outages that began before anything was found."""
    failed = [request for request in log if request.outcome != "refused"]
    return (
        len(failed) >= evidence.world.client.attempts
        and any(outage.shows != "refused" for outage in evidence.world.server.outages)
        and not evidence.answered_before(run.plan.client, failed[-1].ended)
    )


def _is_the_accounts(evidence: Evidence, error: ElevenPhoneError) -> bool:
    account = evidence.world.server.account
    statuses = {"401": 401, "402": 402, "403": 403, "quota": 429}
    return account is not None and isinstance(error, StatusError) and error.status == statuses[account.kind]


def chance_loses_almost_nothing(evidence: Evidence) -> Iterator[str]:
    """Failures at random lose at most two ids of a run, and one more in 500.

    Of its first fifty ids twice as many as their attempts leave to chance, and twice the deviation of
    that: a client that knows nothing yet of how many answers fail may take bad luck for the id's fault.
    Where outages hide answers, five: fewer than six ids under way do not show that it is an outage, and
    it may be over when their attempts are used up. A policy of one attempt says that nothing is to be
    tried again.
    """
    attempts = evidence.world.client.attempts
    lost_at_first = chance_of_failing(evidence.world) ** attempts
    in_any_run = 5 if any(outage.hides_answers for outage in evidence.world.server.outages) else 2
    if attempts < 2:
        return
    for run in evidence.played.runs:
        unlucky = [
            lookup.phone_number_id
            for lookup, error in lost(run)
            if _reason_of_loss(evidence, run, lookup, error) == "chance"
        ]
        expected = lost_at_first * min(50, len(run.ids))
        bound = in_any_run + len(run.ids) // 500 + 2 * (expected + math.sqrt(expected))
        if len(unlucky) > bound:
            yield f"{run.plan.name}: {len(unlucky)} of {len(run.ids)} lost to chance: {unlucky[:5]}"


def gets_are_found(evidence: Evidence) -> Iterator[str]:
    """A single lookup of a good id is found, but for reasons that the caller has agreed to.

    These are: its attempts are used up, 429s and outages included; the next wait, or the one that
    the server asks for, would pass its deadline, or after a refusal a pause of the client itself; the
    deadline has passed; the server refuses everybody; it asked for more than 60 s; the retries of all
    single lookups together are used up (500 tokens, 5 each).
    """
    retries = sum(max(0, len(evidence.attempts_of(get)) - 1) for get in evidence.played.gets)
    retries += sum(  # each of these may have waited for one
        get.cancelled or isinstance(get.outcome, DeadlineExceededError) for get in evidence.played.gets
    )
    for get in evidence.played.gets:
        error = get.outcome
        if get.cancelled or not isinstance(error, ElevenPhoneError) or fault_of(get.phone_number_id):
            continue
        if isinstance(error, InvalidPhoneNumberIdError) and get.phone_number_id in INVALID_IDS:
            continue
        if not _get_may_fail(evidence, get, error, retries):
            log = [(round(r.at, 2), r.outcome) for r in evidence.lookup_of(get)]
            yield f"{get.name}: get({get.phone_number_id}) called at {get.called:.2f}: {error!r} after {log}"


def _get_may_fail(evidence: Evidence, get: GetReport, error: ElevenPhoneError, retries: int) -> bool:
    world = evidence.world
    if isinstance(error, ConfigurationError) and world.closes_at is not None:
        return get.ended >= world.closes_at - _EXACT
    throttles_from = world.server.throttles_from
    if _is_the_accounts(evidence, error) or (throttles_from is not None and get.ended >= throttles_from):
        return True
    log = evidence.lookup_of(get)
    if not log:
        return evidence.asked_to_wait_beyond(0, get.ended + get.deadline)
    if len(log) >= world.client.attempts or retries >= 100:
        return True
    asked = max((request.retry_after or 0.0 for request in log), default=0.0)
    wait = asked + WAIT_INITIAL if asked else min(WAIT_MAX, WAIT_INITIAL * 2.0 ** (len(log) - 1))
    if log[-1].outcome == "refused":
        wait = max(wait, LONGEST_PAUSE_ALONE)
    expires = max(get.called, log[0].at) + get.deadline
    return (
        asked > LONGEST_PAUSE
        or get.ended + wait >= expires - _EXACT
        or evidence.asked_to_wait_beyond(0, expires)
    )


def errors_tell_what_is_wrong(evidence: Evidence) -> Iterator[str]:
    """A bad id fails with the error that belongs to it.

    Not claimed where the account, a closed client, a deadline, chance or an outage may come before.
    """
    server = evidence.world.server
    troubled = server.account or evidence.world.closes_at or server.throttles_from is not None
    if troubled or server.outages or server.retry_after or chance_of_failing(evidence.world):
        return
    for run in evidence.played.runs:
        for lookup in run.lookups:
            wrong = _wrong_error(lookup)
            if wrong:
                yield f"{run.plan.name}: {lookup.phone_number_id[:40]!r} ended with {wrong}"


def _wrong_error(lookup: Lookup) -> str | None:
    if is_good(lookup.phone_number_id):
        return None
    fault = "" if lookup.phone_number_id in INVALID_IDS else fault_of(lookup.phone_number_id)
    if isinstance(lookup, Found):
        return "a number"
    error = lookup.error
    match fault:
        case "404":
            right = isinstance(error, NotFoundError)
        case "html" | "wrong type":
            right = isinstance(error, DecodeError)
        case "500" | "dropped" | "silent":
            right = not isinstance(error, InvalidPhoneNumberIdError | NotFoundError | ConfigurationError)
        case _:
            right = isinstance(error, InvalidPhoneNumberIdError) and lookup.attempts == 0
    return None if right else repr(error)


LAWS_OF_ANSWERS = (
    every_id_has_one_lookup,
    what_is_raised_reaches_the_caller,
    good_ids_are_found,
    chance_loses_almost_nothing,
    gets_are_found,
    errors_tell_what_is_wrong,
)
