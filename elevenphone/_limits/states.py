"""The states of the concurrency limit: how it grows in each of them."""

from __future__ import annotations

import math
from typing import ClassVar, TypeAlias

import msgspec

# Alone: seconds until one more is tried: 20 request-seconds, within these bounds. That is one refusal in some
# 300 requests of 60 ms, and a client that starts later soon finds room.
_HOLD_REQUEST_SECONDS = 20.0
_HOLD_LEAST, _HOLD_MOST = 3.0, 6.5
# Alone: what a refusal leaves, so that another client of the account can get in at all; for how long at
# least; and the part of the limit by which it then grows in a second.
_LEFT_WHEN_ALONE = 0.9
_STEP_BACK_SECONDS = 0.5
_RETURN_A_SECOND = 0.3
_LEAST_RETURN_A_SECOND = 0.5

# Shared: what a refusal leaves, seconds until growth, and the growth a second of a limit of 1. A larger limit
# grows more slowly, by a power of the limit, so that clients with a smaller one catch up.
_LEFT_WHEN_SHARED = 0.75
_HOLD_WHEN_SHARED = 0.1
_GROWTH_WHEN_SHARED = 36.0
_GROWTH_EXPONENT = -1.5
# Seconds without a refusal after which growth gets faster, by the cube: the others may have left.
_FASTER_AFTER = 0.45
# The growth a second, as a part of the limit, while other clients are only assumed.
_GROWTH_WHEN_ASSUMED = 1.0

# Searching: from so many in flight on, an answer adds less than one, and one that took long takes back what
# the others added since its request was sent. A server shows a queue only after a round of growth.
_LARGE, _GROWTH_WHEN_LARGE = 32.0, 0.75


class Searching(msgspec.Struct, frozen=True, gc=False):
    """Nothing was refused yet, or the limit has risen: it doubles with each round of answers."""

    ceiling: ClassVar[float] = math.inf

    def grown(self, value: float, now: float, grown_at: float) -> float:  # noqa: ARG002
        """Grow by one for each answer; by less if the limit is large."""
        return value + (1.0 if value < _LARGE else _GROWTH_WHEN_LARGE)

    def grown_too_far(self, value: float, in_flight: int) -> float:
        """Return to the number in flight at which a request waited long, unless the limit is small."""
        return min(value, max(_LARGE, in_flight))

    def passed(self) -> State:
        """Stay: there is no ceiling."""
        return self


class Shared(msgspec.Struct, frozen=True, gc=False):
    """Other clients are assumed to use the account: growth by the clock, slower for a larger limit.

    Together with a cut by a part of the limit, this makes shares equal (AIMD).

    Attributes:
        ceiling: What the server accepted at the last refusal; infinite once more was accepted.
        refused_at: The time of the last refusal.
        grow_from: The time from which the limit grows.
        others_seen: Whether a refusal has shown that others exist; until then the limit grows faster.
    """

    ceiling: float
    refused_at: float
    grow_from: float
    others_seen: bool

    @classmethod
    def after_refusal(cls, ceiling: float, now: float, spread: float, others_seen: bool) -> Shared:
        """Wait a moment before growing."""
        return cls(ceiling, now, now + spread * _HOLD_WHEN_SHARED, others_seen)

    @property
    def value_after_refusal(self) -> float:
        """Cut a quarter."""
        return self.ceiling * _LEFT_WHEN_SHARED

    def grown(self, value: float, now: float, grown_at: float) -> float:
        """Grow by the time since the last answer; faster the longer nothing was refused."""
        if now < self.grow_from:
            return value
        faster = max(1.0, (now - self.refused_at) / _FASTER_AFTER) ** 3
        a_second: float = _GROWTH_WHEN_SHARED * value**_GROWTH_EXPONENT * faster
        if not self.others_seen:
            a_second = max(a_second, _GROWTH_WHEN_ASSUMED * value)
        return value + min(1.0, a_second * (now - grown_at))

    def passed(self) -> State:
        """Forget the ceiling: others come and go."""
        return Shared(math.inf, self.refused_at, self.grow_from, self.others_seen)


class Alone(msgspec.Struct, frozen=True, gc=False):
    """No other client uses the account: the limit stays at the ceiling, and sometimes one more is tried.

    Attributes:
        ceiling: What the server accepted at the last refusal.
        grow_from: The time from which the limit returns to the ceiling.
        try_from: The time from which one more is tried.
    """

    ceiling: float
    grow_from: float
    try_from: float

    @classmethod
    def after_refusal(cls, ceiling: float, now: float, spread: float) -> Alone:
        """Step back for a moment, and stay at the ceiling for some seconds."""
        hold = min(max(_HOLD_REQUEST_SECONDS / ceiling, _HOLD_LEAST), _HOLD_MOST)
        return cls(ceiling, now + spread * _STEP_BACK_SECONDS, now + spread * hold)

    @property
    def value_after_refusal(self) -> float:
        """Cut a tenth."""
        return self.ceiling * _LEFT_WHEN_ALONE

    def grown(self, value: float, now: float, grown_at: float) -> float:
        """Return to the ceiling; after the hold, exceed it."""
        if value < self.ceiling:
            if now < self.grow_from:
                return value
            a_second = max(_LEAST_RETURN_A_SECOND, _RETURN_A_SECOND * value)
            return min(self.ceiling, value + min(1.0, a_second * (now - grown_at)))
        return value if now < self.try_from else value + 1.0 / value

    def passed(self) -> State:
        """Search again: the limit has risen by an unknown amount."""
        return Searching()


class Recovering(msgspec.Struct, frozen=True, gc=False):
    """The server failed: the limit was cut by half, and grows back by one for each answer.

    Attributes:
        ceiling: The limit before the cut.
        failed_at: The time of the cut.
        alone: Whether no other client uses the account.
        others_seen: Whether a refusal has shown that others do.
    """

    ceiling: float
    failed_at: float
    alone: bool
    others_seen: bool

    def grown(self, value: float, now: float, grown_at: float) -> float:  # noqa: ARG002
        """Grow by one for each answer, up to the ceiling."""
        return min(value + 1.0, self.ceiling)

    def recovered(self, now: float) -> State:
        """Return to the state before."""
        if self.alone:
            return Alone(self.ceiling, now, now + _HOLD_LEAST)
        return Shared(self.ceiling, self.failed_at, now, self.others_seen)

    def passed(self) -> State:
        """Return to the state before, without a ceiling."""
        if self.alone:
            return Searching()
        return Shared(math.inf, self.failed_at, self.failed_at, self.others_seen)


State: TypeAlias = Searching | Shared | Alone | Recovering
