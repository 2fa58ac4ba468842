"""What is known of the queue before the server."""

from __future__ import annotations

import msgspec

from elevenphone._limits.answer_times import AnswerTimes


class Free(msgspec.Struct, frozen=True, gc=False):
    """No queue was seen: there is no bound."""


class Looking(msgspec.Struct, frozen=True, gc=False):
    """Answers took longer: for one sample half as many are in flight, to see what answers take then.

    Attributes:
        before: The answers that took longer.
        cut_from: How many were in flight before any cut.
    """

    before: AnswerTimes
    cut_from: float


class Bounded(msgspec.Struct, frozen=True, gc=False):
    """The server has a queue: as many are in flight as keep it busy, and now and then more are tried.

    Attributes:
        try_from: The moment from which more are tried.
        step: How many more.
        cut_from: How many were in flight before a cut that has yet to show that it helps; 0 for none.
    """

    try_from: float
    step: float = 1.0
    cut_from: float = 0.0
