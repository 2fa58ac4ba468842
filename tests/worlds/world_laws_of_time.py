"""Laws of time: how long things take, and who waits for whom."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import fmean

from world_bounds import all_ids, chance_of_failing, last_lookup_takes, run_takes, slots, slowest_answer
from world_evidence import Evidence
from world_ids import RETRIED_FAULTS
from world_plan import WAIT_MAX
from world_playing import PEACE_IDS
from world_server import HEALTHY_LATENCY, HEALTHY_LIMIT

from elevenphone import ConfigurationError, Found

_EXACT = 1e-6
_ENOUGH_TO_SAY, _FIRST_SAMPLE = 200, 3
_TIMER_RESTS = 0.005


def the_world_ends(evidence: Evidence) -> Iterator[str]:
    """Every call ends: no deadlock, no waiting for ever, no requests without end."""
    played = evidence.played
    if played.crash is not None:
        yield repr(played.crash)
    if played.stuck:
        yield f"after {played.ended:.0f} s still under way: {', '.join(played.stuck)}"


def runs_end_in_time(evidence: Evidence) -> Iterator[str]:
    """A run ends within the time that its world accounts for: see `run_takes`.

    That is what the ids of all callers take on the slots that are sure to be found, twice; the
    attempts of ids that always fail; the seconds of outages and pauses; what the source and the
    consumer take; and 10 s. Where the server answers nothing, only one slot is sure.
    """
    for run in evidence.played.runs:
        if run.plan.name in evidence.played.stuck or run.cancelled is not None:
            continue
        paused = evidence.paused(run.plan.client, run.called, run.ended)
        bound = run_takes(evidence.world, run.plan, paused)
        if not evidence.answered_before(run.plan.client, run.ended):
            bound *= slots(evidence.world)
        took = run.ended - run.called
        if took > bound:
            yield f"{run.plan.name}: {len(run.ids)} ids took {took:.1f} s, more than {bound:.1f} s"


def ends_at_once_when_cancelled_or_closed(evidence: Evidence) -> Iterator[str]:
    """What is cancelled ends in the same moment, and so does all that a closed client was doing.

    Where a consumer takes its time, only its own time may pass after closing; a source is not waited for.
    """
    played, closes_at = evidence.played, evidence.world.closes_at
    for run in played.runs:
        if run.cancelled is not None and run.ended > run.cancelled + _EXACT:
            yield f"{run.plan.name}: ended {run.ended - run.cancelled:.3f} s after it was cancelled"
        if closes_at is None or run.plan.client or run.called > closes_at:
            continue
        own = run.plan.pause * len(run.ids)
        if run.ended > closes_at + own + (1.0 if own else _EXACT):
            yield f"{run.plan.name}: ended {run.ended - closes_at:.3f} s after the client was closed"
    for get in played.gets:
        if closes_at is not None and get.called <= closes_at and get.ended > closes_at + _EXACT:
            yield f"get({get.phone_number_id}) ended {get.ended - closes_at:.3f} s after closing"
    if played.closing_took > _EXACT:
        yield f"closing took {played.closing_took:.3f} s"
    closed = closes_at is not None and evidence.is_finished
    if closed and not isinstance(played.after_closing, ConfigurationError):
        yield f"a call on the closed client: {played.after_closing!r}"


def twins_end_together(evidence: Evidence) -> Iterator[str]:
    """Of two like runs that start together the slower takes at most twice as long.

    To that comes what one last lookup may take: the attempts and waits of an unlucky one if something
    fails, else the slowest answer, or half a second. To that comes what single lookups take, which go
    first: of few requests a second they leave none to a run. A run that waits for the other's end takes
    just twice as long; so it must have had slots for a third of its time in flight by then, if it has
    twenty ids. (Seconds, and not ids: those that always fail take nearly all of the time, and of two slots
    each run has one, however slow a single answer is.) A run that an account error ended is left out.
    """
    world = evidence.world
    if not world.twins or not evidence.is_finished:
        return
    ever = world.server.account or world.server.throttles_from is not None
    if ever or world.server.outages or world.server.retry_after:
        return
    first, second = sorted(evidence.played.runs[:2], key=lambda run: run.ended)
    troubled = chance_of_failing(world) or world.runs[0].ids.bad
    tail = last_lookup_takes(world) + WAIT_MAX if troubled else max(0.5, slowest_answer(world))
    rate = min(world.server.rate or math.inf, world.client.rate or math.inf)
    tail += sum(gets.ids.size for gets in world.gets) * (slowest_answer(world) / slots(world) + 1 / rate)
    if second.ended > 2 * first.ended + tail:
        yield f"two equal runs took {first.ended:.2f} s and {second.ended:.2f} s"
    sent = [request for request in evidence.log if request.caller == second.plan.name]
    before = sum(min(each.ended, first.ended) - each.at for each in sent if each.at < first.ended)
    seconds = sum(each.ended - each.at for each in sent)
    if len(set(second.ids)) >= 20 and before < seconds / 3:
        yield f"when {first.plan.name} ended, its twin had had slots for {before:.1f} of {seconds:.1f} s"


def a_get_waits_behind_no_bulk(evidence: Evidence) -> Iterator[str]:
    """While a single lookup waits to be sent for the first time, its client sends nothing for a run.

    Of the moments in which it was called and sent this claims nothing: what happens in the same
    moment has no order. Later attempts wait first, so from outside nobody sees when one is due.
    """
    bulk = [r.at for r in evidence.log if r.client == 0 and r.caller not in evidence.singles]
    for get in evidence.played.gets:
        sent = evidence.lookup_of(get)
        until = min(sent[0].at, get.ended) if sent else get.ended
        overtaken = sum(get.called + _EXACT < at < until - _EXACT for at in bulk)
        if overtaken:
            yield f"{overtaken} bulk requests went before get({get.phone_number_id}) of {get.called:.3f}"


def gets_end_by_their_deadline(evidence: Evidence) -> Iterator[str]:
    """A single lookup ends by its deadline, counted from its first request, or from when it joined another.

    One timer looks at all lookups under way, and rests for a microsecond for each of them before it
    looks again, so an end may be later by that.
    """
    for get in evidence.played.gets:
        sent = evidence.lookup_of(get)
        begun = max(get.called, sent[0].at) if sent else get.ended
        if get.ended > begun + get.deadline + _TIMER_RESTS:
            yield f"get({get.phone_number_id}) ended {get.ended - begun:.3f} s after its first request"


def peace_returns(evidence: Evidence) -> Iterator[str]:
    """After two quiet minutes a get takes one latency, and a gather its ideal time.

    The ideal is reached within a half, and 0.2 s: a client may have to find the limit anew.
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
    if peace.gather_took > 1.5 * ideal + 0.2:
        yield f"in peace {PEACE_IDS} ids took {peace.gather_took:.2f} s, ideally {ideal:.2f} s"


def the_servers_queue_stays_short(evidence: Evidence) -> Iterator[str]:
    """Bulk keeps few requests in a queue of the server, so that a get would not wait long behind them.

    That is the mean of what a request of any kind met on arrival, once the client has got some hundred
    answers: half as many as the server works on, and 3 more. If answers vary much, twice as many, and after
    twice as many answers: a single sample then needs up to 128 answers, and where the server works on few
    requests the first sample has waited, so a second look has to correct it.
    It says nothing about servers that do more than queue, nor about failures in between. Nor about
    answers of two kinds, nor about servers that work on fewer than three requests: there the first
    answers do not show the time without a queue, so it takes longer.
    """
    world, server = evidence.world, evidence.world.server
    troubled = world.client.concurrency or world.client.rate or any(run.client for run in world.runs)
    if troubled or not server.queue or len(server.limits) != 1 or not server.does_nothing_but_queue:
        return
    if any(ids.bad and ids.fault in RETRIED_FAULTS for ids, _ in all_ids(world)):
        return
    limit = server.lowest_limit
    if server.latency.shape == "two humps" or limit < _FIRST_SAMPLE:
        return
    met = [request.ahead for request in evidence.log if request.outcome in ("found", "bad")]
    varies = 1 if server.latency.shape == "constant" else 2
    late = met[varies * (int(40 * limit) + 200) :]
    if len(late) >= _ENOUGH_TO_SAY and fmean(late) > varies * (limit / 2 + 3):
        yield f"{fmean(late):.1f} requests waited where {limit:.0f} are worked on at once"


LAWS_OF_TIME = (
    the_world_ends,
    runs_end_in_time,
    ends_at_once_when_cancelled_or_closed,
    twins_end_together,
    a_get_waits_behind_no_bulk,
    gets_end_by_their_deadline,
    peace_returns,
    the_servers_queue_stays_short,
)
