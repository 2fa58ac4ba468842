"""Slots in flight: who may start the next request.

Every request needs a slot, and `Slots` owns them all. When one is given back, the
next waiting request gets it.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Collection
from typing import NamedTuple, TypeAlias

from elevenphone._limits.lateness import Lateness
from elevenphone._limits.limits import Limits
from elevenphone._limits.outage import Subject
from elevenphone._limits.permit import Permit
from elevenphone._meaning import meaning_of
from elevenphone.errors import DeadlineExceededError, ElevenPhoneError

_Waiter: TypeAlias = "asyncio.Future[Slot]"
_Queue: TypeAlias = OrderedDict[_Waiter, "Patience"]


class Patience(NamedTuple):
    """The longest pause of the server that a waiting request accepts.

    Attributes:
        expires: The moment at which its deadline passes; infinity before its first attempt.
        deadline: Seconds from its first attempt to that moment.
    """

    expires: float = math.inf
    deadline: float = math.inf

    def is_over(self, now: float, resumes_at: float) -> bool:
        """Whether a pause ends after the deadline, if the first attempt were made now."""
        return resumes_at > min(self.expires, now + self.deadline)


_ANY_PAUSE = Patience()


class Lane:
    """Lookups that share slots as a group: all single lookups, or those of one bulk run.

    Attributes:
        bulk: Whether it belongs to a bulk run.
        in_flight: Slots that it holds.
        retries: Lookups that wait for a slot, each with the latest moment at which a pause of
            the server may end. In the lane of single lookups all waiting lookups are here.
        starts: Workers that wait for a slot to start a new id.
        fresh: New ids that can be started.
        only_probes: Whether workers start new ids as probes alone, because so many wait for retries.
    """

    def __init__(self, *, bulk: bool, fresh: Collection[object] = ()) -> None:
        self.bulk = bulk
        self.in_flight = 0
        # Ordered dictionaries, because a cancelled waiter leaves from the middle.
        self.retries: _Queue = OrderedDict()
        self.starts: _Queue = OrderedDict()
        self.fresh = fresh
        self.only_probes = False

    def waits(self, *, starts: bool) -> bool:
        """Say whether a request waits here for a slot; those for new ids count only on demand."""
        return bool(self.retries or (starts and self.starts and not self.only_probes))


class Slot(Permit, eq=False, gc=False, kw_only=True):
    """One request in flight: a permit that gives itself back.

    Attributes:
        slots: Who gave it out.
        lane: Whose it is.
        ended: Whether it has been given back.
    """

    slots: Slots
    lane: Lane
    ended: bool = False

    def found(self, now: float, subject: Subject | None) -> None:
        """Give it back after a successful answer."""
        self.ended = True
        slots = self.slots
        slots.limits.answered(self, now, subject, found=True)
        slots.freed(self.lane)

    def failed(self, now: float, error: ElevenPhoneError, subject: Subject | None) -> None:
        """Give it back after a request that ended in an error."""
        self.ended = True
        slots = self.slots
        paused_until = slots.limits.resumes_at
        slots.limits.failed(self, now, error, meaning_of(error), subject)
        if slots.limits.resumes_at > paused_until:
            slots.paused()
        slots.freed(self.lane)

    def give_back(self) -> None:
        """Give it back unused or after a cancellation; do nothing if it was given back already."""
        if not self.ended:
            self.ended = True
            self.slots.limits.withdraw(self, self.slots.now())
            self.slots.freed(self.lane)


class Slots:
    """Gives slots out: to single lookups first, then to the run that holds the fewest.

    Within a run retries come before new ids, so that started lookups are finished first.

    Attributes:
        limits: The limits that decide when the next request may start.
        singles: The lane of single lookups.
    """

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self.limits = limits
        self.singles: Lane = Lane(bulk=False)
        self._loop = loop
        self._runs: list[Lane] = []
        self._look_is_due = False
        # How many wait in the queues of all lanes, and how many of them in `retries`.
        self._waiting = self._lookups_waiting = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._lateness = Lateness(limits, loop)

    def open_lane(self, fresh: Collection[object]) -> Lane:
        """Make the lane of a bulk run, whose new ids are in `fresh`."""
        lane = Lane(bulk=True, fresh=fresh)
        self._runs.append(lane)
        return lane

    def close_lane(self, lane: Lane) -> None:
        """Remove the lane of a bulk run, in which no request waits any more."""
        self._runs.remove(lane)
        self._look_soon()

    def now(self) -> float:
        """Read the event loop's clock."""
        return self._loop.time()

    def close(self) -> None:
        """Cancel the timers."""
        self._set_alarm(math.inf)
        self._lateness.close()

    def take_now(self, lane: Lane, *, fresh: bool) -> Slot | None:
        """Take a slot if one is free now and no other request comes first.

        Args:
            lane: The lane that gets the slot.
            fresh: Whether it is for a new id rather than a retry.

        Returns:
            The slot, or `None`: wait for one with `take`.
        """
        if self._lookups_waiting and (self.singles.retries or lane.retries):
            return None
        limits = self.limits
        now = self._loop.time()
        if limits.ready_at(lane.bulk) > now:
            return None
        if lane.bulk and (
            limits.gate.closed_at is not None or (len(self._runs) > 1 and not self._comes_first(lane))
        ):
            return None  # while the gate is closed, the next probe is chosen among all waiting requests
        return self._give(lane, now, fresh=fresh)

    async def take(self, lane: Lane, *, fresh: bool, patience: Patience = _ANY_PAUSE) -> Slot:
        """Wait for a slot.

        Args:
            lane: The lane that gets the slot.
            fresh: Whether it is for a new id rather than a retry.
            patience: How long a pause of the server the caller accepts.

        Returns:
            The slot.

        Raises:
            DeadlineExceededError: The server has asked for a pause beyond the deadline.
        """
        if patience.is_over(self._loop.time(), self.limits.resumes_at):
            raise self._pause_too_long()
        waiter: _Waiter = self._loop.create_future()
        is_lookup = not (fresh and lane.bulk)
        queue = lane.retries if is_lookup else lane.starts
        queue[waiter] = patience
        self._waiting += 1
        self._lookups_waiting += is_lookup
        self._hand_out(starts=False)
        self._look_soon()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                waiter.result().give_back()  # given at the same moment as the cancellation
            else:
                if queue.pop(waiter, None) is not None:
                    self._waiting -= 1
                    self._lookups_waiting -= is_lookup
                self._look_soon()
            raise

    def freed(self, lane: Lane) -> None:
        """Hand out a slot that has been given back.

        New ids come last, and at the next turn of the loop: the worker that gave the
        slot back takes it again in the same step if it has more to do.
        """
        lane.in_flight -= 1
        if self._lookups_waiting:
            self._hand_out(starts=False)
        if self._waiting:
            self._look_soon()

    def paused(self) -> None:
        """Fail the waiting requests whose deadline is before the end of a pause that has begun."""
        now = self._loop.time()
        for waiter, patience in self.singles.retries.items():
            if patience.is_over(now, self.limits.resumes_at) and not waiter.done():
                waiter.set_exception(self._pause_too_long())

    def _pause_too_long(self) -> DeadlineExceededError:
        why = "the server has asked for a pause beyond the lookup's deadline"
        return DeadlineExceededError(why, self.limits.paused_by)

    def _look_soon(self) -> None:
        if self._waiting and not self._look_is_due:
            self._look_is_due = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._look_is_due = False
        self._hand_out(starts=True)

    def _hand_out(self, *, starts: bool) -> None:
        """Give slots to waiting requests, as long as the limits allow, and set the timer for the next.

        Args:
            starts: Whether requests for new ids get one, too.
        """
        now = self._loop.time()
        while (claim := self._next_claim(starts=starts)) is not None:
            lane, queue = claim
            ready_at = self.limits.ready_at(lane.bulk)
            if ready_at > now:
                self._set_alarm(ready_at)
                return
            waiter = queue.popitem(last=False)[0]
            self._waiting -= 1
            self._lookups_waiting -= queue is lane.retries
            if not waiter.done():
                waiter.set_result(self._give(lane, now, fresh=queue is lane.starts))

    def _next_claim(self, *, starts: bool) -> tuple[Lane, _Queue] | None:
        """Choose the queue that gets the next slot; `None` if no request waits for one."""
        if self.singles.retries:
            return self.singles, self.singles.retries
        gate = self.limits.gate
        if gate.closed_at is not None and not gate.accepts(fresh=False):
            if any(run.fresh for run in self._runs):
                lane = min((run for run in self._runs if run.starts), key=_held, default=None)
                return (lane, lane.starts) if lane is not None and starts else None
            gate.give_up()
        waiting = [run for run in self._runs if run.waits(starts=starts)]
        if not waiting:
            return None
        lane = min(waiting, key=_held)
        return lane, lane.retries or lane.starts

    def _comes_first(self, lane: Lane) -> bool:
        """Whether every other run that waits holds more slots."""
        held = lane.in_flight
        return not any(
            run.in_flight <= held and run.waits(starts=True) for run in self._runs if run is not lane
        )

    def _give(self, lane: Lane, now: float, *, fresh: bool) -> Slot:
        lane.in_flight += 1
        limits = self.limits
        if limits.adapts:
            self._lateness.watch(now)
        if lane.bulk and self._runs[-1] is not lane:
            # Among runs with equally many, the one that was served least recently comes first.
            self._runs.remove(lane)
            self._runs.append(lane)
        slot = Slot(now, limits.in_flight + 1, limits.newest + 1, slots=self, lane=lane)
        limits.start(slot, bulk=lane.bulk, fresh=fresh)
        return slot

    def _set_alarm(self, moment: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if moment < math.inf:
            self._alarm = self._loop.call_at(moment, self._look)

    def __repr__(self) -> str:
        return f"<Slots {self._lookups_waiting} waiting, {len(self._runs)} runs, {self.limits!r}>"


def _held(lane: Lane) -> int:
    return lane.in_flight
