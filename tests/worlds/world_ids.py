"""The ids that callers of a world ask for."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias, get_args

Fault: TypeAlias = Literal["500", "dropped", "silent", "html", "404", "wrong type"]
"""How an id always fails: a 500, a broken connection, no answer, or an answer that is no number."""

FAULTS: tuple[Fault, ...] = get_args(Fault)
RETRIED_FAULTS = frozenset({"500", "dropped", "silent"})
INVALID_IDS = ("", "..", "line\nbreak", "x" * 10_000)


class Ids(NamedTuple):
    """The ids of one caller. Most of them no other uses.

    An id that always fails says so itself, after a dot: the server reads it there.

    Attributes:
        prefix: What they begin with.
        size: How many positions.
        equal: The share of positions that repeat an earlier id.
        invalid: The share of positions with an id that cannot be one.
        fault: How the bad ones fail.
        bad: Where the bad ones are.
        again: Ids of another caller, for which this one asks again.
        asks_again: The share of positions with one of these.
    """

    prefix: str
    size: int
    equal: float = 0.0
    invalid: float = 0.0
    fault: Fault = "500"
    bad: frozenset[int] = frozenset()
    again: tuple[str, ...] = ()
    asks_again: float = 0.0

    def listed(self) -> list[str]:
        chance = random.Random(self.size)
        ids: list[str] = []
        for n in range(self.size):
            if ids and chance.random() < self.equal:
                ids.append(ids[chance.randrange(len(ids))])
            elif chance.random() < self.invalid:
                ids.append(INVALID_IDS[chance.randrange(len(INVALID_IDS))])
            else:
                ids.append(f"{self.prefix}{n}" + f".{self.fault}" * (n in self.bad))
        if self.again:
            chance = random.Random(f"{self.size} again")
            for n in range(self.size):
                if chance.random() < self.asks_again:
                    ids[n] = self.again[n % len(self.again)]
        return ids

    @property
    def has_equal(self) -> bool:
        """Whether an id may come more than once."""
        return bool(self.equal or self.again)

    def bad_again(self, *, each_time: bool = False) -> Iterator[Ids]:
        """Yield the bad ids of the other caller, by fault, and without their good ones.

        Args:
            each_time: Whether an id counts as often as it comes: a run asks for it once, `get` each time.
        """
        others = [each for each in self.listed() if each in self.again] if each_time else set(self.again)
        faults = Counter(fault_of(each) for each in others if each not in INVALID_IDS)
        for fault in FAULTS:
            if faults[fault]:
                yield Ids(self.prefix, 0, fault=fault, bad=frozenset(range(faults[fault])))

    def __repr__(self) -> str:
        bad = sorted(self.bad)
        where = f", {len(bad)} of them always {self.fault!r}: {bad[:3]} to {bad[-1]}" if bad else ""
        mixed = f", equal={self.equal:.2g}" * bool(self.equal) + f", invalid={self.invalid:.2g}" * bool(
            self.invalid
        )
        again = f", {self.asks_again:.2g} of them from {self.again[:2]}..." if self.again else ""
        return f"Ids({self.size} {self.prefix!r}{mixed}{where}{again})"


def fault_of(phone_number_id: str) -> str:
    """Say how this id always fails; empty: it does not."""
    return phone_number_id.partition(".")[2]
