"""The queue at the server: how many requests wait in it, and the bound that keeps it short."""

from __future__ import annotations

import math
from collections.abc import Callable

from elevenphone._limits.answer_times import AnswerTimes
from elevenphone._limits.permit import Permit
from elevenphone._limits.queue_states import Bounded, Free, Looking
from elevenphone._limits.slow_answers import SlowAnswers
from elevenphone._limits.spread import spread

# The first sample has the client's first requests, before which nothing can wait. A later one has as many as
# are in flight, but at least 8. After a sample that shows nothing new, three times as many
# requests as are in flight go unmeasured. A sample ends without its last answers once 32 times its size was
# sent after it.
_FIRST_SAMPLE = 3
_LEAST_SAMPLE = 8
_REST = 3.0
_PATIENCE = 32
# The most requests in flight until the time without a queue is known.
_MOST_AT_FIRST = 32.0
# Of n requests in flight, 0.4 times the root of n may wait. A difference counts as chance up to 3 standard
# errors, and as a coarse clock up to 2 ms. Unless the standard error is at most 8% of the mean and the wait
# at least 15% of it, two samples in a row must agree.
_TOLERATED = 0.4
_CHANCE = 3.0
_CLOCK_SECONDS = 0.002
_CERTAIN, _MUCH = 0.08, 0.15
# The same for answers that are faster, twice in a row: then some must have waited before.
_CHANCE_WHEN_FASTER = 1.0
# With half as many in flight: a server that answers more than 85% of its rate still has a queue,
# and answers that take more than 80% of their time did not wait in one.
_STILL_BUSY = 0.85
_NO_FASTER = 0.8
# The bound is the knee plus 0.2 times its root. More requests are tried half a second after a cut. From 100
# in flight on, no bound is needed.
_SLACK = 0.2
_HOLD_SECONDS = 0.5
_NO_BOUND = 100.0
# Seconds until the next look; after a slow one, a multiple of its duration; and the requests in flight below
# which none is needed. If several clients keep one queue, the one with more requests shortens it more by its
# look, so it measures a shorter time and leaves more to the others. If less than 85% of the bound is
# in flight, it is refusals that limit the requests.
_LOOK_AGAIN_SECONDS, _LOOK_AGAIN_TIMES, _LEAST_TO_LOOK_AGAIN = 2.0, 8.0, 4.0
_HOLDS_BACK = 0.85
# If the event loop is late by this part of the time of an answer, the requests in flight say nothing about
# the server. After three seconds of that, there is no bound.
_LATE = 0.05
_LATE_SECONDS = 3.0


class ServerQueue:
    """Bounds the requests in flight, so that few of them wait at the server.

    In a queue, answers take longer the more requests are in flight. A slow server takes
    longer for any number of them. So if answers take longer than without a queue, fewer
    requests are sent, which shows which of the two it is::

        Free    --answers take longer--> Looking, at half
        Looking --the server answers as many a second--> Looking, at half of that
        Looking --it answers fewer--> Bounded: by the knee, or where it was if answers are no faster
        Bounded --answers take longer--> Bounded, by the knee --and still do--> Looking, at half
        Bounded --every 2 s--> Looking, at half
        Bounded --100 in flight, and nothing waits--> Free

    The knee is what a busy server answers a second, times what an answer takes where
    nothing waits.

    Attributes:
        most: The most requests in flight; infinite for no bound.
        waiting: The estimated number of requests that wait at the server.
        state: What is known about the queue.
        slow: Which answers took longer than usual.
        after: Only answers to requests after this number matter.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self.most = _MOST_AT_FIRST
        self.waiting = 0.0
        self.state: Free | Looking | Bounded = Free()
        self._random = random
        self._idle: AnswerTimes | None = None  # Without a queue.
        self._was_faster = self._seemed_queued = False
        self.slow: SlowAnswers = SlowAnswers()
        self._look_again_at = math.inf
        self._late_since = math.inf
        # The sample: the seconds of its answers, the sum of requests in flight, its last request, the answers
        # that end it, the fewest of any use, and the request whose answer ends it in any case.
        self._seconds: list[float] = []
        self._in_flight = 0
        self._in_flight_before = 0.0
        self.after = self._up_to = self._needed = self._give_up_at = 0
        self._sample(0, _FIRST_SAMPLE)

    def __repr__(self) -> str:
        return f"<ServerQueue {self.waiting:.1f} waiting, {self.state}>"

    @property
    def bounds(self) -> bool:
        """Whether a queue was seen, which bounds what is in flight."""
        return not isinstance(self.state, Free)

    @property
    def idle_is_known(self) -> bool:
        """Whether the time without a queue is known; even few requests in flight show it."""
        return self._idle is not None

    @property
    def is_looking(self) -> bool:
        """Whether `most` is low for a moment, to measure answers without a queue."""
        return isinstance(self.state, Looking)

    def answered(self, permit: Permit, now: float, newest: int) -> bool:
        """Note the answer to a request that was in flight while the limit was reached, or one of the first.

        Args:
            permit: The permit of the request.
            now: The time.
            newest: The number of the newest permit.

        Returns:
            Whether `most` may have changed.
        """
        if permit.number <= self._up_to:
            self._seconds.append(now - permit.started)
            self._in_flight += permit.in_flight
            if self._idle is None and len(self._seconds) <= _FIRST_SAMPLE:
                self.slow.compare_with_fastest(min(self._seconds))
        if len(self._seconds) < self._needed and permit.number <= self._give_up_at:
            return False
        if len(self._seconds) < self._least:  # The few that counted may be the slowest.
            self._start_anew(newest)
            return False
        times = AnswerTimes.of(self._seconds, self._in_flight)
        if not times.precise or times.count < (_FIRST_SAMPLE if self._idle is None else _LEAST_SAMPLE):
            self._try_more_meanwhile(times, now)
            self._sample(newest, max(_LEAST_SAMPLE, times.count // 2))
            return False
        self._late_since = math.inf
        self._start_anew(newest)
        if self._idle is None or _were_alike_by_chance(self._idle, times):
            self._set_idle(times)
            if not self.bounds:
                self.most = math.inf
        else:
            self._learn(times, self._idle, now, newest)
        rest = int(_REST * times.in_flight) if self._is_calm(times, now) else 0
        self._sample(newest + rest, max(_LEAST_SAMPLE, math.ceil(min(times.in_flight, self.most))))
        self._in_flight_before = times.in_flight
        return True

    def left_out(self, permit: Permit) -> None:
        """Note that a request ended from which nothing can be learned here, so no sample waits for it."""
        if self.after < permit.number <= self._up_to:
            self._needed -= 1

    def loop_late(self, seconds: float, now: float, newest: int) -> None:
        """Note that this process delayed answers: requests in flight now say nothing about the server.

        Args:
            seconds: By how much the event loop was late.
            now: The time.
            newest: The number of the newest permit.
        """
        if self._idle is None or seconds <= _CLOCK_SECONDS + _LATE * self._idle.mean:
            return
        self._start_anew(newest)
        self._late_since = min(self._late_since, now)
        if now > self._late_since + _LATE_SECONDS:
            self._become(Free(), math.inf, newest)

    def _sample(self, after: int, count: int) -> None:
        """Measure the next requests, because of those in flight the fastest answers would come first."""
        self.after = after
        self._up_to = after + count
        self._give_up_at = after + _PATIENCE * count
        self._needed = len(self._seconds) + count
        self._least = self._needed / 2

    def _start_anew(self, newest: int) -> None:
        self._seconds.clear()
        self._in_flight = 0
        self._sample(newest, _LEAST_SAMPLE)

    def _is_calm(self, times: AnswerTimes, now: float) -> bool:
        if self.waiting or abs(times.in_flight - self._in_flight_before) > 0.25 * times.in_flight:
            return False
        return not self.bounds or (isinstance(self.state, Bounded) and now < self.state.try_from)

    def _set_idle(self, times: AnswerTimes) -> None:
        self._idle = times
        self.slow.compare_with(times)

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
                self._look(Looking(times, times.in_flight, times.mean), times, newest)
            case Bounded(cut_from=cut_from) if queued and cut_from:
                self._look(Looking(times, cut_from, times.mean), times, newest)
            case Bounded() if queued:
                knee = times.in_flight * max(0.5, idle.mean / times.mean)
                self._bound(
                    knee, now + _HOLD_SECONDS * spread(self._random), newest, cut_from=times.in_flight
                )
            case Free():
                self._not_queued(times, idle)
            case Bounded() if now > self._look_again_at and self._holds_back(times):
                self._look(Looking(times, times.in_flight, times.mean), times, newest)
            case Bounded() as bounded:
                self._not_queued(times, idle)
                self._try_more(bounded, times, now)

    def _not_queued(self, times: AnswerTimes, idle: AnswerTimes) -> None:
        faster = idle.longer_by(times, _CHANCE_WHEN_FASTER) > 0
        if faster and self._was_faster:
            self._set_idle(times)
        elif not faster and not self.bounds and not times.may_have_waited(idle):
            self._set_idle(times.added_to(idle))
        self._was_faster = faster

    def _look(self, state: Looking, times: AnswerTimes, newest: int) -> None:
        self._become(state, max(1.0, times.in_flight // 2), newest)

    def _looked(
        self, looking: Looking, times: AnswerTimes, idle: AnswerTimes, now: float, newest: int
    ) -> None:
        before = looking.before
        faster = idle.longer_by(times, _CHANCE_WHEN_FASTER) > 0
        longer = times.longer_by(idle, _CHANCE) > 0
        still_queued = times.rate > _STILL_BUSY * before.rate or (
            longer and times.mean < _NO_FASTER * looking.latest
        )
        if still_queued and times.in_flight >= 1.5:
            if faster:
                self._set_idle(times)
            self._look(Looking(before, looking.cut_from, times.mean), times, newest)
            return
        self.waiting = 0.0
        look_again_in = max(_LOOK_AGAIN_SECONDS, _LOOK_AGAIN_TIMES * times.count / times.rate)
        self._look_again_at = now + look_again_in * spread(self._random)
        idle = times if faster or longer else times.added_to(idle)
        self._set_idle(idle)
        if times.mean - 2 * times.standard_error > _NO_FASTER * before.mean:  # The server is slower.
            self._bound(max(looking.cut_from, before.in_flight), now, newest)
        else:
            self._bound(before.rate * max(idle.mean, _CLOCK_SECONDS / 2), now, newest)

    def _try_more(self, bounded: Bounded, times: AnswerTimes, now: float) -> None:
        step = bounded.step
        # If fewer were in flight than allowed, a higher bound would change nothing.
        if now >= bounded.try_from and times.in_flight > self.most - 2:
            self.most += max(1.0, step)
            step += 1.0
        if self.most < _NO_BOUND:
            self.state = Bounded(bounded.try_from, step)
        else:
            self.state, self.most = Free(), math.inf

    def _holds_back(self, times: AnswerTimes) -> bool:
        return times.in_flight > max(_HOLDS_BACK * self.most - 0.5, _LEAST_TO_LOOK_AGAIN)

    def _try_more_meanwhile(self, times: AnswerTimes, now: float) -> None:
        """Grow before the end of a sample that takes long because answers vary a lot."""
        if times.count < 3 * _LEAST_SAMPLE or times.standard_error > 0.2 * times.mean:
            return
        if isinstance(self.state, Bounded) and self._idle is not None and not _wait(times, self._idle):
            self._try_more(self.state, times, now)

    def _bound(self, knee: float, try_from: float, newest: int, cut_from: float = 0.0) -> None:
        knee = max(1.0, knee)
        self._become(Bounded(try_from, cut_from=cut_from), knee + _SLACK * math.sqrt(knee), newest)

    def _become(self, state: Free | Looking | Bounded, most: float, newest: int) -> None:
        self.state = state
        self.most = most
        self._start_anew(newest)


def _were_alike_by_chance(idle: AnswerTimes, times: AnswerTimes) -> bool:
    """Whether answers vary more than the first few did."""
    return idle.count < 2 * _LEAST_SAMPLE and times.deviation > 0.5 * times.mean


def _wait(times: AnswerTimes, idle: AnswerTimes) -> float:
    """Return the seconds that an answer waited, or 0 if they may be chance."""
    # In a queue every answer waits, not some slow ones alone.
    if times.median <= idle.mean:
        return 0.0
    return max(0.0, times.longer_by(idle, _CHANCE) - _CLOCK_SECONDS)
