"""Laws of a listing beside the other callers."""

from __future__ import annotations

from collections.abc import Iterator

from world_evidence import Evidence
from world_server import listed_id

from elevenphone import ElevenPhoneError

_EXACT = 1e-6


def a_listing_has_every_number_once(evidence: Evidence) -> Iterator[str]:
    """A listing yields the numbers in their order, each once, and all of them if it raises nothing."""
    for listing in evidence.played.listings:
        plan, got = listing.plan, [number.phone_number_id for number in listing.numbers]
        if got != [listed_id(n) for n in range(len(got))]:
            yield f"{plan.name}: yielded {got[:5]} ..."
        whole = plan.leaves_after or plan.page_size * plan.pages
        if evidence.is_finished and not listing.cancelled and listing.error is None and len(got) != whole:
            yield f"{plan.name}: {len(got)} numbers of {whole}"


def a_listing_ends_well(evidence: Evidence) -> Iterator[str]:
    """A listing raises our exceptions alone, and none if the server is there and its policy allows retries.

    Not claimed where the account, a closed client, an outage or a wait that the server asks for comes before.
    A page is retried until its deadline, so failures by chance do not end it.
    """
    world = evidence.world
    server, closes_at = world.server, world.closes_at
    troubled = server.account or server.outages or server.retry_after or server.throttles_from is not None
    for listing in evidence.played.listings:
        if listing.error is None:
            continue
        if not isinstance(listing.error, ElevenPhoneError):
            yield f"{listing.plan.name}: raised {listing.error!r}"
        elif not (troubled or closes_at is not None or world.client.attempts == 1):
            yield f"{listing.plan.name}: raised {listing.error!r} from a server that is there"


def a_listing_ends_at_once_when_its_client_is_closed(evidence: Evidence) -> Iterator[str]:
    """A listing that waits for a page ends as its client is closed; what was read before may be yielded."""
    closes_at = evidence.world.closes_at
    for listing in evidence.played.listings:
        if closes_at is not None and listing.called <= closes_at:
            rest = listing.plan.pause * listing.plan.page_size
            if listing.ended > closes_at + rest + _EXACT:
                yield f"{listing.plan.name}: ended {listing.ended - closes_at:.3f} s after closing"


LAWS_OF_LISTINGS = (
    a_listing_has_every_number_once,
    a_listing_ends_well,
    a_listing_ends_at_once_when_its_client_is_closed,
)
