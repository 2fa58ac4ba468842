"""Answers that fail at random, next to an id that always fails."""

from __future__ import annotations

import random

import pytest
from fault_helpers import ids
from stub_transport import After, Step, found, refused
from virtual_client import id_of, use_client

from elevenphone import Failed, Lookup, PhoneNumberClient

_SHARE = 0.2


@pytest.mark.parametrize("seed", range(5))
def test_the_last_answers_of_a_run_do_not_raise_the_share_that_fails(seed: int) -> None:
    """The lookups that failed most are answered last; the share is that of all."""
    chance = random.Random(seed)

    def serve(url: str) -> Step:
        fails = chance.random() < _SHARE or id_of(url) == "phnum_799"
        return After(0.01, refused(503) if fails else found(id_of(url)))

    async def use(client: PhoneNumberClient) -> list[Lookup]:
        return await client.gather(ids(800))

    lost = [lookup for lookup in use_client(serve, use) if isinstance(lookup, Failed)]
    assert [lookup.phone_number_id for lookup in lost] == ["phnum_799"]
    assert lost[0].attempts <= 28  # at a share of 0.5 this many failures have a chance of 1e-9
