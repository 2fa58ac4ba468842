"""Counts of what became of the lookups of a run."""

from __future__ import annotations

from collections import Counter

from elevenphone._records import kind_of
from elevenphone.errors import NotFoundError
from elevenphone.lookups import Found, Lookup


class Tally:
    """Counts lookups as they come.

    Attributes:
        found: Numbers found.
        not_found: Ids that the API does not know.
        failed: All other failures.
        providers: Numbers found, by provider.
        without_agent: Numbers without an agent, by provider.
        errors: Lookups that were not found or failed, by the kind of error.
    """

    def __init__(self) -> None:
        self.found = 0
        self.not_found = 0
        self.failed = 0
        self.providers: Counter[str] = Counter()
        self.without_agent: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    @property
    def done(self) -> int:
        """Lookups counted."""
        return self.found + self.not_found + self.failed

    def add(self, lookup: Lookup) -> None:
        """Count one."""
        if isinstance(lookup, Found):
            provider = lookup.number.provider
            self.found += 1
            self.providers[provider] += 1
            self.without_agent[provider] += lookup.number.assigned_agent is None
            return
        self.errors[kind_of(type(lookup.error))] += 1
        if isinstance(lookup.error, NotFoundError):
            self.not_found += 1
        else:
            self.failed += 1
