"""Whether the server is down, and whether the server or the id causes a failure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Literal, Protocol, TypeAlias

from elevenphone._limits.permit import Permit

# A streak of failures of different ids counts as an outage if chance makes one in 10,000 streaks as long,
# given the usual share of failures: six at a healthy server. Each false alarm doubles it, up to 8 times.
_CHANCE = 1e-4
_LEAST_SHARE = 0.2
# An outage is confirmed when chance explains the failed probes with ids found before only once in 1,000.
_CHANCE_OF_PROBES = 1e-3
_MOST_SUSPICION = 8
# A lookup may exceed its attempts while chance explains its failures at least this often.
_NEVER_BY_CHANCE = 1e-9
# Weight of one attempt in the share of failures. Of many ids under way, those that fail most often are
# answered last, so a share of only the last hundred attempts would be too high. At the start, the share
# counts twenty attempts without a failure.
_WEIGHT = 0.003
_FIRST_GUESS = 20
# Seconds between probes: doubling from the first to the last. A probe with an id that may itself be bad shows
# little, so such probes follow each other faster.
_FIRST_WAIT, _LAST_WAIT, _LAST_WAIT_UNSURE = 0.1, 1.0, 0.5
# Ids found before that are kept for probes: several, because one of them may begin to fail.
_KNOWN_GOOD = 4

Verdict: TypeAlias = Literal["try again", "find out", "give up"]
"""What a lookup of a bulk run does after a failure; see `OutageGate.verdict`."""


class Subject(Protocol):
    """A lookup, as the gate sees it.

    Attributes:
        url: What it asks for.
        failures: Its failures that may be its own: those in an outage are not counted.
        last_request: The number of its last request.
        counted_in: The streak of failures in which it was counted last.
        excused_in: The last outage for which its earlier failures were forgotten.
    """

    url: str
    failures: int
    counted_in: int
    excused_in: int

    @property
    def last_request(self) -> int: ...


class OutageGate:
    """Holds bulk requests back while the server is down: a few of them probe, and the rest wait.

    It closes on a streak of failures of different ids, so that no single id can
    close it. It opens with any good answer to a request sent since.

    Attributes:
        closed_at: The moment at which it closed; `None` while it is open.
        confirmed: Whether a probe that should have succeeded has failed since it closed.
        probe_failed: Whether so many probes have failed since it closed that chance hardly explains it;
            if no id was found before, whether a new id has failed.
        probe_from: The moment from which the next probe may start.
        known_good: URLs of numbers that were found: what probes ask for.
        failing_share: The usual share of failures among attempts, from 0 to 1. Only
            lookups that were answered in the end count, so an id that always fails
            does not raise it.
    """

    def __init__(self, known_good: Iterable[str] = ()) -> None:
        self.closed_at: float | None = None
        self.confirmed: bool = False
        self.probe_failed: bool = False
        self.probe_from: float = 0.0
        self.failing_share: float = 0.0
        self._closed_by = 0  # number of the newest request when it closed
        self._newest_answered = 0
        # Requests up to these numbers were sent before the end of an outage, or of a possible outage.
        self._excused_up_to = self._in_question_up_to = 0
        self._outages = self._learned = 0
        self._streak = 0
        self._streak_number = 1
        self._suspicion = 1
        self._reachable = True
        self.known_good: deque[str] = deque(known_good, maxlen=_KNOWN_GOOD)
        self._probes = self._failed_probes = 0
        self._wait = _FIRST_WAIT

    def answered(
        self, permit: Permit, newest: int, subject: Subject | None, *, found: bool, final: bool = True
    ) -> None:
        """Note an answer that shows that the server is there.

        Args:
            permit: The request.
            newest: The number of the newest request.
            subject: The lookup, or `None` for a probe.
            found: Whether the answer was a number, so that its id can serve for probes.
            final: Whether it ends the lookup; a 429 does not, and teaches nothing about any id.
        """
        number = permit.number
        if final and number > self._newest_answered:
            self._newest_answered = number
        if subject is not None:
            if found:
                self.known_good.append(subject.url)
            if final and subject.failures:
                self._excuse(subject)
            if final and (subject.failures or self.failing_share):
                self._learn_share(subject.failures)
        if self._streak and (self.closed_at is None or number > self._closed_by):
            self._streak = 0
            self._streak_number += 1
            if self.closed_at is not None:
                self._open(newest)

    def failed(
        self, permit: Permit, newest: int, now: float, subject: Subject | None, *, reached: bool
    ) -> bool:
        """Note a failure.

        Args:
            permit: The request.
            newest: The number of the newest request.
            now: The moment.
            subject: The lookup, or `None` for a probe.
            reached: Whether the request reached the server.

        Returns:
            Whether this failure is a sign that the server is overloaded or away.
        """
        self._reachable = reached
        if subject is not None:
            if others := [url for url in self.known_good if url != subject.url]:
                self.known_good = deque(others, _KNOWN_GOOD)  # if none is left, the server may be away
            if reached:
                self._count(permit, subject)
        if subject is None or not reached or subject.counted_in != self._streak_number:
            self._streak += 1
            if subject is not None:
                subject.counted_in = self._streak_number
        if self.closed_at is None:
            usual = max(self.failing_share, _LEAST_SHARE)
            if usual ** (self._streak / self._suspicion) >= _CHANCE:
                return False
            self.close(now, newest)
            # Six ids that fail may be bad ids: a probe tells first whether this is an outage.
            return not reached and self._confirm()
        if permit.number <= self._closed_by:
            return False
        is_sure = permit.probe_url is not None or not reached
        if not self.known_good:
            self.probe_failed = True
        if not is_sure:
            return False  # the id may be the reason
        if reached:
            # Probes fail by chance as other requests do.
            self._failed_probes += 1
            if self.failing_share**self._failed_probes >= _CHANCE_OF_PROBES:
                return False
        self.probe_failed = True
        return self._confirm()

    def close(self, now: float, newest: int) -> None:
        """Hold bulk until a probe is answered."""
        self.closed_at = self.probe_from = now
        self.confirmed = self.probe_failed = False
        self._failed_probes = 0
        self._closed_by = newest
        self._streak = max(self._streak, 1)
        self._wait = _FIRST_WAIT

    def give_up(self) -> None:
        """Open without an answer: nothing is left that a probe could ask for."""
        self._streak = 0
        self.closed_at = None
        self.confirmed = False

    def _open(self, newest: int) -> None:
        if self.confirmed:
            self._suspicion = 1
            self._excused_up_to = newest
        else:
            self._suspicion = min(2 * self._suspicion, _MOST_SUSPICION)
            if self._failed_probes:
                self._in_question_up_to = newest
        self.closed_at = None
        self.confirmed = False

    def _confirm(self) -> bool:
        if self.confirmed:
            return False
        self.confirmed = True
        self._outages += 1
        return True

    def _count(self, permit: Permit, subject: Subject) -> None:
        self._excuse(subject)
        if not (self.closed_at is not None and self.confirmed) and permit.number > self._excused_up_to:
            subject.failures += 1

    def _excuse(self, subject: Subject) -> None:
        """Forget failures from before an outage was confirmed: they were its first signs."""
        if subject.excused_in != self._outages:
            subject.excused_in = self._outages
            subject.failures = 0

    def _learn_share(self, failures: int) -> None:
        share = self.failing_share
        for outcome in [1] * failures + [0]:
            self._learned += 1
            share += max(_WEIGHT, 1 / (self._learned + _FIRST_GUESS)) * (outcome - share)
        self.failing_share = share

    # Probes

    def accepts(self, *, fresh: bool) -> bool:
        """Say whether a lookup may probe: one that has failed before proves nothing by failing again."""
        return fresh or bool(self.known_good) or not self._reachable

    def started(self, permit: Permit, now: float, *, fresh: bool) -> None:
        """Note that a bulk request has started while the gate is closed: it is a probe.

        Args:
            permit: The request; its `probe_url` is set if it is to ask for an id found before.
            now: The moment.
            fresh: Whether its own id has not been asked for yet.
        """
        self._probes += 1
        if self.known_good and not (fresh and self._probes % 2 == 0):
            self.known_good.rotate(1)
            permit.probe_url = self.known_good[0]
        sure = permit.probe_url is not None or not self._reachable
        self.probe_from = now + self._wait
        self._wait = min(2 * self._wait, _LAST_WAIT if sure else _LAST_WAIT_UNSURE)

    # The id or the server?

    def verdict(self, subject: Subject, attempts: int, now: float, newest: int) -> Verdict:
        """Say whether a lookup that has failed goes on.

        Args:
            subject: The lookup.
            attempts: The attempts that its policy allows.
            now: The moment.
            newest: The number of the newest request.

        Returns:
            `"try again"`; `"give up"`: the failures are the id's own; `"find out"`: a
            probe decides, for which the gate is closed.
        """
        self._excuse(subject)
        if subject.failures < attempts or self.failing_share**subject.failures > _NEVER_BY_CHANCE:
            return "try again"
        if self.closed_at is not None:
            return "find out"
        if subject.last_request <= self._in_question_up_to:
            return "try again"  # a probe failed at about the same time: one more attempt tells
        if self._newest_answered > subject.last_request or not self.known_good:
            return "give up"
        self.close(now, newest)
        return "find out"

    def __repr__(self) -> str:
        state = "open" if self.closed_at is None else "away" if self.confirmed else "closed"
        return f"<OutageGate {state}, {self.failing_share:.0%} usually fail>"
