"""How long things may take in a world, worked out from what is in it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from world_ids import RETRIED_FAULTS, Ids
from world_plan import WAIT_INITIAL, WAIT_MAX, Run, World

LONGEST_PAUSE = 60.0
"""Seconds for which one Retry-After may have an effect."""

LONGEST_BUSY_PAUSE = 8.0
"""Seconds that a client waits at most where the service is busy as a whole and names no time."""

LONGEST_PAUSE_ALONE = 0.4
"""The same where a request is refused though its client has no other in flight."""

_NEVER_BY_CHANCE = 1e-9
# Where only bad ids are left to ask for, each of them is a probe.
_SLACK, _PROBES_EVERY = 10.0, 0.5
_MOST_IN_FLIGHT = 100
_FEW_BEFORE_A_QUEUE = 2
_USABLE_SLOTS = 8.0
"""Where a client begins its search: a run that is served by more is not asked to be faster."""

# A client that finds a limit by being refused, beside others that do so, may take this many times the ideal.
_SEARCH = 2.0
_SEARCH_FOR_RATE_SECONDS = 15.0


def chance_of_failing(world: World) -> float:
    """The share of attempts that fail though nothing is wrong with their id, as a client may see it.

    Short timeouts count, and outages in which too few ids were under way to tell them from chance.
    """
    server, slowest = world.server, slowest_answer(world)
    share = server.failing + server.cut + (0.1 if server.outages else 0.0)
    if any(gets.timeout is not None and gets.timeout <= slowest for gets in world.gets):
        share += 0.2
    return share + 0.05 if slowest >= world.client.timeout else share


def slowest_answer(world: World) -> float:
    """Seconds that an answer takes at most, a wait in the server's queue included."""
    server = world.server
    waiting = min(server.queue, _MOST_IN_FLIGHT * len({run.client for run in world.runs} | {0}))
    return server.latency.longest * (1 + waiting / server.lowest_limit)


def most_attempts(world: World) -> int:
    """How many attempts a lookup may make, 429s aside and those in outages, before it is the id's fault.

    Where answers fail at random, as many as chance may explain; and all of them once more after each
    outage, since the failures just before it may have been its first signs.
    """
    attempts = world.client.attempts
    share = chance_of_failing(world)
    if share and attempts > 1:
        # Measured shares scatter, most of all where few ids have been answered.
        measured = min(0.8, 2 * share + 0.1)
        attempts = max(attempts, math.ceil(math.log(_NEVER_BY_CHANCE) / math.log(measured)) + 1)
    return attempts * (1 + len(world.server.outages))


def waits(attempts: int) -> float:
    """Seconds between so many attempts at most."""
    return sum(min(WAIT_MAX, WAIT_INITIAL * 2.0**n) for n in range(attempts - 1))


def attempt_takes(world: World, ids: Ids, timeout: float) -> float:
    """Seconds that an attempt for a bad id takes."""
    return timeout if ids.fault == "silent" else slowest_answer(world)


def slots(world: World) -> float:
    """Requests in flight that a client is sure to find out that it may have: of a shared limit, half.

    If the server works on two at once and queues the rest, one is enough to keep its queue short.
    """
    share = world.server.lowest_limit / len({run.client for run in world.runs} | {0})
    if world.server.queue and share <= _FEW_BEFORE_A_QUEUE:
        return 1.0
    return max(1.0, min(share, world.client.concurrency or math.inf, _USABLE_SLOTS))


def outage_seconds(world: World) -> float:
    """Seconds that outages take, until all that was caught in them has been noticed."""
    return sum(
        outage.lasts + (world.client.timeout if outage.hides_answers else 0.0) + WAIT_MAX
        for outage in world.server.outages
    )


def ends_runs_for_time(world: World, deadline: float) -> bool:
    """Tell whether the server is away or refuses for so long that lookups may fail for it."""
    return world.server.throttles_from is not None or outage_seconds(world) >= 0.9 * deadline - _SLACK


def all_ids(world: World) -> Iterable[tuple[Ids, float]]:
    """Yield all ids that are asked for, and the seconds that an attempt for them may take.

    The bad ones of another caller come once more, with whoever asks for them again.
    """
    timeout = world.client.timeout
    for gets in world.gets:
        yield gets.ids, gets.timeout or timeout
        yield from ((ids, gets.timeout or timeout) for ids in gets.ids.bad_again(each_time=True))
    if world.listed is not None:
        yield Ids("page", world.listed.pages), timeout
    for run in world.runs:
        yield run.ids, timeout
        yield from ((ids, timeout) for ids in run.ids.bad_again())
        for number in range(1, run.nested_gathers + 1):
            yield run.nested_ids(number), timeout
            yield from ((ids, timeout) for ids in run.nested_ids(number).bad_again())


def work_takes(world: World) -> float:
    """Seconds for all that all callers ask for, on a server that is never away."""
    server, attempts = world.server, most_attempts(world)
    share = min(0.9, chance_of_failing(world))
    good = requests = bad = 0.0
    for ids, timeout in all_ids(world):
        good += ids.size * server.latency.mean / (1 - share)
        tries = attempts if ids.fault in RETRIED_FAULTS else 1
        requests += ids.size / (1 - share) + len(ids.bad) * tries
        bad += len(ids.bad) * tries * attempt_takes(world, ids, timeout)
    rate = min(server.rate or math.inf, world.client.rate or math.inf)
    by_rate = requests / rate * _SEARCH + (_SEARCH_FOR_RATE_SECONDS if server.rate else 0.0)
    # A refusal with a wait is taken to be about a rate, and a pace that was cut comes back slowly.
    search = (
        2 * _SEARCH if server.retry_after is not None and server.retry_after.often == "always" else _SEARCH
    )
    probes = _PROBES_EVERY * sum(len(ids.bad) for ids, _ in all_ids(world))
    return search * good / slots(world) + by_rate + 1.5 * bad / slots(world) + max(_SLACK, probes)


def last_lookup_takes(world: World) -> float:
    """Seconds from when a lookup begins to when it ends at the latest, outages and pauses aside."""
    attempts = most_attempts(world)
    slow = max(attempt_takes(world, ids, timeout) for ids, timeout in all_ids(world))
    return attempts * slow + waits(attempts)


def callers_own_time(world: World, run: Run) -> float:
    """Seconds that a run's source and consumer take themselves."""
    nested = run.nested_gathers * (4 * slowest_answer(world) + 1.0)
    if run.nested_gathers and chance_of_failing(world):
        nested += run.nested_gathers * run.nested_ids(1).size * chance_of_failing(world) * WAIT_MAX
    if run.nested_gathers:
        attempts, ids = most_attempts(world), run.nested_ids(1)
        for bad in (each for each in (ids, *ids.bad_again()) if each.bad):
            takes = attempt_takes(world, bad, world.client.timeout)
            nested += run.nested_gathers * (attempts * takes + waits(attempts))
    return run.source.waits(run.ids.size) + run.pause * run.ids.size + nested


def run_takes(world: World, run: Run, paused: float) -> float:
    """Seconds that a run takes at most.

    Args:
        world: The world.
        run: The run.
        paused: Seconds for which the server has asked to wait while the run lasted.
    """
    deadline = math.inf if run.deadline is None else run.deadline
    for_time = 0.0
    if ends_runs_for_time(world, deadline) and deadline < math.inf:
        for_time = (1 + run.nested_gathers) * (deadline + LONGEST_PAUSE)
    if world.server.throttles_from is not None:
        # Single lookups come first, and one attempt may cost a pause.
        # That of a busy service, or the one that the server names, for which a lookup ends at once.
        named = 0.0 if world.server.retry_after is None else world.server.retry_after.seconds
        longest = max(LONGEST_BUSY_PAUSE * world.client.attempts, min(named, LONGEST_PAUSE))
        for_time += longest * sum(gets.ids.size for gets in world.gets)
        # A pause before the first of these refusals counts as time without a good answer.
        paused = min(paused, LONGEST_PAUSE)
    return (
        callers_own_time(world, run)
        + work_takes(world)
        + last_lookup_takes(world)
        + outage_seconds(world)
        + paused
        + for_time
    )


def horizon_of(world: World) -> float:
    """Say by when a world has ended for sure."""
    paused = 0.0
    if world.server.retry_after is not None:
        paused = 20_000.0 if world.server.retry_after.often == "always" else LONGEST_PAUSE
    runs = [run.starts + 2 * run_takes(world, run, paused) for run in world.runs]
    gets = [gets.starts + gets.every * gets.ids.size + 2 * work_takes(world) for gets in world.gets]
    return max(runs + gets) + 500 + outage_seconds(world) + paused
