"""When the server is taken to be away, and who finds out that it is back."""

from __future__ import annotations

import math

from elevenphone._limits.permit import Permit

# An outage is as many failures in a row as chance would make once in 10,000 answers, given the share that
# failed before: six of a healthy server, so that some bad answers hold up nobody.
_CHANCE = 1e-4
_LEAST_SHARE = 0.2
# Weight of one answer in the share that fails: some thirty answers make the picture.
_WEIGHT = 0.03
# Seconds between probes, doubling from the first to the last.
_FIRST_WAIT = 0.1
_LAST_WAIT = 1.0


class OutageGate:
    """Holds bulk while the server is away: one request at a time probes, the rest wait.

    Attributes:
        closed_at: Since when it has been closed; `None`: it is open.
        failing_share: The share of the last answers that were failures, from 0 to 1.
        failing_since: When the first request of the last failures in a row was sent.
    """

    def __init__(self) -> None:
        self.closed_at: float | None = None
        self.failing_share = 0.0
        self.failing_since = 0.0
        self._share_before = 0.0
        self._streak = 0
        self._probe: Permit | None = None
        self._probe_from = 0.0
        self._wait = _FIRST_WAIT

    def ready_at(self) -> float:
        """Say when the next bulk request may start while it is closed; infinity during a probe."""
        return self._probe_from if self._probe is None else math.inf

    def started(self, permit: Permit) -> None:
        """Note that a bulk request has started while it is closed: the probe."""
        self._probe = permit

    def withdrawn(self, permit: Permit) -> None:
        """Note that a request was called off; had it been the probe, the next may go."""
        if permit is self._probe:
            self._probe = None

    def answered(self, permit: Permit) -> None:
        """Note an answer; one to a request sent since the gate closed opens it."""
        if not self.failing_share:
            return  # nothing has failed yet
        self.failing_share *= 1 - _WEIGHT
        if self.closed_at is None or permit.started >= self.closed_at:
            self._share_before = self.failing_share
            self._streak = 0
            self.closed_at = None
            self._probe = None
            self._wait = _FIRST_WAIT

    def failed(self, permit: Permit, now: float) -> bool:
        """Note a failure.

        Args:
            permit: The request that failed.
            now: The moment.

        Returns:
            Whether it closed the gate.
        """
        self.failing_share += _WEIGHT * (1 - self.failing_share)
        self._streak += 1
        self.failing_since = permit.started if self._streak == 1 else min(self.failing_since, permit.started)
        if self.closed_at is None:
            if max(self._share_before, _LEAST_SHARE) ** self._streak >= _CHANCE:
                return False
            self.closed_at = self._probe_from = now
            return True
        if permit is self._probe:
            self._probe = None
            self._probe_from = now + self._wait
            self._wait = min(2 * self._wait, _LAST_WAIT)
        return False
