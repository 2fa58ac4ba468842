"""Laws of requests: what a client asks the server, counts, and leaves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from world_bounds import most_attempts
from world_evidence import Evidence
from world_ids import fault_of
from world_server import PAGE

from elevenphone import DeadlineExceededError, Found, Lookup

_EXACT = 1e-6
_AT_ONCE, _ENOUGH = 0.001, 20
# How rarely chance may explain a streak of failures that shows an outage, and the least usual share of them.
_CHANCE_OF_A_STREAK, _USUAL_AT_LEAST = 1e-4, 0.2


def nothing_is_left(evidence: Evidence) -> Iterator[str]:
    """When all is closed no task, timer, permit or request is left, and no exception was forgotten."""
    yield from evidence.played.left
    yield from evidence.played.complaints


def requests_for_an_id_are_bounded(evidence: Evidence) -> Iterator[str]:
    """No more requests are sent for an id than its policy allows.

    For a bulk id that are its attempts, see `most_attempts`. 429s are left out, requests in outages,
    and probes with an id that was found before. If such a probe fails by chance, it may look like
    an outage, after which the attempts begin anew. A stream remembers the last thousand answers
    alone, so a longer one may ask again, after each thousand, for an id that it has more than once.
    """
    world = evidence.world
    bulk = most_attempts(world)
    for get in evidence.played.gets:
        sent = len(evidence.attempts_of(get))
        if sent > world.client.attempts:
            yield f"{get.name}: {sent} requests for {get.phone_number_id}"
    for run in evidence.played.runs:
        forgets = run.plan.kind != "gather" and run.plan.ids.has_equal
        again = 1 + len(run.ids) // 1_000 if forgets else 1
        for phone_number_id in dict.fromkeys(run.ids):
            sent = 0
            for request in evidence.requests.get((run.plan.name, phone_number_id), ()):
                sent += request.outcome not in ("refused", "account") and not evidence.in_outage(request)
            if sent > bulk * again:
                bound = bulk * again + world.client.attempts * evidence.unlucky_probes(run.plan.client)
                if sent > bound:
                    yield f"{run.plan.name}: {sent} requests for {phone_number_id}, more than {bound}"


def refusals_are_bounded(evidence: Evidence) -> Iterator[str]:
    """Few requests are answered 429: 50, an eighth of all, and 20 for each change of the limit.
    Two clients that share a limit find each other by being refused: six a second. Where a limit and a rate
    are close, each hides what the other allows, and it is a quarter of all.

    Once a server refuses everybody, four a second from each client and 100, and the attempts of single
    lookups; four for each of a fixed number in flight. A client with more of these than the server's limit is
    left out: its own settings let it send more.
    """
    server, client = evidence.world.server, evidence.world.client
    clients = len({run.client for run in evidence.world.runs} | {0})
    if client.concurrency is not None and clients * client.concurrency > server.lowest_limit:
        return
    ever = server.throttles_from if server.throttles_from is not None else float("inf")
    refused = sum(request.outcome == "refused" and request.at < ever for request in evidence.log)
    part = 1 / 4 if server.limits and server.rate else 1 / 8
    bound = 50 + len(evidence.log) * part + 20 * max(0, len(server.limits) - 1)
    bound += 6 * evidence.played.ended * (clients > 1)
    if refused > bound:
        yield f"{refused} of {len(evidence.log)} requests were refused, more than {bound:.0f}"
    late = sum(request.outcome == "refused" and request.at >= ever for request in evidence.log)
    singles = sum(get.ids.size for get in evidence.world.gets) * client.attempts
    bound = (
        100 + singles + 4 * clients * (client.concurrency or 1) * max(0.0, evidence.played.ended - ever)
        if late
        else 0.0
    )
    if late > bound:
        yield f"{late} requests to a server that refuses all, more than {bound:.0f}"


def retries_wait(evidence: Evidence) -> Iterator[str]:
    """Most retries wait: of twenty or more at least half come later than a millisecond after the failure.

    A wait is drawn from 0 up, so a few may be as short as that; and a lookup in doubt waits for no time,
    but for a probe.
    """
    waits = [
        after.at - before.ended
        for requests in evidence.requests.values()
        for before, after in pairwise(requests)
        if before.outcome in ("refused", "by chance", "cut", "bad")
    ]
    at_once = sum(wait < _AT_ONCE for wait in waits)
    if len(waits) >= _ENOUGH and at_once > len(waits) / 2:
        yield f"{at_once} of {len(waits)} retries came at once"


def an_account_error_ends_a_run(evidence: Evidence) -> Iterator[str]:
    """Once a run has been answered 401, 402 or that the quota is used up, it sends nothing more.

    A 403 ends it after three different ids with none found in between. Requests that are under way
    come to their end; those of the same moment have no order. Each run learns it itself, and probes
    with an id found before are nobody's.
    """
    account = evidence.world.server.account
    if account is None:
        return
    proof = 3 if account.kind == "403" else 1
    for run in evidence.played.runs:
        own = [request for request in evidence.log if request.caller == run.plan.name and not request.probe]
        in_a_row, ended_at = 0, float("inf")
        for request in sorted(own, key=lambda request: request.ended):
            if request.outcome in ("account", "found"):
                in_a_row = in_a_row + 1 if request.outcome == "account" else 0
            if in_a_row == proof:
                ended_at = min(ended_at, request.ended)
        if after := sum(request.at > ended_at + _EXACT for request in own):
            yield f"{run.plan.name}: {after} requests after it was answered {account.kind}"


def an_outage_is_not_hammered(evidence: Evidence) -> Iterator[str]:
    """While the server is away each client sends four requests a second for its runs at most.

    The first five seconds in which runs send anything, and a timeout where the server is silent, are
    left out: by then six ids have failed. So are single lookups, and outages before the client had
    found anything: nobody can tell these from ids that always fail. If more than a fifth of all answers
    fail by chance, six ids are not enough, and an outage in which too few are asked for is left out.
    Where many ids always fail, each of their false alarms makes the client ask for twice as many, so
    ten more requests are allowed.
    """
    many_are_bad = any(5 * len(run.ids.bad) > run.ids.size for run in evidence.world.runs)
    usual = evidence.world.server.failing + evidence.world.server.cut
    enough = math.log(_CHANCE_OF_A_STREAK) / math.log(max(usual, _USUAL_AT_LEAST))
    silence = 1.2 * evidence.world.client.timeout
    for outage in evidence.world.server.outages:
        unnoticed = 5.0 + (silence if outage.hides_answers else 0.0)
        for client in range(2):
            requests = [
                request
                for request in evidence.log
                if request.client == client
                and outage.begins <= request.at < outage.ends
                and (request.caller not in evidence.singles or request.probe)
            ]
            if usual > _USUAL_AT_LEAST and len({r.phone_number_id for r in requests}) < enough:
                continue
            times = [request.at for request in requests]
            begins = min(times, default=outage.begins) + unnoticed
            sent = sum(at >= begins for at in times)
            bound = (20 if many_are_bad else 10) + 4 * max(0.0, outage.ends - begins)
            if sent > bound and evidence.answered_before(client, outage.begins):
                yield f"client {client}: {sent} requests from {begins:.1f} s to the end of an outage"


def stats_add_up(evidence: Evidence) -> Iterator[str]:
    """The counters agree with what the server saw and the callers got.

    What was found and failed is exact where each id was asked for once and nothing was cut off;
    else the callers have seen a part of it. An id that was never sent may or may not be counted as
    failed. Probes are requests and no lookup's. A client that remembers answers may still ask for one in
    the background; of the callers that shared a lookup none knows how many others did.
    """
    for number, stats in enumerate(evidence.played.stats):
        log = [request for request in evidence.log if request.client == number]
        in_background = [request for request in log if request.ended > evidence.played.ended]
        if stats.requests != len(log):
            yield f"client {number} counts {stats.requests} requests, the server {len(log)}"
        if stats.in_flight != len(in_background):
            yield f"client {number}: {stats.in_flight} in flight when all is done"
        quota = evidence.world.server.account is not None and evidence.world.server.account.kind == "quota"
        refused = [r for r in log if r.outcome == "refused" or (quota and r.outcome == "account")]
        if in_background:
            continue
        if not evidence.was_cut_off() and stats.throttled != len(refused):
            yield f"client {number} counts {stats.throttled} throttled, the server {len(refused)}"
        if not evidence.was_cut_off() and stats.retries > len(log) - len(
            {(request.caller, request.phone_number_id) for request in log if not request.probe}
        ):
            yield f"client {number} counts {stats.retries} retries of {len(log)} requests"
        if not evidence.was_cut_off():
            yield from _counts(evidence, number, stats.found, stats.failed)


def _counts(evidence: Evidence, number: int, found: int, failed: int) -> Iterator[str]:
    if evidence.world.client.cache is not None:
        sent = sum(r.client == number and r.outcome == "found" and not r.probe for r in evidence.log)
        late = sum(isinstance(get.outcome, DeadlineExceededError) for get in evidence.played.gets)
        if not sent - late <= found <= sent:
            yield f"client {number} counts {found} found, the server {sent}"
        return
    seen: dict[tuple[str, str], Lookup] = {}
    for run in evidence.played.runs:
        if run.plan.client == number:
            if run.plan.kind != "gather" and run.plan.ids.has_equal and len(run.ids) > 1_000:
                return
            seen.update({(run.plan.name, lookup.phone_number_id): lookup for lookup in run.lookups})
    singles = [get.outcome for get in evidence.played.gets if number == 0]
    got = sum(isinstance(lookup, Found) for lookup in seen.values())
    got += sum(not isinstance(outcome, BaseException) for outcome in singles)
    pages = [
        r for r in evidence.log if r.client == number and r.phone_number_id.startswith(PAGE) and not r.probe
    ]
    got += sum(page.outcome == "found" for page in pages)
    if found != got:
        yield f"client {number} counts {found} found, its callers {got}"
    all_lost = sum(not isinstance(lookup, Found) for lookup in seen.values())
    sent_and_lost = sum(not isinstance(lookup, Found) and lookup.attempts > 0 for lookup in seen.values())
    raised = sum(isinstance(outcome, BaseException) for outcome in singles)
    raised += sum(listing.error is not None for listing in evidence.played.listings if number == 0)
    if not sent_and_lost <= failed <= all_lost + raised:
        yield f"client {number} counts {failed} failed, its callers {sent_and_lost} to {all_lost + raised}"


def attempts_are_those_sent(evidence: Evidence) -> Iterator[str]:
    """A lookup counts as many attempts as requests were sent for its id until it ended.

    Left out are ids that a long stream may have asked for twice. Probes are nobody's attempts.
    """
    for run in evidence.complete_runs():
        if run.plan.kind != "gather" and run.plan.ids.has_equal and len(run.ids) > 1_000:
            continue
        for lookup in run.lookups:
            sent = len(evidence.attempts(run, lookup))
            if lookup.attempts != sent and not (fault_of(lookup.phone_number_id) and not sent):
                yield f"{run.plan.name}: {lookup.phone_number_id} has {lookup.attempts} attempts of {sent}"


LAWS_OF_REQUESTS = (
    nothing_is_left,
    requests_for_an_id_are_bounded,
    refusals_are_bounded,
    retries_wait,
    an_account_error_ends_a_run,
    an_outage_is_not_hammered,
    stats_add_up,
    attempts_are_those_sent,
)
