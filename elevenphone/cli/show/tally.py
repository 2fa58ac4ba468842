"""Counts of what became of the lookups of a run, and what failed in it."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter

from elevenphone._records import kind_of
from elevenphone.cli.exit_codes import ExitCode
from elevenphone.cli.show.verdicts import explained, may_pass, telephone_number_error
from elevenphone.cli.text import printable
from elevenphone.errors import NotFoundError, StatusError
from elevenphone.lookups import Failed, Found, Lookup


class Tally:
    """Counts lookups as they come.

    Attributes:
        found: Numbers found.
        not_found: Ids that the API does not know.
        failed: All other failures.
        passing: Failures for a reason that may pass.
        providers: Numbers found, by provider.
        without_agent: Numbers without an agent, by provider.
        errors: Lookups that were not found or failed, by the kind of error.
    """

    def __init__(self) -> None:
        self.found = 0
        self.not_found = 0
        self.failed = 0
        self.passing = 0
        self.providers: Counter[str] = Counter()
        self.without_agent: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        # Of failures that are alike, the first of the input and their count.
        self._alike: dict[tuple[object, ...], tuple[Failed, int]] = {}

    @property
    def done(self) -> int:
        """Lookups counted."""
        return self.found + self.not_found + self.failed

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of a run that came to its end."""
        if self.failed:
            return ExitCode.SOME_FAILED
        return ExitCode.NOT_FOUND if self.not_found else ExitCode.ALL_FOUND

    def add(self, lookup: Lookup) -> None:
        """Count one."""
        if isinstance(lookup, Found):
            provider = lookup.number.provider
            self.found += 1
            self.providers[provider] += 1
            self.without_agent[provider] += lookup.number.assigned_agent is None
            return
        error = lookup.error
        self.errors[kind_of(type(error))] += 1
        self.passing += may_pass(lookup)
        if isinstance(error, NotFoundError):
            self.not_found += 1
        else:
            self.failed += 1
        # An empty id and a telephone number have explanations of their own.
        form = bool(lookup.phone_number_id), telephone_number_error(lookup.phone_number_id) is not None
        alike = kind_of(type(error)), error.code if isinstance(error, StatusError) else None, form
        first, count = self._alike.get(alike, (lookup, 0))
        self._alike[alike] = min(first, lookup, key=attrgetter("index")), count + 1

    def complaints(self) -> list[str]:
        """Say what failed and what to do: a line for failures that are alike, the most frequent first."""
        frequent = sorted(self._alike.values(), key=lambda each: (-each[1], each[0].index))
        return [printable(_complaint(first, count)) for first, count in frequent]


def _complaint(first: Failed, count: int) -> str:
    whose = first.phone_number_id or f"row {first.index + 1:,}"
    what = explained(first.error) if first.phone_number_id else "empty id."
    if count > 1:
        return f"{whose} and {count - 1:,} more: {what}"
    return what if what.startswith(repr(whose)) else f"{whose}: {what}"
