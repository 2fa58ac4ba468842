"""All laws, and the judgement of a world by them."""

from __future__ import annotations

from typing import NamedTuple

from world_evidence import Evidence
from world_laws_of_answers import LAWS_OF_ANSWERS
from world_laws_of_memory import LAWS_OF_MEMORY
from world_laws_of_requests import LAWS_OF_REQUESTS
from world_laws_of_time import LAWS_OF_TIME
from world_playing import Played

LAWS = LAWS_OF_TIME + LAWS_OF_ANSWERS + LAWS_OF_MEMORY + LAWS_OF_REQUESTS
_SHOWN = 3


class Violation(NamedTuple):
    """A law that a world breaks, and how."""

    seed: int
    law: str
    what: str

    def __str__(self) -> str:
        return f"world {self.seed}: {self.law.replace('_', ' ')}: {self.what}"


def judge(played: Played) -> list[Violation]:
    """Find the laws that a world breaks, a few cases of each."""
    evidence = Evidence(played)
    return [
        Violation(played.world.seed, law.__name__, what)
        for law in LAWS
        for what, _ in zip(law(evidence), range(_SHOWN), strict=False)
    ]
