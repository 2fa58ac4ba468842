"""What a client has done so far."""

from __future__ import annotations

import msgspec


class ClientStats(msgspec.Struct, frozen=True, kw_only=True):
    """What a client has done so far.

    Attributes:
        requests: Requests put on the wire, each resend and retry included.
        retries: Attempts that were not a lookup's first.
        found: Lookups that found their number, and pages of listings.
        failed: Lookups and pages that ended in an error.
        throttled: Attempts answered 429.
        probes: Requests for an id that was found before, sent to find out whether the
            server is away. They belong to no lookup.
        cache_hits: Calls of `get` that were answered from memory.
        cache_stale: Those of them that got an answer older than `max_age`.
        joined: Calls of `get` that joined a lookup of the same id.
        in_flight: Requests in flight now.
        concurrency_limit: Most requests that may be in flight now.
        waiting_at_server: Requests in flight that are estimated to wait in a queue of the server,
            from how much longer answers take than without one.
        held_by_queue: Whether the limit stays where it is because more requests would only wait there.
        connections_opened: Connections made; 0 with a borrowed session.
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
