"""Laws of how old an answer may be, with a client that remembers answers and with one that does not."""

from __future__ import annotations

from collections.abc import Iterator

from world_callers import GetReport
from world_evidence import Evidence

from elevenphone import Found, PhoneNumber

_EXACT = 1e-6


def gets_have_the_number_of_their_id(evidence: Evidence) -> Iterator[str]:
    """A single lookup never returns the number of another id."""
    for get in evidence.played.gets:
        number = get.outcome
        if isinstance(number, PhoneNumber) and number.phone_number_id != get.phone_number_id:
            yield f"{get.name}: {get.phone_number_id} got the number of {number.phone_number_id}"


def answers_are_new_enough(evidence: Evidence) -> Iterator[str]:
    """An answer was requested after its caller began, or not longer ago than the cache allows.

    The label of a number is the moment of its request. Runs never use an answer from memory. A
    single lookup may join one that is under way, whose last request is at most one timeout old. An
    answer older than `max_age` needs a failure. After `forget` no older answer is used.
    """
    for run in evidence.played.runs:
        for lookup in run.lookups:
            if isinstance(lookup, Found) and _requested(lookup.number) < run.called - _EXACT:
                yield f"{run.plan.name}: {lookup.phone_number_id} was requested before the run began"
    for get in evidence.played.gets:
        if not isinstance(get.outcome, PhoneNumber):
            continue
        requested, oldest = _requested(get.outcome), _oldest(evidence, get)
        if requested < oldest - _EXACT:
            yield (
                f"{get.name}: get({get.phone_number_id}) of {get.called:.3f} got an answer "
                f"requested at {requested:.3f}, before {oldest:.3f}"
            )


def answers_reach_their_callers_at_once(evidence: Evidence) -> Iterator[str]:
    """A single lookup ends with its answer, also if it has joined another, or is answered from memory.

    Not claimed of clients that may answer from memory after a failure; nor of a lookup that failed itself
    while another found its number, which the client remembers by then.
    """
    if _answers_after_failures(evidence):
        return
    ends: dict[tuple[str, float], float] = {}
    for request in sorted(evidence.log, key=lambda request: request.ended):
        ends[request.phone_number_id, request.at] = request.ended  # the last of those of one moment
    for get in evidence.played.gets:
        sent = evidence.lookup_of(get)
        has_failed = bool(sent) and sent[-1].outcome != "found"
        if isinstance(get.outcome, PhoneNumber) and not has_failed:
            answered = ends[get.phone_number_id, _requested(get.outcome)]
            if get.ended > max(get.called, answered) + _EXACT:
                late = get.ended - answered
                yield f"{get.name}: get({get.phone_number_id}) ended {late:.3f} s after its answer"


def requests_are_for_somebody(evidence: Evidence) -> Iterator[str]:
    """While a request of single lookups is under way, one of its callers waits; so for runs.

    Not claimed of clients that may answer from memory after a failure: these probe in the background.
    """
    if _answers_after_failures(evidence) or not evidence.is_finished:
        return
    ended = {run.plan.name: run.ended for run in evidence.played.runs}
    ended |= {listing.plan.name: listing.ended for listing in evidence.played.listings}
    for request in evidence.log:
        if request.caller in evidence.singles:
            until = max(
                get.ended
                for get in evidence.gets_of_id[request.phone_number_id]
                if get.called <= request.ended + _EXACT
            )
        else:
            until = ended[request.caller]
        if request.ended > until + _EXACT:
            yield f"{request.caller}: {request.phone_number_id} was requested at {request.at:.3f} for nobody"


def _answers_after_failures(evidence: Evidence) -> bool:
    cache = evidence.world.client.cache
    return cache is not None and cache.stale_if_error > 0


def _requested(number: PhoneNumber) -> float:
    return float(number.label)


def _oldest(evidence: Evidence, get: GetReport) -> float:
    """Return the earliest moment at which the answer to a get may have been requested."""
    cache = evidence.world.client.cache
    if cache is None or get.fresh:
        return get.called
    age = max(cache.max_age, evidence.world.client.timeout)
    if any(r.client == 0 and r.outcome != "found" and r.at <= get.ended for r in evidence.log):
        age = max(age, cache.max_age + cache.stale_if_error)
    return max(get.called - age, evidence.forgotten_at(get))


LAWS_OF_MEMORY = (
    gets_have_the_number_of_their_id,
    answers_are_new_enough,
    answers_reach_their_callers_at_once,
    requests_are_for_somebody,
)
