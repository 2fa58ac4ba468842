"""Laws of how a client behaves: how long it takes, what it asks the server, what it leaves."""

from __future__ import annotations

from collections.abc import Iterator

from world_bounds import (
    chance_of_failing,
    last_lookup_takes,
    most_attempts,
    run_takes,
)
from world_evidence import Evidence
from world_plan import WAIT_MAX, fault_of
from world_playing import PEACE_IDS
from world_server import HEALTHY_LATENCY, HEALTHY_LIMIT

from elevenphone import ConfigurationError, Found, Lookup

_EXACT = 1e-6


def the_world_ends(evidence: Evidence) -> Iterator[str]:
    """Every call ends: no deadlock, no waiting for ever, no requests without end."""
    played = evidence.played
    if played.crash is not None:
        yield repr(played.crash)
    if played.stuck:
        yield f"after {played.ended:.0f} s still under way: {', '.join(played.stuck)}"


def nothing_is_left(evidence: Evidence) -> Iterator[str]:
    """When all is closed no task, timer, permit or request is left, and no exception was forgotten."""
    yield from evidence.played.left
    yield from evidence.played.complaints


def runs_end_in_time(evidence: Evidence) -> Iterator[str]:
    """A run ends within the time that its world accounts for: see `run_takes`.

    That is what the ids of all callers take on the slots that are sure to be found, twice; the
    attempts of ids that always fail; the seconds of outages and pauses; what the source and the
    consumer take; and 10 s.
    """
    for run in evidence.played.runs:
        if run.plan.name in evidence.played.stuck or run.cancelled is not None:
            continue
        paused = evidence.paused(run.plan.client, run.called, run.ended)
        bound = run_takes(evidence.world, run.plan, paused)
        took = run.ended - run.called
        if took > bound:
            yield f"{run.plan.name}: {len(run.ids)} ids took {took:.1f} s, more than {bound:.1f} s"


def ends_at_once_when_told_to(evidence: Evidence) -> Iterator[str]:
    """What is cancelled ends in the same moment, and so does all that a closed client was doing.

    Where a source or a consumer takes its time, only its own time may pass after closing.
    """
    played, closes_at = evidence.played, evidence.world.closes_at
    for run in played.runs:
        if run.cancelled is not None and run.ended > run.cancelled + _EXACT:
            yield f"{run.plan.name}: ended {run.ended - run.cancelled:.3f} s after it was cancelled"
        if closes_at is None or run.plan.client or run.called > closes_at:
            continue
        own = run.plan.source.waits(len(run.ids)) + run.plan.pause * len(run.ids)
        quick = run.plan.source.kind in ("list", "generator") and not run.plan.pause
        if run.ended > closes_at + own + (_EXACT if quick else 1.0):
            yield f"{run.plan.name}: ended {run.ended - closes_at:.3f} s after the client was closed"
    for get in played.gets:
        if closes_at is not None and get.called <= closes_at and get.ended > closes_at + _EXACT:
            yield f"get({get.phone_number_id}) ended {get.ended - closes_at:.3f} s after closing"
    if played.closing_took > _EXACT:
        yield f"closing took {played.closing_took:.3f} s"
    closed = closes_at is not None and evidence.is_finished
    if closed and not isinstance(played.after_closing, ConfigurationError):
        yield f"a call on the closed client: {played.after_closing!r}"


def requests_for_an_id_are_bounded(evidence: Evidence) -> Iterator[str]:
    """No more requests are sent for an id than its policy allows.

    For a bulk id that are its attempts; 429s are left out, and so are outages, with one attempt
    more where there were any, and probes with an id that was found before. Where answers fail at
    random it is as many as chance may explain. A stream remembers the last thousand answers
    alone, so a longer one may ask again for an id that it has more than once.
    """
    world = evidence.world
    bulk = most_attempts(world) + bool(world.server.outages)
    for get in evidence.played.gets:
        sent = sum(request.at <= get.ended for request in evidence.requests[get.phone_number_id])
        if sent > world.client.attempts:
            yield f"{get.name}: {sent} requests for {get.phone_number_id}"
    for run in evidence.played.runs:
        again = 2 if run.plan.kind != "gather" and len(run.ids) > 1_000 and run.plan.ids.equal else 1
        for phone_number_id in dict.fromkeys(run.ids):
            sent = 0
            for request in evidence.requests.get(phone_number_id, ()):
                if request.outcome == "found":
                    break
                sent += request.outcome not in ("refused", "account") and not evidence.in_outage(request)
            if sent > bulk * again:
                yield f"{run.plan.name}: {sent} requests for {phone_number_id}, more than {bulk}"


def refusals_are_bounded(evidence: Evidence) -> Iterator[str]:
    """Few requests are answered 429: 40, an eighth of all, and 20 for each change of the limit.

    Once a server refuses everybody, four a second and 100, and the attempts of single lookups. A
    client with a fixed bound above the server's limit is left out: it was told to ask for more.
    """
    server, client = evidence.world.server, evidence.world.client
    if client.concurrency is not None and client.concurrency > server.lowest_limit:
        return
    ever = server.throttles_from if server.throttles_from is not None else float("inf")
    refused = sum(request.outcome == "refused" and request.at < ever for request in evidence.log)
    bound = 40 + len(evidence.log) / 8 + 20 * max(0, len(server.limits) - 1)
    if refused > bound:
        yield f"{refused} of {len(evidence.log)} requests were refused, more than {bound:.0f}"
    late = sum(request.outcome == "refused" and request.at >= ever for request in evidence.log)
    singles = sum(get.ids.size for get in evidence.world.gets) * client.attempts
    bound = 100 + singles + 4 * max(0.0, evidence.played.ended - ever) if late else 0.0
    if late > bound:
        yield f"{late} requests to a server that refuses all, more than {bound:.0f}"


def an_outage_is_not_hammered(evidence: Evidence) -> Iterator[str]:
    """While the server is away bulk sends four requests a second at most, of each client.

    The first five seconds, and a timeout where the server is silent, are left out: by then six ids
    have failed. So are 429s, which is what single lookups get.
    """
    singles = {get.phone_number_id for get in evidence.played.gets}
    timeout = evidence.world.client.timeout
    for outage in evidence.world.server.outages:
        begins = outage.begins + 5.0 + (1.2 * timeout if outage.hides_answers else 0.0)
        sent = sum(
            begins <= request.at < outage.ends and request.phone_number_id not in singles
            for request in evidence.log
        )
        clients = len({run.plan.client for run in evidence.played.runs})
        bound = 10 + 4 * clients * (outage.ends - begins)
        if outage.ends > begins and sent > bound:
            yield f"{sent} requests in {outage.ends - begins:.1f} s of the outage at {outage.begins:.1f}"


def twins_end_together(evidence: Evidence) -> Iterator[str]:
    """Of two like runs that start together the slower takes at most twice as long.

    And what one last lookup may take: the attempts and waits of an unlucky one, where something
    fails; else half a second. Since one that has to wait for the other's end takes just twice as
    long, a third of its ids must have been asked for by then, if there are twenty. A run that was
    ended by an error of all is no measure.
    """
    world = evidence.world
    if not world.twins or not evidence.is_finished:
        return
    ever = world.server.account or world.server.throttles_from is not None
    if ever or world.server.outages or world.server.retry_after:
        return
    first, second = sorted(evidence.played.runs[:2], key=lambda run: run.ended)
    troubled = chance_of_failing(world) or world.runs[0].ids.bad
    tail = last_lookup_takes(world) + WAIT_MAX if troubled else 0.5
    if second.ended > 2 * first.ended + tail:
        yield f"two equal runs took {first.ended:.2f} s and {second.ended:.2f} s"
    asked = {request.phone_number_id for request in evidence.log if request.at < first.ended}
    ids = set(second.ids)
    if len(ids) >= 20 and len(ids & asked) < len(ids) / 3:
        yield f"when {first.plan.name} ended, its twin had asked for {len(ids & asked)} of {len(ids)} ids"


def a_get_waits_behind_no_bulk(evidence: Evidence) -> Iterator[str]:
    """While a single lookup waits to be sent for the first time, its client sends nothing for a run.

    Of the moments in which it was called and sent this claims nothing: what happens in the same
    moment has no order. Later attempts wait first, so from outside nobody sees when one is due.
    """
    singles = {get.phone_number_id for get in evidence.played.gets}
    bulk = [r.at for r in evidence.log if r.client == 0 and r.phone_number_id not in singles]
    for get in evidence.played.gets:
        sent = evidence.requests[get.phone_number_id]
        until = sent[0].at if sent else get.ended
        overtaken = sum(get.called + _EXACT < at < until - _EXACT for at in bulk)
        if overtaken:
            yield f"{overtaken} bulk requests went before get({get.phone_number_id}) of {get.called:.3f}"


def gets_end_by_their_deadline(evidence: Evidence) -> Iterator[str]:
    """A single lookup ends by its deadline, counted from its first request."""
    for get in evidence.played.gets:
        sent = evidence.requests[get.phone_number_id]
        if sent and get.ended > sent[0].at + get.deadline + _EXACT:
            yield f"get({get.phone_number_id}) ended {get.ended - sent[0].at:.3f} s after its first request"


def peace_returns(evidence: Evidence) -> Iterator[str]:
    """After two quiet minutes a get takes one latency, and a gather its ideal time.

    The ideal is reached within a half, and half a second: a client may have to find the limit anew.
    """
    peace, client = evidence.played.peace, evidence.world.client
    if peace is None:
        return
    if peace.error is not None:
        yield f"in peace: {peace.error!r}"
        return
    if peace.get_took > HEALTHY_LATENCY + _EXACT:
        yield f"in peace a get took {peace.get_took:.3f} s"
    lost = [lookup for lookup in peace.lookups if not isinstance(lookup, Found)]
    if lost or len(peace.lookups) != PEACE_IDS:
        yield f"in peace {len(lost)} of {len(peace.lookups)} lookups were lost, such as {lost[:1]}"
    ideal = PEACE_IDS * HEALTHY_LATENCY / min(HEALTHY_LIMIT, client.concurrency or HEALTHY_LIMIT)
    ideal = max(ideal, PEACE_IDS / (client.rate or float("inf")))
    if peace.gather_took > 1.5 * ideal + 0.5:
        yield f"in peace {PEACE_IDS} ids took {peace.gather_took:.2f} s, ideally {ideal:.2f} s"


def stats_add_up(evidence: Evidence) -> Iterator[str]:
    """The counters agree with what the server saw and the callers got.

    What was found and failed is exact where each id was asked for once and nothing was cut off;
    else the callers have seen a part of it. An id that was never sent may or may not be counted as
    failed. Probes are requests and no lookup's.
    """
    for number, stats in enumerate(evidence.played.stats):
        log = [request for request in evidence.log if request.client == number]
        if stats.requests != len(log):
            yield f"client {number} counts {stats.requests} requests, the server {len(log)}"
        if stats.in_flight:
            yield f"client {number}: {stats.in_flight} in flight when all is done"
        quota = evidence.world.server.account is not None and evidence.world.server.account.kind == "quota"
        refused = [r for r in log if r.outcome == "refused" or (quota and r.outcome == "account")]
        least = sum(not evidence.was_found_before(request) for request in refused)
        if not evidence.was_cut_off() and not least <= stats.throttled <= len(refused):
            yield f"client {number} counts {stats.throttled} throttled, the server {least} to {len(refused)}"
        if not evidence.was_cut_off() and stats.retries > len(log) - len(
            {request.phone_number_id for request in log}
        ):
            yield f"client {number} counts {stats.retries} retries of {len(log)} requests"
        if not evidence.was_cut_off():
            yield from _counts(evidence, number, stats.found, stats.failed)


def _counts(evidence: Evidence, number: int, found: int, failed: int) -> Iterator[str]:
    seen: dict[tuple[str, str], Lookup] = {}
    for run in evidence.played.runs:
        if run.plan.client == number:
            if run.plan.kind != "gather" and run.plan.ids.equal and len(run.ids) > 1_000:
                return
            seen.update({(run.plan.name, lookup.phone_number_id): lookup for lookup in run.lookups})
    singles = [get.outcome for get in evidence.played.gets if number == 0]
    got = sum(isinstance(lookup, Found) for lookup in seen.values())
    got += sum(not isinstance(outcome, BaseException) for outcome in singles)
    if found != got:
        yield f"client {number} counts {found} found, its callers {got}"
    all_lost = sum(not isinstance(lookup, Found) for lookup in seen.values())
    sent_and_lost = sum(not isinstance(lookup, Found) and lookup.attempts > 0 for lookup in seen.values())
    raised = sum(isinstance(outcome, BaseException) for outcome in singles)
    if not sent_and_lost <= failed <= all_lost + raised:
        yield f"client {number} counts {failed} failed, its callers {sent_and_lost} to {all_lost + raised}"


def attempts_are_those_sent(evidence: Evidence) -> Iterator[str]:
    """A lookup counts as many attempts as requests were sent for its id until it ended.

    Left out are ids that a long stream may have asked for twice. An id that was found may have been
    a probe later.
    """
    for run in evidence.complete_runs():
        if run.plan.kind != "gather" and run.plan.ids.equal and len(run.ids) > 1_000:
            continue
        for lookup in run.lookups:
            sent = 0
            for request in evidence.requests.get(lookup.phone_number_id, ()):
                sent += 1
                if request.outcome == "found":
                    break
            if lookup.attempts != sent and not (fault_of(lookup.phone_number_id) and not sent):
                yield f"{run.plan.name}: {lookup.phone_number_id} has {lookup.attempts} attempts of {sent}"


LAWS_OF_CONDUCT = (
    the_world_ends,
    nothing_is_left,
    runs_end_in_time,
    ends_at_once_when_told_to,
    requests_for_an_id_are_bounded,
    refusals_are_bounded,
    an_outage_is_not_hammered,
    twins_end_together,
    a_get_waits_behind_no_bulk,
    gets_end_by_their_deadline,
    peace_returns,
    stats_add_up,
    attempts_are_those_sent,
)
