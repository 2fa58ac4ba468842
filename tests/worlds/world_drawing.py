"""Draws a world from a seed."""

from __future__ import annotations

import math
import random

from world_bounds import slowest_answer
from world_drawing_again import asking_again
from world_ids import Fault, Ids
from world_plan import (
    WITHOUT_BOUND,
    AccountError,
    AccountFault,
    ChanceFault,
    ClientPlan,
    Gets,
    Latency,
    Outage,
    RetryAfter,
    Run,
    RunKind,
    ServerPlan,
    Source,
    SourceKind,
    World,
)

_ONE_WORLD_IN = 20
_REFUSALS = ("too_many_concurrent_requests", "concurrent_limit_exceeded", "another word")
_CHANCE_FAULTS: tuple[ChanceFault, ...] = ("503", "500", "dropped")
_ACCOUNT_FAULTS: tuple[AccountFault, ...] = ("401", "402", "403", "quota")
_RUN_KINDS: tuple[RunKind, ...] = ("gather", "stream", "ordered stream")
_SOURCES: tuple[SourceKind, ...] = (
    "generator",
    "slow",
    "late",
    "timeout around",
    "timeout inside",
    "task group",
)
_FAILING_SOURCES: tuple[SourceKind, ...] = ("raises", "cancelled", "failing task group")
_FAULTS: tuple[Fault, ...] = ("500", "500", "dropped", "silent", "html", "404", "wrong type")


def draw(seed: int) -> World:
    """Draw a world; equal seeds give equal worlds."""
    return _Drawing(seed).world()


class _Drawing:
    """One world being drawn."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._chance = random.Random(seed)
        self._large = self._chance.random() < 1 / _ONE_WORLD_IN
        # Most worlds have a few faults each: where all come together, hardly anything can be said.
        self._calm = self._chance.random() < 0.25

    def world(self) -> World:
        chance = self._chance
        server = self._server()
        client = self._client(server)
        twins = chance.random() < 0.2
        runs = self._twins() if twins else self._runs()
        gets = tuple(self._gets(f"g{n}") for n in range(chance.choice((0, 1, 1, 2))))
        busy = max((run.starts for run in runs), default=0.0) + self._between(0.01, 20.0)
        world = World(self._seed, server, client, gets, runs, twins)
        world = asking_again(self._patient(world))
        if self._calm or twins:
            return world
        return world._replace(
            closes_at=busy if self._happens(0.1) else None,
            group_fails_at=self._between(0.01, 20.0) if self._happens(0.07) else None,
        )

    # Chance

    def _happens(self, share: float) -> bool:
        return self._chance.random() < share

    def _between(self, least: float, most: float) -> float:
        """Draw so that each order of magnitude is as likely."""
        return round(math.exp(self._chance.uniform(math.log(least), math.log(most))), 4)

    def _whole(self, least: int, most: int) -> int:
        return min(most, int(self._between(max(least, 0.5), most + 1)))

    # The server

    def _server(self) -> ServerPlan:
        chance = self._chance
        latency = Latency(chance.choice(("constant", "heavy tail", "two humps")), self._between(0.01, 0.5))
        plan = ServerPlan(latency, refusal=chance.choice(_REFUSALS))
        if self._happens(0.75):
            plan = plan._replace(limits=self._limits(), queue=self._queue())
        if self._happens(0.15):
            plan = plan._replace(rate=self._between(10, 500))
        if self._calm:
            return plan
        plan = self._with_outages(plan)
        if self._happens(0.25):
            kind = chance.choice(_CHANCE_FAULTS)
            plan = plan._replace(failing=self._between(0.005, 0.3), failing_as=kind)
        if self._happens(0.1):
            plan = plan._replace(cut=self._between(0.01, 0.3))
        return self._with_refusals(plan)

    def _queue(self) -> int:
        if not self._happens(0.25):
            return 0
        return WITHOUT_BOUND if self._happens(0.4) else self._whole(1, 20)

    def _limits(self) -> tuple[tuple[float, int], ...]:
        limits = [(0.0, self._whole(2, 30))]
        if self._happens(0.2):
            for _ in range(self._whole(1, 5)):
                limits.append((limits[-1][0] + self._between(0.1, 20), self._whole(2, 30)))
        return tuple(limits)

    def _with_outages(self, plan: ServerPlan) -> ServerPlan:
        outages: list[Outage] = []
        begins = 0.0
        while self._happens(0.3) and len(outages) < 3:
            begins += self._between(0.05, 20) - 0.05
            lasts = self._between(100, 600) if self._happens(0.1) else self._between(0.2, 60)
            outages.append(
                Outage(begins, lasts, self._chance.choice(("refused", "silent", "503", "half-open")))
            )
            begins = outages[-1].ends
        return plan._replace(outages=tuple(outages))

    def _with_refusals(self, plan: ServerPlan) -> ServerPlan:
        chance = self._chance
        if self._happens(0.12):
            seconds = chance.choice((0.0, 1.0, 30.0, 3_600.0, 86_400.0, 1e15))
            plan = plan._replace(retry_after=RetryAfter(seconds, chance.choice(("once", "once", "always"))))
        if self._happens(0.08):
            kind = chance.choice(_ACCOUNT_FAULTS)
            return plan._replace(account=AccountError(self._between(0.05, 20) - 0.05, kind))
        if self._happens(0.05):
            code = chance.choice(
                ("rate_limit_exceeded", "system_busy", "too_many_concurrent_requests", "other")
            )
            return plan._replace(throttles_from=self._between(0.05, 20) - 0.05, throttles_with=code)
        return plan

    # The clients

    def _client(self, server: ServerPlan) -> ClientPlan:
        chance = self._chance
        slowest = slowest_answer(World(0, server, ClientPlan()))
        lowest = int(min(server.lowest_limit, 10))
        return ClientPlan(
            timeout=round(max(1.0, self._between(1, 10), 1.5 * slowest), 3),
            deadline=chance.choice((20.0, 60.0, 60.0)),
            attempts=chance.choice((1, 2, 3, 3, 3, 3, 5)),
            concurrency=self._whole(1, max(1, lowest)) if self._happens(0.2) else None,
            rate=self._between(20, 500) if self._happens(0.08) else None,
        )

    def _patient(self, world: World) -> World:
        """Make the deadlines of runs so long that some attempts that time out fit in."""
        least = 8 * world.client.timeout + 20
        runs = tuple(
            run if run.deadline is None else run._replace(deadline=max(run.deadline, least))
            for run in world.runs
        )
        ever = world.server.throttles_from is not None
        runs = tuple(run._replace(deadline=300.0) if ever and run.deadline is None else run for run in runs)
        return world._replace(runs=runs)

    # The callers

    def _ids(self, prefix: str, most: int) -> Ids:
        chance = self._chance
        count = 0 if self._happens(0.04) else self._whole(1, most)
        if self._large and prefix == "r0-":
            count = self._whole(1_000, 3_000)
        equal = self._between(0.01, 0.5) if self._happens(0.15) else 0.0
        invalid = self._between(0.005, 0.3) if self._happens(0.1) else 0.0
        bad: frozenset[int] = frozenset()
        if count and not self._calm and self._happens(0.35):
            some = min(count, self._whole(1, 30))
            match chance.choice(("single", "block", "scattered", "many")):
                case "single":
                    bad = frozenset({chance.choice((0, count - 1, chance.randrange(count)))})
                case "block":
                    begins = chance.choice((0, max(0, count - some), chance.randrange(count)))
                    bad = frozenset(range(begins, min(count, begins + some)))
                case "scattered":
                    bad = frozenset(chance.sample(range(count), some))
                case _:
                    bad = frozenset(chance.sample(range(count), min(count // 2 + 1, 60)))
        return Ids(prefix, count, equal, invalid, chance.choice(_FAULTS), bad)

    def _gets(self, name: str) -> Gets:
        ids = self._ids(f"{name}-", 30)._replace(equal=0.0)
        cancelled = tuple(self._between(0.001, 2.0) if self._happens(0.2) else None for _ in range(ids.size))
        return Gets(
            name,
            self._between(0.01, 20) if self._happens(0.7) else 0.0,
            self._between(0.001, 2.0),
            ids,
            timeout=self._between(0.5, 10) if self._happens(0.2) else None,
            deadline=self._between(0.5, 60) if self._happens(0.3) else None,
            cancelled=cancelled if self._happens(0.3) and not self._calm else (),
        )

    def _twins(self) -> tuple[Run, ...]:
        kind = self._chance.choice(_RUN_KINDS)
        first = Run("r0", 0.0, self._ids("r0-", 1_000), kind=kind)
        second = first._replace(name="r1", ids=first.ids._replace(prefix="r1-"))
        return first, second

    def _runs(self) -> tuple[Run, ...]:
        return tuple(self._run(f"r{n}") for n in range(self._chance.choice((0, 1, 1, 2, 2, 3)) or 1))

    def _run(self, name: str) -> Run:
        chance = self._chance
        starts = 0.0 if self._happens(0.6) else self._between(0.01, 10)
        run = Run(
            name,
            starts,
            self._ids(f"{name}-", 1_000),
            deadline=chance.choice((300.0, 300.0, 300.0, None, 30.0)),
            kind=chance.choice(_RUN_KINDS),
            client=1 if name == "r1" and self._happens(0.2) else 0,
        )
        run = run._replace(source=self._source(run.ids.size))
        if run.kind != "gather":
            run = self._with_consumer(run)
        if self._happens(0.1) and not self._calm:
            run = run._replace(cancelled_at=starts + self._between(0.001, 20))
        return run

    def _source(self, count: int) -> Source:
        if self._happens(0.4):
            return Source("list")
        kinds = _SOURCES if self._calm else _SOURCES + _FAILING_SOURCES
        kind = self._chance.choice(kinds)
        at = self._chance.randrange(count + 1)
        match kind:
            case "slow":
                return Source("slow", at, self._between(0.0005, 30.0 / (count + 1) + 0.001))
            case "late" | "timeout inside":
                return Source(kind, at, self._between(0.01, 60))
            case "raises":
                return Source("raises", at, self._chance.choice((0.0, 1.0)))
            case _:
                return Source(kind, at)

    def _with_consumer(self, run: Run) -> Run:
        count = run.ids.size
        if self._happens(0.25):
            run = run._replace(pause=self._between(0.0005, 30.0 / (count + 1) + 0.001))
        if self._happens(0.2) and count > 1:
            every = self._whole(max(1, count // 10), count)
            run = run._replace(nested=(every, self._ids(f"{run.name}n", 20)))
        if self._happens(0.2) and not self._calm and count:
            after = self._chance.randrange(count) + 1
            leaves = self._happens(0.5)
            run = run._replace(leaves_after=after) if leaves else run._replace(raises_after=after)
        return run
