"""Which request goes wrong, and how; decided from the seed."""

from __future__ import annotations

from random import Random

from elevenphone.emulator._settings import Fault, Settings


class FaultPlan:
    """Picks at most one fault for each request.

    Exactly one number is drawn for each request, so that a fault that is
    switched on changes nothing for the faults before it in `Fault`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._random = Random(f"{settings.seed}/faults")

    def draw(self) -> Fault | None:
        """Decide for the next request."""
        drawn = self._random.random()
        probabilities = vars(self._settings)
        for fault in Fault:
            drawn -= probabilities[fault.value]
            if drawn < 0:
                return fault
        return None
