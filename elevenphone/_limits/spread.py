"""Random times, so that the clients of a server do not all do the same at the same moment."""

from __future__ import annotations

from collections.abc import Callable


def spread(random: Callable[[], float]) -> float:
    """Return a random factor from 0.75 to 1.25 for a time.

    Args:
        random: Returns a random number from 0 to 1.
    """
    return 0.75 + 0.5 * random()
