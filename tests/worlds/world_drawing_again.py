"""Draws which callers of a world ask again for ids of another one, from a random stream of its own."""

from __future__ import annotations

import random

from world_ids import Ids
from world_plan import World


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
            runs[n] = run._replace(ids=_again(run.ids, chance.choice(lenders), chance))
        lenders.append(runs[n].ids.listed())
    for n, run in enumerate(runs):
        if run.nested is not None and chance.random() < 0.5:
            every, ids = run.nested
            runs[n] = run._replace(nested=(every, _again(ids, chance.choice(lenders), chance)))
    for n, each in enumerate(gets):
        if chance.random() < 0.7:
            gets[n] = each._replace(ids=_again(each.ids, chance.choice(lenders), chance))
        lenders.append(gets[n].ids.listed())
    return world._replace(runs=tuple(runs), gets=tuple(gets))


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
