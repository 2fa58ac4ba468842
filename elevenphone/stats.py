"""`ClientStats`: the counters of a client."""

from __future__ import annotations

import msgspec


class ClientStats(msgspec.Struct, frozen=True, kw_only=True):
    """The counters of a client at one moment.

    Attributes:
        requests: Requests sent, with all retries.
        retries: Attempts after a lookup's first one.
        found: Lookups that found their number, and pages of listings.
        failed: Lookups and pages that ended with an error.
        throttled: Attempts that the server answered with 429.
        probes: Requests with an id that was found before, to find out whether the server
            is away. They belong to no lookup.
        cache_hits: Calls of `get` that were answered from memory.
        cache_stale: Those of `cache_hits` whose answer was older than `max_age`.
        joined: Calls of `get` that shared the lookup of another call.
        in_flight: Requests in flight now.
        concurrency_limit: The most requests that may be in flight now.
        waiting_at_server: How many of the requests in flight wait in a queue of the server.
            This is an estimate, from how much longer answers take than without a queue.
        held_by_queue: Whether the limit does not grow because more requests would only wait
            in that queue.
        connections_opened: Connections opened; 0 with a session that you passed.
    """

    requests: int
    retries: int
    found: int
    failed: int
    throttled: int
    probes: int = 0
    cache_hits: int = 0
    cache_stale: int = 0
    joined: int = 0
    in_flight: int
    concurrency_limit: int
    waiting_at_server: float = 0.0
    held_by_queue: bool = False
    connections_opened: int
