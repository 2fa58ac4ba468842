"""What is known about the queue at the server."""

from __future__ import annotations

import msgspec

from elevenphone._limits.answer_times import AnswerTimes


class Free(msgspec.Struct, frozen=True, gc=False):
    """No queue was noticed: there is no bound."""


class Looking(msgspec.Struct, frozen=True, gc=False):
    """Answers took longer: half as many requests are in flight for one sample, to measure the effect.

    Attributes:
        before: The answers that took longer.
        cut_from: Requests in flight before the first cut.
        latest: The mean of the seconds that answers took before the latest cut.
    """

    before: AnswerTimes
    cut_from: float
    latest: float


class Bounded(msgspec.Struct, frozen=True, gc=False):
    """The server has a queue: just enough requests are in flight to keep it busy; sometimes more are tried.

    Attributes:
        try_from: The time from which more are tried.
        step: How many more, at least one.
        cut_from: Requests in flight before a cut whose effect is not known yet; 0 if there is none.
    """

    try_from: float
    step: float = 0.0
    cut_from: float = 0.0
