"""What the log of a world's server says about single ids and times."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import takewhile

from world_bounds import LONGEST_PAUSE, LONGEST_PAUSE_ALONE, waits
from world_callers import GetReport, RunReport
from world_ids import INVALID_IDS, fault_of
from world_plan import WAIT_MAX, Outage, World
from world_playing import Played
from world_server import Request

from elevenphone import ElevenPhoneError, Failed, Lookup

_EXACT = 1e-6


class Evidence:
    """A played world, its log sorted by id.

    Attributes:
        played: What happened.
        world: The world.
        requests: The attempts of each lookup, by the name of its caller and its id, in order.
        probes: The requests that were no attempts.
        log: All requests; those of the peace afterwards left out.
        singles: The names of all single lookups.
        gets_of_id: The single lookups of each id, in the order in which they were called.
    """

    def __init__(self, played: Played) -> None:
        self.played = played
        self.world: World = played.world
        self.log = played.server.log[: played.in_peace]
        self.requests: dict[tuple[str, str], list[Request]] = defaultdict(list)
        self.probes = [request for request in self.log if request.probe]
        for request in self.log:
            if not request.probe:
                self.requests[request.caller, request.phone_number_id].append(request)
        self.singles = {get.name for get in played.gets}
        self.gets_of_id: dict[str, list[GetReport]] = defaultdict(list)
        for get in sorted(played.gets, key=lambda get: get.called):
            self.gets_of_id[get.phone_number_id].append(get)

    def complete_runs(self) -> Iterator[RunReport]:
        """Yield the runs that ended as planned: with all of their lookups."""
        for run in self.played.runs:
            if run.ended >= 0 and run.error is None and not run.plan.leaves_after:
                yield run

    @property
    def is_finished(self) -> bool:
        """Whether the world came to its end by itself."""
        return self.played.crash is None and not self.played.stuck

    def was_cut_off(self) -> bool:
        """Tell whether some caller has not seen all that was done for it."""
        return (
            any(run.cancelled is not None or run.error is not None for run in self.played.runs)
            or any(run.plan.leaves_after for run in self.played.runs)
            or any(get.cancelled for get in self.played.gets)
            or any(listing.cancelled for listing in self.played.listings)
            or self.world.closes_at is not None
            or not self.is_finished
        )

    def was_closed(self, run: RunReport) -> bool:
        """Tell whether the client of a run was closed before it ended."""
        closes_at = self.world.closes_at
        return run.plan.client == 0 and closes_at is not None and run.ended >= closes_at - _EXACT

    def attempts_of(self, get: GetReport) -> list[Request]:
        """Return the requests of a single lookup."""
        return self.requests[get.name, get.phone_number_id]

    def forgotten_at(self, get: GetReport) -> float:
        """Return when the id of a single lookup was forgotten last before it."""
        return max(
            (
                at
                for at, phone_number_id in self.world.forgets
                if at < get.called - _EXACT and phone_number_id in (None, get.phone_number_id)
            ),
            default=-math.inf,
        )

    def lookup_of(self, get: GetReport) -> list[Request]:
        """Return the requests of a single lookup, or of the one that it has joined.

        That is the latest one for its id that was not over when it was called, as far as the log shows
        it, and that began after the id was forgotten.
        """
        own, cache = self.attempts_of(get), self.world.client.cache
        if own or cache is None or get.fresh or get.timeout != self.world.client.timeout:
            return own
        latest, forgotten = own, self.forgotten_at(get)
        for other in self.gets_of_id[get.phone_number_id]:
            sent = self.attempts_of(other)
            could_join = not other.fresh and other.timeout == get.timeout
            if not (could_join and sent and forgotten < other.called <= get.called):
                continue
            if sent[-1].ended > get.called or other.ended >= get.called:
                latest = sent
        return latest

    def attempts(self, run: RunReport, lookup: Lookup) -> list[Request]:
        """Return the requests of a lookup of a run."""
        return self.requests[run.plan.name, lookup.phone_number_id]

    def turns_of_probes(self, deadline: float) -> Iterator[tuple[float, float]]:
        """Yield when each probe of the first client began, and when the last before its deadline ended."""
        probes = [request for request in self.probes if request.client == 0]
        for first in probes:
            yield first.at, max(probe.ended for probe in probes if probe.at < first.at + deadline)

    def unlucky_probes(self, client: int) -> int:
        """Count the probes of a client that failed by chance."""
        return sum(
            request.client == client and request.outcome in ("by chance", "cut") for request in self.probes
        )

    def in_outage(self, request: Request) -> bool:
        """Tell whether a request had to do with an outage."""
        return any(
            outage.begins <= request.ended and request.at < outage.ends
            for outage in self.world.server.outages
        )

    def is_long(self, outage: Outage) -> bool:
        """Tell whether an outage outlasts all attempts of a lookup that begins in it."""
        attempts = self.world.client.attempts
        return outage.lasts >= attempts * self._failure_takes(outage) + waits(attempts) + 5.0

    def _failure_takes(self, outage: Outage) -> float:
        """Return the seconds after which a request in an outage fails."""
        return self.world.client.timeout if outage.hides_answers else 0.01

    def failures(self, requests: list[Request]) -> int:
        """Count the failures of a lookup's requests that count as its id's own.

        Those in an outage do, if it was too short to differ from bad luck; connections that
        were refused never do. If a probe after the last attempt, after the wait that the server has asked
        for, and after single lookups that took all slots, could not fail before the outage ended, nobody
        can tell any more.
        """
        if not requests:
            return 0
        last = requests[-1]
        decided = max(last.ended, self.asked_to_wait_until(last.client, last.ended))
        return sum(self._is_failure(request, decided) for request in requests)

    def _is_failure(self, request: Request, decided: float) -> bool:
        match request.outcome:
            case "by chance" | "cut" | "bad":
                return True
            case "away" | "abandoned" | "under way":
                outages = [
                    outage
                    for outage in self.world.server.outages
                    if outage.begins <= request.ended
                    and request.at < outage.ends
                    and (outage.hides_answers or request.outcome == "away")
                ]
                if any(
                    self.is_long(outage) and self._probe_fails(request, outage, decided) for outage in outages
                ):
                    return False
                if request.outcome == "away":
                    return all(outage.shows == "503" for outage in outages)
                return True
            case _:
                return False

    def _probe_fails(self, request: Request, outage: Outage, moment: float) -> bool:
        """Tell whether a probe that its client may send after some moment fails in this outage."""
        latest = outage.ends - self._failure_takes(outage)
        singles_first = request.client == 0 and self.singles_come_first(moment, latest)
        return moment < latest and not singles_first

    def paused(self, client: int, begins: float, ends: float) -> float:
        """Count the seconds of some time in which answers had asked this client to wait."""
        seconds, until = 0.0, begins
        for request in self.log:
            if request.retry_after is None or request.client != client or not 0 <= request.ended < ends:
                continue
            pause_ends = min(request.ended + min(request.retry_after, LONGEST_PAUSE) + 0.1, ends)
            if pause_ends > until:
                seconds += pause_ends - max(until, request.ended)
                until = pause_ends
        return seconds

    def asked_to_wait_until(self, client: int, moment: float) -> float:
        """Return the latest end of the waits that answers before `moment` asked this client for."""
        return max(
            (
                request.ended + min(request.retry_after, LONGEST_PAUSE)
                for request in self.log
                if request.retry_after is not None
                and request.client == client
                and request.ended <= moment + _EXACT
            ),
            default=-math.inf,
        )

    def asked_to_wait_beyond(self, client: int, moment: float) -> bool:
        """Tell whether an answer before `moment` asked this client to wait until after it."""
        return self.asked_to_wait_until(client, moment) + 0.2 >= moment

    def longest_absence(self, client: int) -> float:
        """Return the longest time for which outages and waits kept this client from its server, in seconds.

        A wait that an answer in an outage asks for lengthens it.
        """
        timeout = self.world.client.timeout
        absences = [
            (outage.begins, outage.ends + (timeout if outage.hides_answers else 0.0))
            for outage in self.world.server.outages
        ]
        absences += [
            (request.ended, request.ended + min(request.retry_after, LONGEST_PAUSE))
            for request in self.log
            if request.retry_after is not None and request.client == client and request.ended >= 0
        ]
        longest, begun, until = 0.0, 0.0, -math.inf
        for begins, ends in sorted(absences):
            if begins > until + WAIT_MAX:
                begun = begins
            until = max(until, ends)
            longest = max(longest, until - begun)
        return longest

    def singles_come_first(self, begins: float, ends: float) -> bool:
        """Tell whether the first client did nothing but single lookups, all of this time."""
        until = begins
        for get in sorted(self.played.gets, key=lambda get: get.called):
            if get.called <= until:
                until = max(until, get.ended)
        return begins < ends <= until and not any(
            request.client == 0
            and begins < request.at < ends
            and (request.caller not in self.singles or request.probe)
            for request in self.log
        )

    def was_crowded_out(self, requests: list[Request], seconds: float) -> bool:
        """Tell whether for so long the other client left no place for these requests.

        A client that adapts gives places up, but one with a fixed number in flight begins the next
        request in the moment in which one ends. Requests in an outage are left out.
        """
        asked = [request for request in requests if not self.in_outage(request)]
        if self.world.client.concurrency is None or not asked:
            return False
        longest_wait = WAIT_MAX + LONGEST_PAUSE_ALONE
        return requests[-1].ended + longest_wait >= requests[0].at + seconds and all(
            request.outcome == "refused" and self._worked_for_others(request) for request in asked
        )

    def refused_at_the_end(self, run: RunReport) -> list[Request]:
        """Return the requests of the client of a run after the last that was not refused, up to its end."""
        sent = [r for r in self.log if r.client == run.plan.client and r.at <= run.ended]
        return list(takewhile(lambda request: request.outcome == "refused", reversed(sent)))[::-1]

    def _worked_for_others(self, request: Request) -> bool:
        """Tell whether the server worked on requests of another client when it refused this one."""
        return any(
            other.client != request.client
            and other.outcome != "refused"
            and other.at <= request.at < other.ended
            for other in self.log
        )

    def answered_before(self, client: int, moment: float) -> bool:
        """Tell whether this client had found a number by then."""
        return any(
            request.outcome == "found" and request.client == client and request.ended <= moment
            for request in self.log
        )


def lost(run: RunReport) -> Iterator[tuple[Lookup, ElevenPhoneError]]:
    """Yield the failed lookups of ids with which nothing is wrong, each id once."""
    seen: set[str] = set()
    for lookup in run.lookups:
        phone_number_id = lookup.phone_number_id
        if isinstance(lookup, Failed) and phone_number_id not in seen and is_good(phone_number_id):
            seen.add(phone_number_id)
            yield lookup, lookup.error


def is_good(phone_number_id: str) -> bool:
    """Tell whether nothing is wrong with an id."""
    return phone_number_id not in INVALID_IDS and not fault_of(phone_number_id)
