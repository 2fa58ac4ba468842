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
    forgotten = [
        at
        for at, phone_number_id in evidence.world.forgets
        if at < get.called - _EXACT and phone_number_id in (None, get.phone_number_id)
    ]
    return max([get.called - age, *forgotten])


LAWS_OF_MEMORY = (gets_have_the_number_of_their_id, answers_are_new_enough)
