"""What a world is: a server, and those who use it. Plain data that prints."""

from __future__ import annotations

import math
import random
from typing import Literal, NamedTuple, TypeAlias

from world_ids import Ids

from elevenphone import Cache

ChanceFault: TypeAlias = Literal["503", "500", "dropped"]
AccountFault: TypeAlias = Literal["401", "402", "403", "quota"]
RunKind: TypeAlias = Literal["gather", "stream", "ordered stream"]
SourceKind: TypeAlias = Literal[
    "list",
    "generator",
    "slow",
    "late",
    "raises",
    "cancelled",
    "timeout around",
    "timeout inside",
    "task group",
    "failing task group",
]

BULK_DEADLINE = 300.0
WITHOUT_BOUND = 10_000
"""Places in a queue that never gets full."""
WAIT_INITIAL, WAIT_MAX = 0.1, 2.0
"""The retry policy's waits: a world draws its attempts alone."""


class Latency(NamedTuple):
    """How long an answer takes, in seconds."""

    shape: Literal["constant", "heavy tail", "two humps"]
    mean: float

    def draw(self, chance: random.Random) -> float:
        match self.shape:
            case "constant":
                return self.mean
            case "heavy tail":
                return min(self.longest, self.mean * chance.lognormvariate(-0.32, 0.8))
            case "two humps":
                return self.mean * (0.5 if chance.random() < 0.8 else 3.0)

    @property
    def longest(self) -> float:
        return self.mean * {"constant": 1.0, "heavy tail": 12.0, "two humps": 3.0}[self.shape]


class Outage(NamedTuple):
    """A time in which no request succeeds.

    "silent" answers nothing that comes in it; "half-open" refuses new connections, and
    the answers that were under way when it began never come either.
    """

    begins: float
    lasts: float
    shows: Literal["refused", "silent", "503", "half-open"]

    @property
    def ends(self) -> float:
        return self.begins + self.lasts

    @property
    def hides_answers(self) -> bool:
        return self.shows in ("silent", "half-open")


class RetryAfter(NamedTuple):
    """The wait that the server's refusals and 503s ask for: in one of them, or in each."""

    seconds: float
    often: Literal["once", "always"]


class AccountError(NamedTuple):
    """What every request is answered with from some moment on."""

    at: float
    kind: AccountFault


class ServerPlan(NamedTuple):
    """What the server does.

    Attributes:
        latency: How long an answer takes.
        limits: From which moment on how many requests may be in flight; empty for any number.
        rate: Most requests a second, on average.
        queue: How many requests wait where the limit is reached, before the next is refused.
        refusal: What its 429s for too many in flight say.
        outages: When it is away.
        failing: The share of requests that fail by chance.
        failing_as: In which way.
        cut: The share of answers that are cut short where the end of the connection ends them.
        retry_after: What its refusals and 503s ask for.
        account: What it answers everybody from some moment on.
        throttles_from: From when on it answers 429, always.
        throttles_with: The code in these answers.
    """

    latency: Latency
    limits: tuple[tuple[float, int], ...] = ()
    rate: float | None = None
    queue: int = 0
    refusal: str = "too_many_concurrent_requests"
    outages: tuple[Outage, ...] = ()
    failing: float = 0.0
    failing_as: ChanceFault = "503"
    cut: float = 0.0
    retry_after: RetryAfter | None = None
    account: AccountError | None = None
    throttles_from: float | None = None
    throttles_with: str = "rate_limit_exceeded"

    def limit_at(self, at: float) -> float:
        for begins, limit in reversed(self.limits):
            if begins <= at:
                return limit
        return math.inf

    @property
    def does_nothing_but_queue(self) -> bool:
        account = self.account is not None or self.throttles_from is not None
        return not (self.rate or self.outages or self.failing or self.cut or self.retry_after or account)

    @property
    def lowest_limit(self) -> float:
        return min((limit for _, limit in self.limits), default=math.inf)


class Source(NamedTuple):
    """How the ids come.

    Attributes:
        kind: What it is, or does at position `at`.
        at: A position.
        seconds: Between two ids for "slow", before the one at `at` for "late".
    """

    kind: SourceKind = "list"
    at: int = 0
    seconds: float = 0.0

    @property
    def fails(self) -> bool:
        return self.kind in ("raises", "cancelled", "failing task group")

    def waits(self, count: int) -> float:
        """Say for how many seconds it keeps its reader waiting, in all."""
        match self.kind:
            case "slow":
                return self.seconds * count
            case "late" | "timeout inside":
                return self.seconds
            case _:
                return 0.0


class Gets(NamedTuple):
    """Single lookups, one after the other begun.

    Attributes:
        name: Of the caller.
        starts: When the first begins.
        every: Seconds between two.
        ids: What they ask for.
        timeout: Seconds for an attempt; `None`: the client's.
        deadline: Seconds for a lookup; `None`: the client's.
        cancelled: Seconds after which each of them is cancelled, where it is.
        fresh: The positions of those that accept no answer from memory.
    """

    name: str
    starts: float
    every: float
    ids: Ids
    timeout: float | None = None
    deadline: float | None = None
    cancelled: tuple[float | None, ...] = ()
    fresh: frozenset[int] = frozenset()


class Run(NamedTuple):
    """A bulk run.

    Attributes:
        name: Of the caller.
        starts: When it begins.
        ids: What it asks for.
        source: How they come.
        deadline: Seconds for a lookup.
        kind: Whether `gather` is called, or `stream`, ordered or not.
        client: Which client is used: the second one shares the account with the first.
        pause: Seconds that the consumer of a stream takes for each lookup.
        leaves_after: With which lookup the consumer leaves.
        raises_after: With which lookup the consumer raises.
        nested: What is gathered inside of the loop of a stream, at every so many lookups.
        cancelled_at: When the caller is cancelled.
    """

    name: str
    starts: float
    ids: Ids
    source: Source = Source()
    deadline: float | None = BULK_DEADLINE
    kind: RunKind = "gather"
    client: int = 0
    pause: float = 0.0
    leaves_after: int | None = None
    raises_after: int | None = None
    nested: tuple[int, Ids] | None = None
    cancelled_at: float | None = None

    @property
    def nested_gathers(self) -> int:
        return 0 if self.nested is None else self.ids.size // self.nested[0]

    def nested_ids(self, number: int) -> Ids:
        assert self.nested is not None
        ids = self.nested[1]
        return ids._replace(prefix=f"{ids.prefix}{number}-")


class ClientPlan(NamedTuple):
    """What the client is made with."""

    timeout: float = 10.0
    deadline: float = 60.0
    attempts: int = 3
    concurrency: int | None = None
    rate: float | None = None
    cache: Cache | None = None


class World(NamedTuple):
    """A world.

    Attributes:
        seed: What it was drawn from.
        server: The server.
        client: The clients' settings.
        gets: Those who look up single numbers, on the first client.
        runs: Those who look up many.
        twins: Whether the first two runs are alike and start together.
        closes_at: When the first client is closed, while it is used.
        group_fails_at: When a task fails that is in one group with all callers.
        forgets: When the first client forgets an id, or all ids if `None`.
    """

    seed: int
    server: ServerPlan
    client: ClientPlan
    gets: tuple[Gets, ...] = ()
    runs: tuple[Run, ...] = ()
    twins: bool = False
    closes_at: float | None = None
    group_fails_at: float | None = None
    forgets: tuple[tuple[float, str | None], ...] = ()
