"""A lookup, and its caller."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar, cast

from elevenphone._limits.slots import Lane, Slot
from elevenphone._lookup.watchdog import Watched
from elevenphone.errors import Attempt, DecodeError, ElevenPhoneError, StatusError
from elevenphone.retry import RetryPolicy
from elevenphone.transport import Response

_T = TypeVar("_T")
_MOST_HISTORY = 16


class Terms(NamedTuple):
    """The settings that all lookups of a call share.

    Attributes:
        prefix: The URL up to the id.
        timeout: Seconds for one attempt.
        deadline: Seconds for one lookup, or `None`.
        retry: What to retry, and when.
    """

    prefix: str
    timeout: float
    deadline: float | None
    retry: RetryPolicy


class Caller(Protocol):
    """The caller of a lookup: a single call, or a bulk run. They differ in two answers.

    Attributes:
        lane: Whose slots the lookup takes.
    """

    lane: Lane

    async def may_begin(self, job: Job[_T]) -> Slot:
        """Wait for a slot, or raise the error that ends the lookup."""
        ...

    def next_wait(self, job: Job[_T], error: ElevenPhoneError) -> float | None:
        """Return the seconds until the next attempt, or `None` for no further attempt."""
        ...


class Job(Watched, Generic[_T], eq=False):
    """One lookup under way.

    Attributes:
        caller: The single call or the bulk run that awaits it.
        phone_number_id: The id, or `None` for a page of a listing.
        url: The URL of the request.
        decode: Makes a result from the body of an answer, or raises an error.
        timeout: Seconds for one attempt.
        deadline: Seconds for all attempts, or `None`.
        retry: What to retry, and when.
        index: Its position in the input of a run.
        remember: Whether the result is added to the client's memory.
        attempts: Attempts begun.
        started: The moment of the first.
        slot: The slot of the last.
        expires: The moment at which the deadline passes.
        elapsed: Seconds from the first attempt to the end.
        response: The last answer.
        result: The result of `decode`; it is valid only if `error` is `None`.
        error: The error of the last attempt; `None` if there is a result.
        history: The failed attempts.
    """

    caller: Caller
    phone_number_id: str | None
    url: str
    decode: Callable[[bytes], _T]
    timeout: float
    deadline: float | None
    retry: RetryPolicy
    index: int = 0
    remember: bool = False
    attempts: int = 0
    started: float = 0.0
    slot: Slot | None = None
    expires: float = math.inf
    elapsed: float = 0.0
    response: Response | None = None
    result: _T = cast("_T", None)
    error: ElevenPhoneError | None = None
    history: tuple[Attempt, ...] = ()
    # Notes of `OutageGate`; see `_limits.outage.Subject`.
    failures: int = 0
    counted_in: int = 0
    excused_in: int = -1
    in_doubt: bool = False
    has_probed: bool = False  # one of its slots was used for a probe

    @property
    def asked(self) -> float:
        """The moment of the last attempt."""
        return 0.0 if self.slot is None else self.slot.started

    @property
    def last_request(self) -> int:
        """The number of its last request, as `OutageGate` counts them."""
        return 0 if self.slot is None else self.slot.number

    @property
    def sending(self) -> bool:
        """Whether an attempt is under way."""
        return self.slot is not None and not self.slot.ended

    def begin(self, slot: Slot) -> None:
        """Count an attempt, and limit its time; the first starts the deadline, unless a probe has."""
        now = slot.started
        self.slot = slot
        if not self.attempts:
            self.started = now
            if self.deadline is not None and not self.has_probed:
                self.expires = now + self.deadline
        self.attempts += 1
        ends = now + self.timeout
        self.moment: float = ends if ends < self.expires else self.expires  # noqa: FURB136 - a call costs more

    def begin_probe(self, now: float) -> float:
        """Note that its slot goes to a probe; if it is its first slot, the deadline starts with it.

        Otherwise a lookup could probe for ever while the server is down.

        Returns:
            The moment at which the probe ends at the latest.
        """
        if self.deadline is not None and not self.attempts and not self.has_probed:
            self.expires = now + self.deadline
        self.has_probed = True
        return min(now + self.timeout, self.expires)

    def leaves_too_little_time(self, started: float) -> bool:
        """Whether the deadline was near when a request began: if it gets no answer, that shows nothing."""
        return self.deadline is not None and self.expires < started + min(self.timeout, self.deadline)

    def failed(self, error: ElevenPhoneError, began: float, now: float) -> None:
        """Note how an attempt failed."""
        self.error = error.with_traceback(None)  # whose frames would live as long as the error
        self.elapsed = now - self.started
        status = error.status if isinstance(error, StatusError | DecodeError) else None
        attempt = Attempt(began - self.started, now - began, status, str(error))
        self.history = (*self.history, attempt)[-_MOST_HISTORY:]

    def outcome(self) -> _T:
        """Return the result, or raise the error."""
        if self.error is not None:
            raise self.error.with_traceback(None)
        return self.result

    def finish(self, error: ElevenPhoneError, now: float) -> None:
        """Fail for good; the error gets the history of the attempts that led to it."""
        if self.attempts:
            self.elapsed = now - self.started
        if self.history and not error.history:
            error.history = self.history
