"""Rows 50 to 52: a server that asks for absurd waits, or refuses for ever."""

from __future__ import annotations

import asyncio

import pytest
from fault_helpers import ids
from stub_transport import After, Step, StubTransport, refused
from virtual_client import LATENCY, good, now, use_client

from elevenphone import (
    DeadlineExceededError,
    ElevenPhoneError,
    Failed,
    Lookup,
    PhoneNumberClient,
    RateLimitError,
)

DAY = "86400"
LONGEST_PAUSE = 60.0
ABSURD: dict[str, Step] = {
    "503, a day": refused(503, "unavailable", retry_after=DAY),
    "429 for the rate, a day": refused(429, "rate_limit_exceeded", retry_after=DAY),
    "429 for a busy service, a day": refused(429, "system_busy", retry_after=DAY),
    "429 for too many at once, a day": refused(429, "too_many_concurrent_requests", retry_after=DAY),
    "429 with an unknown word, a day": refused(429, "something_new", retry_after=DAY),
}


def after_one(step: Step) -> StubTransport:
    """Answer the first request so, and all others well."""
    steps = [step]
    return StubTransport(lambda url: steps.pop() if steps else good(url))


async def refuse_once(client: PhoneNumberClient) -> None:
    (end,) = await asyncio.gather(client.get("phnum_first"), return_exceptions=True)
    assert isinstance(end, Exception)


@pytest.mark.parametrize("seconds", [61.0, 600.0])
@pytest.mark.parametrize("absurd", ABSURD)
def test_row_50_a_hundred_gets_long_after_an_absurd_retry_after(absurd: str, seconds: float) -> None:
    async def use(client: PhoneNumberClient) -> None:
        await refuse_once(client)
        await asyncio.sleep(seconds)
        before = now()
        numbers = await asyncio.gather(*map(client.get, ids(100)))
        assert [number.phone_number_id for number in numbers] == ids(100)
        assert now() - before < 10.0

    use_client(after_one(ABSURD[absurd]), use)


@pytest.mark.parametrize("step", ABSURD.values(), ids=list(ABSURD))
def test_row_50_the_first_get_long_after_an_absurd_retry_after_takes_one_latency(step: Step) -> None:
    async def use(client: PhoneNumberClient) -> None:
        await refuse_once(client)
        await asyncio.sleep(120.0)
        before = now()
        await client.get("phnum_1")
        assert now() - before == pytest.approx(LATENCY)

    use_client(after_one(step), use)


@pytest.mark.parametrize("absurd", ABSURD)
def test_row_51_three_thousand_ids_long_after_an_absurd_retry_after(absurd: str) -> None:
    async def use(client: PhoneNumberClient) -> float:
        await refuse_once(client)
        await asyncio.sleep(120.0)
        return await seconds_for(client, 3_000)

    healthy = use_client(good, lambda client: seconds_for(client, 3_000))
    assert use_client(after_one(ABSURD[absurd]), use) < 1.5 * healthy


async def seconds_for(client: PhoneNumberClient, count: int) -> float:
    before = now()
    lookups = await client.gather(ids(count))
    assert [lookup.result().phone_number_id for lookup in lookups] == ids(count)
    return now() - before


FOR_EVER: dict[str, Step] = {
    "too many at once": refused(429, "too_many_concurrent_requests"),
    "too many a second": refused(429, "rate_limit_exceeded"),
    "too many a second, again in a second": refused(429, "rate_limit_exceeded", retry_after="1"),
    "too many a second, again in a day": refused(429, "rate_limit_exceeded", retry_after=DAY),
    "a busy service": refused(429, "system_busy"),
    "a busy service, again in a day": refused(429, "system_busy", retry_after=DAY),
    "an unknown word": refused(429, "something_new"),
    "an unknown word, again in a second": refused(429, "something_new", retry_after="1"),
}


@pytest.mark.parametrize("deadline", [30.0, 300.0])
@pytest.mark.parametrize("refusal", FOR_EVER.values(), ids=list(FOR_EVER))
def test_row_52_a_run_that_is_refused_for_ever_ends_after_about_one_deadline(
    refusal: Step, deadline: float
) -> None:
    async def use(client: PhoneNumberClient) -> None:
        lookups = await client.gather(ids(200), deadline=deadline)
        assert now() < max(1.3 * deadline, LONGEST_PAUSE + 5.0)  # a deadline begins with the first attempt
        assert [lookup.index for lookup in lookups] == list(range(200))
        reasons = {reason_of(lookup) for lookup in lookups}
        assert RateLimitError in reasons
        assert reasons <= {RateLimitError, DeadlineExceededError}

    use_client(lambda _url: After(0.01, refusal), use)


def test_row_52_so_does_each_of_two_runs_on_a_client_with_one_request_at_a_time() -> None:
    async def use(client: PhoneNumberClient) -> None:
        await asyncio.gather(client.gather(ids(20)), client.gather([f"{each}_other" for each in ids(20)]))
        assert now() < 300.0 + 2 * LONGEST_PAUSE

    again_in_a_day = FOR_EVER["a busy service, again in a day"]
    use_client(lambda _url: After(0.01, again_in_a_day), use, concurrency=1)


@pytest.mark.parametrize("refusal", FOR_EVER.values(), ids=list(FOR_EVER))
def test_row_52_a_second_run_at_once_does_not_spend_another_deadline(refusal: Step) -> None:
    async def use(client: PhoneNumberClient) -> None:
        await client.gather(ids(200), deadline=30.0)
        before, requests = now(), client.stats.requests
        lookups = await client.gather([f"{each}_other" for each in ids(200)], deadline=30.0)
        assert {reason_of(lookup) for lookup in lookups} == {RateLimitError}
        assert client.stats.requests - requests < 10
        assert now() - before < LONGEST_PAUSE + 1.0

    use_client(lambda _url: After(0.01, refusal), use)


def reason_of(lookup: Lookup) -> type[ElevenPhoneError]:
    """Return the class of a lookup's error, or of the last one before its deadline passed."""
    assert isinstance(lookup, Failed)
    error = lookup.error
    return type((isinstance(error, DeadlineExceededError) and error.last_error) or error)
