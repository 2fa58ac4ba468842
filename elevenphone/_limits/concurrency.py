"""How many requests may be in flight: the adaptive concurrency limit."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from elevenphone._limits.neighbors import Neighbors
from elevenphone._limits.permit import Permit
from elevenphone._limits.server_queue import ServerQueue
from elevenphone._limits.spread import spread
from elevenphone._limits.states import Alone, Recovering, Searching, Shared, State

# The known plans allow 2 to 30 in flight. For the smallest, this costs a few refusals at the start.
_START = 8.0
_MOST = 100.0
# One wave of refusals leaves at least this part: all of it was sent before the first refusal came back.
_LEAST_OF_A_WAVE = 0.5
_LEFT_WHEN_FAILING = 0.5
# Seconds for which a hint stops growth, counted from its last change or from a refusal.
_HINT_BINDS_SECONDS = 30.0
# The same for a limit that only refusals state: it may have risen since, and the next refusal states it.
_STATED_BINDS_SECONDS = 5.0


class ConcurrencyLimit:
    """The most requests in flight, found by growing until the server refuses, as TCP finds its window.

    The limit is in one of four states (see `states`), which say how it grows::

        Searching --refused--> Shared --refused, nobody else is there--> Alone
        Alone     --refused below a recently accepted level--> Shared
        Alone     --an answer with as many in flight as were refused--> Searching
        any       --the server fails--> Recovering --back at the old limit--> Shared or Alone, as before

    When a refusal comes back, the number of requests still in flight is what the server
    accepts: the ceiling. The limit goes below it, and `neighbors` learns from whether
    another client takes the free capacity.

    Attributes:
        value: The limit, rounded down where it is used.
        state: How it grows.
    """

    def __init__(self, fixed: int | None, random: Callable[[], float]) -> None:
        self.value: float = _START if fixed is None else float(fixed)
        self.state: State = Searching()
        self._fixed = fixed is not None
        self._random = random
        self._neighbors = Neighbors()
        self._queue = ServerQueue(random)
        # Permit numbers: the newest, the newest at the last cut, and the last one that filled the limit.
        self._newest = self._newest_at_cut = self._newest_when_full = 0
        # The highest count answered since the last refusal or new hint: only a higher one tells us something.
        self._highest_answered = 0
        self._least_of_wave = 1.0
        # The fewest in flight when a request of the last wave was sent that was refused.
        self._lowest_refused = 0
        self._before_look = 0.0
        self._grown_at = -math.inf
        self._hint = math.inf
        self._hint_binds_seconds = _HINT_BINDS_SECONDS
        self._hint_binds_until = -math.inf

    def __repr__(self) -> str:
        return f"<ConcurrencyLimit {self.value:.1f} {'fixed' if self._fixed else self.state}>"

    @property
    def waiting_estimate(self) -> float:
        """Requests in flight that are estimated to wait in a queue of the server."""
        return self._queue.waiting

    @property
    def held_by_queue(self) -> bool:
        """Whether the limit is bounded by a queue at the server, in which more requests would only wait."""
        return self._queue.bounds and self.value < self.state.ceiling

    def loop_late(self, seconds: float, now: float) -> None:
        """Note by how many seconds this process delayed the requests in flight."""
        self._queue.loop_late(seconds, now, self._newest)

    def started(self, permit: Permit) -> None:
        """Note that a request has started."""
        self._newest = permit.number
        if permit.in_flight + 1 > self.value:
            self._newest_when_full = permit.number

    def hinted(self, maximum: int, now: float, *, by_refusal: bool = False) -> None:
        """Note the maximum that an answer states. It can stop growth, but never speeds it up.

        Args:
            maximum: The maximum of requests in flight.
            now: The time.
            by_refusal: Whether a refusal states it, and not a header that each answer has.
        """
        if not by_refusal:
            self._hint_binds_seconds = _HINT_BINDS_SECONDS
        elif maximum != self._hint:
            self._hint_binds_seconds = _STATED_BINDS_SECONDS
        if maximum != self._hint:
            self._hint = maximum
            self._highest_answered = 0
            self._hint_binds_until = now + self._hint_binds_seconds

    def answered(self, permit: Permit, now: float) -> None:
        """Note an answer that shows no strain, and grow if the limit is what holds requests back."""
        number = permit.number
        if permit.in_flight > self._highest_answered and number > self._newest_at_cut:
            self._accepted(permit.in_flight)
        # If the limit was not reached while this request was in flight, a higher one would change nothing.
        was_full = number <= self._newest_when_full
        if number > self._queue.after:
            if not was_full and self._queue.idle_is_known:
                self._queue.left_out(permit)
            elif self._queue.answered(permit, now, self._newest):
                self._bound_by_queue()
        if was_full:
            self._grow(permit, now)
        self._grown_at = now

    def taught_nothing(self, permit: Permit) -> None:
        """Note that a request ended whose time says nothing about the server: it was cancelled, or failed."""
        self._queue.left_out(permit)

    def _bound_by_queue(self) -> None:
        value = max(self.value, self._before_look)
        # After a look with few in flight, the limit returns to its old value, or to the bound found.
        self._before_look = value if self._queue.is_looking else 0.0
        self.value = min(value, self._queue.most)

    def _accepted(self, in_flight: int) -> None:
        self._highest_answered = in_flight
        self._neighbors.accepted = max(self._neighbors.accepted, in_flight)
        if in_flight > self.state.ceiling:
            if in_flight < self._lowest_refused:  # Others had ended when the refusal came back.
                self.state = msgspec.structs.replace(self.state, ceiling=float(in_flight))
            else:
                self.state = self.state.passed()
        if in_flight > self._hint:
            self._hint_binds_until = -math.inf

    def _grow(self, permit: Permit, now: float) -> None:
        most = self._queue.most
        if most > _MOST:
            most = _MOST
        if self._hint < most and now < self._hint_binds_until:
            most = self._hint
        if self.value >= most:
            return
        value = self.state.grown(self.value, now, self._grown_at)
        if value > self.value:
            if self._queue.slow.took_much_longer(permit, now, self._newest):
                if isinstance(self.state, Searching):
                    self.value = self.state.grown_too_far(self.value, permit.in_flight)
            elif self._queue.slow.lets_grow(permit, now):
                self.value = min(value, most)
        if self.value >= self.state.ceiling and isinstance(self.state, Recovering):
            self.state = self.state.recovered(now)

    def refused(self, permit: Permit, now: float, left: int) -> None:
        """Cut to what the server accepts.

        Args:
            permit: The permit of the refused request.
            now: The time of the answer.
            left: Requests still in flight.
        """
        if self._fixed:
            return
        # A request that was sent before the last cut belongs to the same wave.
        begins_wave = permit.number > self._newest_at_cut
        if begins_wave or permit.in_flight < self._lowest_refused:
            self._lowest_refused = permit.in_flight
        ceiling = self._begin_wave(permit, now) if begins_wave else self.state.ceiling
        ceiling = max(self._least_of_wave, min(ceiling, float(left)))
        factor = spread(self._random)
        if self._neighbors.present:
            state: Shared | Alone = Shared.after_refusal(ceiling, now, factor, self._neighbors.seen)
        else:
            state = Alone.after_refusal(ceiling, now, factor)
        self.value = max(1.0, state.value_after_refusal)
        self._neighbors.given_up = ceiling - self.value
        self.state = state

    def _begin_wave(self, permit: Permit, now: float) -> float:
        """Note the first refusal of a wave, and return the first ceiling."""
        self._neighbors.learn(permit.in_flight, ceiling_was_passed=self.state.ceiling == math.inf)
        self._least_of_wave = max(1.0, self.value * _LEAST_OF_A_WAVE)
        self._newest_at_cut = self._newest
        self._highest_answered = 0
        self._before_look = 0.0
        if self._hint < math.inf:
            self._hint_binds_until = now + self._hint_binds_seconds
        return self.value

    def failing(self, permit: Permit, now: float) -> None:
        """Halve the limit, once for all requests in flight; fewer requests may help a failing server."""
        if self._fixed or permit.number <= self._newest_at_cut:
            return
        self._newest_at_cut = self._newest
        self._highest_answered = 0
        self._before_look = 0.0
        self._lowest_refused = 0
        ceiling = min(self.state.ceiling, self.value)
        self.state = Recovering(ceiling, now, not self._neighbors.present, self._neighbors.seen)
        self.value = max(1.0, self.value * _LEFT_WHEN_FAILING)
