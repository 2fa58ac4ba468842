"""Which request goes wrong, and how; decided from the seed."""

from __future__ import annotations

from random import Random

from elevenphone.emulator._settings import Fault, Settings

_BY_NAME = {fault.value: fault for fault in Fault}


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
        for name, fault in _BY_NAME.items():
            drawn -= probabilities[name]
            if drawn < 0:
                return fault
        return None
