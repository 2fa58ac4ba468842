"""Any order of calls, cancellations, outages and time: no answer is too old, and no call hangs.

Each answer of the server carries a serial number, so an answer's true age is known.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import virtual_time
from cache_helpers import LATENCY
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from stub_transport import Hang, Step, answer, refused

from elevenphone import (
    Cache,
    ConnectionFailedError,
    ElevenPhoneError,
    PhoneNumberClient,
    Response,
    RetryPolicy,
)

ALL_IDS = ["phnum_1", "phnum_2"]
IDS = st.sampled_from(["phnum_1", "phnum_1", "phnum_1", "phnum_2"])
# Hypothesis leaves rules out of an example now and then, so time passes with each of them.
TIMES = st.sampled_from([0.0, 0.03, 0.03, 0.03, LATENCY, 2.0, 5.0, 9.0, 20.0])
OUTCOMES: dict[str, Step | None] = {
    "up": None,
    "503": refused(503),
    "unreachable": ConnectionFailedError("refused", stage="connect"),
    "hanging": Hang(),
    "429": refused(429, "too_many_concurrent_requests"),
    "404": refused(404),
}
TIMEOUT, LONGEST_DEADLINE = 2.0, 15.0
DEADLINES = st.sampled_from([0.05, 1.0, 3.0, LONGEST_DEADLINE])
SLACK = 0.5  # a pause after a 429, and rounding


class _Server:
    """A `Transport` that numbers its answers."""

    def __init__(self) -> None:
        self.requests = self.connections_opened = 0
        self.outcome: Step | None = None
        self.bad_until = float("-inf")  # the end of the last time in which it failed
        self.failed_since_good_answer = False
        self.sent: list[float] = []
        self.last_404: dict[str, float] = {}
        self.in_flight: Counter[str] = Counter()

    async def send(self, url: str) -> Response:
        phone_number_id = url.rpartition("/")[2]
        self.requests += 1
        now = asyncio.get_running_loop().time()
        self.in_flight[phone_number_id] += 1
        try:
            return await self._answer(phone_number_id, now)
        finally:
            self.in_flight[phone_number_id] -= 1

    async def _answer(self, phone_number_id: str, now: float) -> Response:
        outcome = self.outcome
        if isinstance(outcome, Hang):
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(LATENCY)
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, Response):
            if outcome.status == 404:
                self.last_404[phone_number_id] = now
            return outcome
        self.failed_since_good_answer = self.outcome is not None
        self.sent.append(now)
        number = {"provider": "twilio", "phone_number": "+1", "phone_number_id": phone_number_id}
        return answer(200, {**number, "label": str(len(self.sent) - 1)})

    async def aclose(self) -> None:
        pass


class _Call:
    def __init__(self, phone_number_id: str, deadline: float, epoch: int, *, fresh: bool) -> None:
        self.phone_number_id = phone_number_id
        self.deadline = deadline
        self.epoch = epoch
        self.fresh = fresh
        self.task: asyncio.Task[None]


class CacheMachine(RuleBasedStateMachine):
    @initialize(
        max_age=st.sampled_from([0.0, 5.0]),
        stale_while_revalidate=st.sampled_from([0.0, 10.0]),
        stale_if_error=st.sampled_from([0.0, 30.0]),
        attempts=st.sampled_from([1, 3]),
    )
    def open(
        self, max_age: float, stale_while_revalidate: float, stale_if_error: float, attempts: int
    ) -> None:
        random.seed(0)
        self.runner = asyncio.Runner(loop_factory=virtual_time.VirtualTimeLoop)
        self.loop = self.runner.get_loop()
        self.server = _Server()
        self.cache = Cache(
            max_age=max_age,
            stale_while_revalidate=stale_while_revalidate,
            stale_if_error=stale_if_error,
        )
        self.client = PhoneNumberClient(
            transport=self.server,
            cache=self.cache,
            timeout=TIMEOUT,
            retry=RetryPolicy(attempts=attempts),
            concurrency=1_000,
        )
        self.calls: list[_Call] = []
        self.epochs: Counter[str] = Counter()
        self.forgotten: dict[str, float] = {}
        self.remembered: dict[str, float] = {}
        self.gathers: list[tuple[str, asyncio.Task[object]]] = []

    # Actions

    @rule(
        phone_number_id=IDS,
        deadline=DEADLINES,
        fresh=st.sampled_from([False, False, False, True]),
        then=TIMES,
    )
    def get(self, phone_number_id: str, deadline: float, fresh: bool, then: float) -> None:
        call = _Call(phone_number_id, deadline, self.epochs[phone_number_id], fresh=fresh)
        call.task = self.loop.create_task(self._call(call))
        self.calls.append(call)
        self._pass_time(then)

    @rule(which=st.integers(min_value=0), then=TIMES)
    def cancel(self, which: int, then: float) -> None:
        if self.calls:
            self.calls[which % len(self.calls)].task.cancel()
        self._pass_time(then)

    @rule(phone_number_id=st.one_of(IDS, st.none()), then=TIMES)
    def forget(self, phone_number_id: str | None, then: float) -> None:
        if phone_number_id is None:
            self.client.forget()
        else:
            self.client.forget(phone_number_id)
        for each in ALL_IDS if phone_number_id is None else [phone_number_id]:
            self.epochs[each] += 1
            self.forgotten[each] = self.loop.time()
            self.remembered.pop(each, None)
        self._pass_time(then)

    @rule(phone_number_id=IDS, then=TIMES)
    def gather(self, phone_number_id: str, then: float) -> None:
        task = self.loop.create_task(self.client.gather([phone_number_id], deadline=5.0))
        self.gathers.append((phone_number_id, task))
        self._pass_time(then)

    @rule(name=st.sampled_from(sorted(OUTCOMES)), then=TIMES)
    def change_outcome(self, name: str, then: float) -> None:
        self._note_health()
        self.server.outcome = OUTCOMES[name]
        self._note_health()
        self._pass_time(then)

    def _pass_time(self, seconds: float) -> None:
        self.runner.run(asyncio.sleep(seconds))
        for call in self.calls:
            if call.task.done() and not call.task.cancelled():
                call.task.result()
        self.calls = [call for call in self.calls if not call.task.done()]
        self.gathers = [(each, task) for each, task in self.gathers if not task.done()]

    # Invariants

    async def _call(self, call: _Call) -> None:
        started = self.loop.time()
        oldest = self.forgotten.get(call.phone_number_id, 0.0)
        try:
            number = await self.client.get(call.phone_number_id, deadline=call.deadline, fresh=call.fresh)
        except ElevenPhoneError as error:
            self._check_error(call, started, error)
        else:
            sent = self.server.sent[int(number.label)]
            assert sent >= oldest, "asked for before it was forgotten"
            assert not call.fresh or sent >= started, "not fresh"
            self._check_age(call, started, sent)
            if call.epoch == self.epochs[call.phone_number_id]:
                self.remembered[call.phone_number_id] = sent
        took = self.loop.time() - started
        assert took <= call.deadline + SLACK, f"waited {took} s with a deadline of {call.deadline} s"

    def _check_age(self, call: _Call, started: float, sent: float) -> None:
        age = self.loop.time() - sent
        limit = self.cache.max_age + self.cache.stale_while_revalidate
        if self._may_fail(call, started):
            limit = max(limit, self.cache.max_age + self.cache.stale_if_error)
        # The result of its own lookup may be as old as the latency.
        assert age < limit or sent + LATENCY >= started, f"{age} s old"

    def _check_error(self, call: _Call, started: float, error: ElevenPhoneError) -> None:
        assert self._may_fail(call, started), f"{error!r} of a server that is well"
        sent = self.remembered.get(call.phone_number_id)
        if call.fresh or sent is None or self.server.last_404.get(call.phone_number_id, -1.0) >= sent:
            return
        passes = error.retryable or isinstance(error, TimeoutError)
        age = self.loop.time() - sent
        assert not passes or age >= self.cache.max_age + self.cache.stale_if_error, (
            "nothing was given instead"
        )

    def _may_fail(self, call: _Call, started: float) -> bool:
        self._note_health()
        is_bad = self.server.bad_until >= started or self.server.failed_since_good_answer
        return is_bad or call.deadline < LATENCY

    def _note_health(self) -> None:
        if self.server.outcome is not None:
            self.server.bad_until = self.loop.time()
            self.server.failed_since_good_answer = True

    @invariant()
    def at_most_one_shared_lookup_of_an_id_is_under_way(self) -> None:
        for phone_number_id, in_flight in self.server.in_flight.items():
            under_way = [call for call in self.calls if call.phone_number_id == phone_number_id]
            # A lookup that began before its number was forgotten ends by itself, and nobody joins it.
            epochs = {call.epoch for call in under_way} | {self.epochs[phone_number_id]}
            alone = sum(call.fresh for call in under_way)
            bulk = sum(each == phone_number_id for each, _ in self.gathers)
            # A gather may send a probe with another id.
            assert in_flight <= len(epochs) + alone + bulk + len(self.gathers)

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        try:
            self._pass_time(LONGEST_DEADLINE + 2 * SLACK)
            assert not self.calls
            self.runner.run(self._close())
        finally:
            self.runner.close()

    async def _close(self) -> None:
        await self.client.aclose()
        await asyncio.gather(*(task for _, task in self.gathers))
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not +self.server.in_flight
        assert self.client.stats.in_flight == 0


TestCacheStates = CacheMachine.TestCase
# Sabotage of the windows or of `forget` is found within some 100 examples.
TestCacheStates.settings = settings(max_examples=max(200, settings().max_examples))
