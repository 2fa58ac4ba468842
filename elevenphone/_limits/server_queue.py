"""The queue before the server: how many requests wait in it, and how many in flight keep that short."""

from __future__ import annotations

import math
from collections.abc import Callable

from elevenphone._limits.answer_times import AnswerTimes
from elevenphone._limits.permit import Permit
from elevenphone._limits.queue_states import Bounded, Free, Looking

# The first sample is of the first requests, before which nothing can wait; later ones are of as many requests
# as are in flight, and of so many at least. After a sample that shows nothing new, so many times what is in
# flight goes unmeasured. A sample is taken without its last answers once so many times its size were sent
# after it.
_FIRST_SAMPLE = 3
_LEAST_SAMPLE = 8
_REST = 3.0
_PATIENCE = 32
# Of n in flight so many times the root of n may wait. Up to so many standard errors a difference may be
# chance, and up to so many seconds a clock of milliseconds. Where the standard error is more than this part
# of the mean, or the wait less than that part of it, two samples in a row have to show it.
_TOLERATED = 0.4
_CHANCE = 3.0
_CLOCK_SECONDS = 0.002
_CERTAIN, _MUCH = 0.08, 0.15
# The same for answers that are faster, twice in a row: then some must have waited before.
_CHANCE_WHEN_FASTER = 1.0
# With half in flight: a server that answers this part of what it did still has a queue; and answers that take
# this part of what they did had not waited in one.
_STILL_BUSY = 0.85
_NO_FASTER = 0.8
# The bound is the knee and so many times its root. Seconds until more are tried. No bound is needed from so
# many on.
_SLACK = 0.2
_HOLD_SECONDS = 0.5
_NO_BOUND = 100.0
# Who has so many in flight looks again after so many seconds. Of several clients that keep one queue, the one
# that has more shortens it more by that, and so learns a shorter time and leaves more to the others. Where a
# look takes long, so many times as long passes before the next. Where less than this part of the bound is in
# flight, refusals are what holds requests back.
_LOOK_AGAIN_SECONDS, _LOOK_AGAIN_TIMES, _LEAST_TO_LOOK_AGAIN = 2.0, 8.0, 4.0
_HOLDS_BACK = 0.85
# An answer takes longer than usual from so many times the mean and so many deviations above it; much longer
# from so many deviations. Before the usual is known, from so many times the fastest.
_LONGER = 1.5
_LONGER_DEVIATIONS, _MUCH_LONGER_DEVIATIONS = 2.0, 4.0
_LONGER_THAN_FASTEST = 3.0
# Where the event loop is late by this part of what an answer takes, what is in flight shows nothing of the
# server. After so many seconds of that there is no bound.
_LATE = 0.05
_LATE_SECONDS = 3.0


class ServerQueue:
    """Bounds what is in flight, so that little of it waits at the server.

    In a queue an answer takes longer the more requests are in flight; from a slow server
    it takes longer however few there are. So where answers take longer than they do
    without a queue, fewer are sent, and that shows which of the two it is::

        Free    --answers take longer--> Looking, at half
        Looking --the server answers as many a second--> Looking, at half of that
        Looking --it answers fewer--> Bounded: by the knee, or where it was if answers are no faster
        Bounded --answers take longer--> Bounded, by the knee --and still do--> Looking, at half
        Bounded --every 2 s--> Looking, at half
        Bounded --100 in flight, and nothing waits--> Free

    The knee is what a busy server answers a second, times what an answer takes where
    nothing waits.

    Attributes:
        most: The most in flight; infinite for no bound.
        waiting: How many of those in flight are estimated to wait.
        state: What is known.
        after: Only answers to requests after this number matter.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self.most = math.inf
        self.waiting = 0.0
        self.state: Free | Looking | Bounded = Free()
        self._random = random
        self._idle: AnswerTimes | None = None  # Where nothing waits.
        self._was_faster = self._seemed_queued = False
        self._longer = self._much_longer = math.inf
        self._no_growth_until = 0
        self._look_again_at = math.inf
        self._late_since = math.inf
        # The sample: what answers took so far, and what was in flight; the last request of it; how many it
        # needs; and the request whose answer ends it in any case.
        self._seconds: list[float] = []
        self._in_flight = 0
        self._in_flight_before = 0.0
        self.after = self._up_to = self._needed = self._give_up_at = 0
        self._sample(0, _FIRST_SAMPLE)

    def __repr__(self) -> str:
        return f"<ServerQueue {self.waiting:.1f} waiting, {self.state}>"

    @property
    def idle_is_known(self) -> bool:
        """Whether it is known what answers take where nothing waits; few in flight show that as well."""
        return self._idle is not None

    @property
    def is_looking(self) -> bool:
        """Whether `most` is low for a moment, to see what answers take then."""
        return isinstance(self.state, Looking)

    def answered(self, permit: Permit, now: float, newest: int) -> bool:
        """Note the answer to a request that was in flight while the limit was reached, or one of the first.

        Args:
            permit: That of the request.
            now: The moment.
            newest: The number of the newest permit.

        Returns:
            Whether `most` may have changed.
        """
        if permit.number <= self._up_to:
            self._seconds.append(now - permit.started)
            self._in_flight += permit.in_flight
            if self._idle is None and len(self._seconds) <= _FIRST_SAMPLE:
                self._longer = _LONGER_THAN_FASTEST * min(self._seconds)
            if len(self._seconds) < self._needed:
                return False
        elif permit.number <= self._give_up_at:
            return False
        if not self._seconds:
            self._sample(newest, _LEAST_SAMPLE)
            return False
        times = AnswerTimes.of(self._seconds, self._in_flight)
        if not times.precise:
            self._try_more_meanwhile(times, now)
            self._sample(newest, max(_LEAST_SAMPLE, times.count // 2))
            return False
        self._late_since = math.inf
        self._start_anew(newest)
        if self._idle is None or _were_alike_by_chance(self._idle, times):
            self._set_idle(times)
        else:
            self._learn(times, self._idle, now, newest)
        rest = int(_REST * times.in_flight) if self._is_calm(times, now) else 0
        self._sample(newest + rest, max(_LEAST_SAMPLE, math.ceil(min(times.in_flight, self.most))))
        self._in_flight_before = times.in_flight
        return True

    def lets_grow(self, permit: Permit, now: float, newest: int) -> bool:
        """Say whether an answer may make the limit grow: not if it took longer than usual.

        Args:
            permit: That of its request.
            now: The moment.
            newest: The number of the newest permit.
        """
        seconds = now - permit.started
        if seconds > self._much_longer:
            self._no_growth_until = newest  # The rest of its round shall not, either.
        return seconds <= self._longer and permit.number > self._no_growth_until

    def loop_late(self, seconds: float, now: float, newest: int) -> None:
        """Note that this process made answers wait: what is in flight shows nothing of the server.

        Args:
            seconds: By how much the event loop was late.
            now: The moment.
            newest: The number of the newest permit.
        """
        if self._idle is None or seconds <= _CLOCK_SECONDS + _LATE * self._idle.mean:
            return
        self._start_anew(newest)
        self._late_since = min(self._late_since, now)
        if now > self._late_since + _LATE_SECONDS:
            self._become(Free(), math.inf, newest)

    def _sample(self, after: int, count: int) -> None:
        """Measure the next requests: of those in flight the fastest answers would come first."""
        self.after = after
        self._up_to = after + count
        self._give_up_at = after + _PATIENCE * count
        self._needed = len(self._seconds) + count

    def _start_anew(self, newest: int) -> None:
        self._seconds.clear()
        self._in_flight = 0
        self._sample(newest, _LEAST_SAMPLE)

    def _is_calm(self, times: AnswerTimes, now: float) -> bool:
        if self.waiting or abs(times.in_flight - self._in_flight_before) > 0.25 * times.in_flight:
            return False
        return isinstance(self.state, Free) or (isinstance(self.state, Bounded) and now < self.state.try_from)

    def _set_idle(self, times: AnswerTimes) -> None:
        self._idle = times
        mean, deviation = times.mean, times.deviation
        self._longer = max(_LONGER * mean, mean + _LONGER_DEVIATIONS * deviation)
        self._much_longer = max(_LONGER * mean, mean + _MUCH_LONGER_DEVIATIONS * deviation)

    def _learn(self, times: AnswerTimes, idle: AnswerTimes, now: float, newest: int) -> None:
        waiting_part = _wait(times, idle) / times.mean if times.mean else 0.0
        self.waiting = times.in_flight * waiting_part
        seems_queued = self.waiting > _TOLERATED * math.sqrt(times.in_flight)
        certain = waiting_part >= _MUCH and times.standard_error <= _CERTAIN * times.mean
        queued = seems_queued and (certain or self._seemed_queued)
        self._seemed_queued = seems_queued
        match self.state:
            case Looking() as looking:
                self._looked(looking, times, idle, now, newest)
            case Free() | Bounded() if seems_queued and not queued:
                pass  # The next answers will show.
            case Free() if queued:
                self._look(times, times, times.in_flight, newest)
            case Bounded(cut_from=cut_from) if queued and cut_from:
                self._look(times, times, cut_from, newest)
            case Bounded() if queued:
                knee = times.in_flight * max(0.5, idle.mean / times.mean)
                self._bound(knee, now + self._spread(_HOLD_SECONDS), newest, cut_from=times.in_flight)
            case Free():
                self._not_queued(times, idle)
            case Bounded() if now > self._look_again_at and self._holds_back(times):
                self._look(times, times, times.in_flight, newest)
            case Bounded() as bounded:
                self._not_queued(times, idle)
                self._try_more(bounded, times, now)

    def _not_queued(self, times: AnswerTimes, idle: AnswerTimes) -> None:
        faster = idle.longer_by(times, _CHANCE_WHEN_FASTER) > 0
        if faster and self._was_faster:
            self._set_idle(times)
        elif not faster and isinstance(self.state, Free):
            self._set_idle(times.added_to(idle))
        self._was_faster = faster

    def _look(self, before: AnswerTimes, times: AnswerTimes, cut_from: float, newest: int) -> None:
        self._become(Looking(before, cut_from), max(1.0, times.in_flight // 2), newest)

    def _looked(
        self, looking: Looking, times: AnswerTimes, idle: AnswerTimes, now: float, newest: int
    ) -> None:
        before = looking.before
        faster = idle.longer_by(times, _CHANCE_WHEN_FASTER) > 0
        if times.rate > _STILL_BUSY * before.rate and times.in_flight >= 1.5:
            if faster:
                self._set_idle(times)
            self._look(before, times, looking.cut_from, newest)
            return
        self.waiting = 0.0
        look_again_in = max(_LOOK_AGAIN_SECONDS, _LOOK_AGAIN_TIMES * times.count / times.rate)
        self._look_again_at = now + self._spread(look_again_in)
        idle = times if faster or times.longer_by(idle, _CHANCE) else times.added_to(idle)
        self._set_idle(idle)
        if times.mean - 2 * times.standard_error > _NO_FASTER * before.mean:  # The server is slower.
            self._bound(max(looking.cut_from, before.in_flight), now, newest)
        else:
            self._bound(before.rate * max(idle.mean, _CLOCK_SECONDS / 2), now, newest)

    def _try_more(self, bounded: Bounded, times: AnswerTimes, now: float) -> None:
        step = bounded.step
        # Where fewer were in flight than allowed, more would not have been sent.
        if now >= bounded.try_from and times.in_flight > self.most - 2:
            self.most += step
            step += 1.0
        if self.most < _NO_BOUND:
            self.state = Bounded(bounded.try_from, step)
        else:
            self.state, self.most = Free(), math.inf

    def _holds_back(self, times: AnswerTimes) -> bool:
        return times.in_flight > max(_HOLDS_BACK * self.most - 0.5, _LEAST_TO_LOOK_AGAIN)

    def _try_more_meanwhile(self, times: AnswerTimes, now: float) -> None:
        """Where answers vary so much that a sample takes long, grow before its end."""
        if times.count < 3 * _LEAST_SAMPLE or times.standard_error > 0.2 * times.mean:
            return
        if isinstance(self.state, Bounded) and self._idle is not None and not _wait(times, self._idle):
            self._try_more(self.state, times, now)

    def _bound(self, knee: float, try_from: float, newest: int, cut_from: float = 0.0) -> None:
        knee = max(1.0, knee)
        self._become(Bounded(try_from, cut_from=cut_from), knee + _SLACK * math.sqrt(knee), newest)

    def _spread(self, seconds: float) -> float:
        # Not all clients of a server shall do the same at the same moment.
        return seconds * (0.75 + 0.5 * self._random())

    def _become(self, state: Free | Looking | Bounded, most: float, newest: int) -> None:
        self.state = state
        self.most = most
        self._start_anew(newest)


def _were_alike_by_chance(idle: AnswerTimes, times: AnswerTimes) -> bool:
    """Tell whether answers vary more than a first few did."""
    return idle.count < 2 * _LEAST_SAMPLE and times.deviation > 0.5 * times.mean


def _wait(times: AnswerTimes, idle: AnswerTimes) -> float:
    """Say how many seconds an answer waited, where that is not chance."""
    # In a queue every answer waits, not some slow ones alone.
    if times.median <= idle.mean:
        return 0.0
    return max(0.0, times.longer_by(idle, _CHANCE) - _CLOCK_SECONDS)
