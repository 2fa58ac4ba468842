"""Draws who asks again for ids of others, and which clients remember answers, from its own random stream."""

from __future__ import annotations

import random

from world_ids import INVALID_IDS, Ids
from world_plan import Outage, Run, World

from elevenphone import Cache


def asking_again(world: World) -> World:
    """Let callers of some worlds ask for ids of an earlier one, or of one at the same time.

    All that was drawn before stays as it was; so do runs that are to be equal.
    """
    chance = random.Random(f"{world.seed} again")
    if chance.random() < 0.6:
        return world
    runs, gets = list(world.runs), list(world.gets)
    lenders = [runs[0].ids.listed()]
    for n, run in enumerate(runs[1:], 1):
        if not world.twins and chance.random() < 0.7:
            ids = _again(run.ids, chance.choice(lenders), chance)
            runs[n] = _later(run._replace(ids=ids), world.server.outages, chance)
        lenders.append(runs[n].ids.listed())
    for n, run in enumerate(runs):
        if run.nested is not None and chance.random() < 0.5:
            every, ids = run.nested
            runs[n] = run._replace(nested=(every, _again(ids, chance.choice(lenders), chance)))
    for n, each in enumerate(gets):
        if chance.random() < 0.7:
            gets[n] = each._replace(ids=_again(each.ids, chance.choice(lenders), chance))
        lenders.append(gets[n].ids.listed())
    world = world._replace(runs=tuple(runs), gets=tuple(gets))
    return _remembering(world, chance) if chance.random() < 0.4 else world


def _remembering(world: World, chance: random.Random) -> World:
    """Let the clients remember answers, some single lookups want new ones, and some ids be forgotten."""
    cache = Cache(
        max_age=chance.choice((0.0, 0.1, 1.0, 5.0, 60.0, 3_600.0)),
        stale_if_error=chance.choice((0.0, 0.0, 10.0, 3_600.0)),
        entries=chance.choice((1, 10, 10_000)),
    )
    gets = tuple(
        each._replace(fresh=frozenset(n for n in range(each.ids.size) if chance.random() < 0.1))
        for each in world.gets
    )
    ids = [each for gets in world.gets for each in gets.ids.listed() if each not in INVALID_IDS]
    forgets = [
        (at, chance.choice((None, *ids)))
        for at in sorted(chance.uniform(0.0, 20.0) for _ in range(chance.choice((0, 0, 1, 3))))
    ]
    return world._replace(client=world.client._replace(cache=cache), gets=gets, forgets=tuple(forgets))


def _later(run: Run, outages: tuple[Outage, ...], chance: random.Random) -> Run:
    """Let most runs begin in an outage if there is one: what they ask for may have been found before it."""
    if not outages or chance.random() < 0.3:
        return run
    outage = chance.choice(outages)
    later = outage.begins + chance.uniform(0.0, min(outage.lasts, 10.0)) - run.starts
    if later <= 0:
        return run
    cancelled_at = None if run.cancelled_at is None else run.cancelled_at + later
    return run._replace(starts=run.starts + later, cancelled_at=cancelled_at)


def _again(ids: Ids, others: list[str], chance: random.Random) -> Ids:
    """Replace ids by those of another caller: all by all of these, some by some, or some by one."""
    if not others:
        return ids
    begins = chance.randrange(len(others))
    match chance.choice(("all", "some", "one")):
        case "all":
            return ids._replace(again=tuple(others), asks_again=1.0)
        case "some":
            return ids._replace(again=tuple(others[begins:]), asks_again=chance.uniform(0.1, 1.0))
        case _:
            return ids._replace(again=(others[begins],), asks_again=chance.uniform(0.1, 1.0))
