"""Rows 17 to 23, 31 and 32: a server that refuses, is away, or answers when it likes."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest
import virtual_time
from fault_helpers import AT_ONCE, Serve, connect, ids
from misbehaving_server import Wire, envelope, found, send, whole
from stub_transport import After, Step, StubTransport, answer, found_at, refused
from stub_transport import found as found_step

from elevenphone import (
    AuthenticationError,
    ClientStats,
    ConnectionFailedError,
    Failed,
    Found,
    Lookup,
    NotFoundError,
    PhoneNumberClient,
    RateLimitError,
    RetryPolicy,
    ServerError,
    UnprocessableEntityError,
)
from elevenphone.emulator import Emulator

TOO_MANY = envelope("too_many_concurrent_requests")
TOO_OFTEN = envelope("rate_limit_exceeded")


async def test_row_17_429_for_concurrency_makes_one_lookup_wait_and_cuts_the_limit(serve: Serve) -> None:
    refused_id = ids(40)[3]
    refusals = 0

    async def refuse_one(wire: Wire) -> None:
        nonlocal refusals
        if wire.request.phone_number_id == refused_id and not refusals:
            refusals += 1
            await wire.send(whole(429, TOO_MANY, "retry-after-ms: 40"))
        else:
            await found(wire)

    server = await serve(refuse_one)
    async with connect(server) as client:
        before = client.stats.concurrency_limit
        lookups = await client.gather(ids(40))
        assert client.stats.concurrency_limit < before
        assert client.stats.throttled == 1
    assert [type(lookup) for lookup in lookups] == [Found] * 40
    asked = [request.phone_number_id for request in server.requests]
    first = asked.index(refused_id)
    again = asked.index(refused_id, first + 1)
    assert server.requests[again].at - server.requests[first].at >= 0.04
    assert again - first > 10  # the others went on
    assert len(asked) == client.stats.requests == 41


def test_row_17_429_for_concurrency_makes_nobody_else_wait() -> None:
    refusal = After(0.01, refused(429, "too_many_concurrent_requests", retry_after="1"))
    steps = {"phnum_9": [refusal]}
    asked: dict[str, list[float]] = {}

    def serve(url: str) -> Step:
        phone_number_id = url.rpartition("/")[2]
        asked.setdefault(phone_number_id, []).append(asyncio.get_running_loop().time())
        left = steps.get(phone_number_id)
        return left.pop() if left else After(0.06, found_step(phone_number_id))

    lookups = gather(StubTransport(serve), 300)[0]
    assert [lookup.result().phone_number_id for lookup in lookups] == ids(300)
    first, again = asked.pop("phnum_9")
    assert again >= first + 1.01
    meanwhile = [at for (at,) in asked.values() if first + 0.1 < at < first + 1.0]
    assert len(meanwhile) > 30


async def test_row_18_429_for_rate_holds_everybody_on_a_socket(serve: Serve) -> None:
    refused_at: list[float] = []

    async def refuse_the_fourth(wire: Wire) -> None:
        if len(server.requests) == 4:
            await wire.send(whole(429, TOO_OFTEN, "Retry-After: 0.05"))
            refused_at.append(asyncio.get_running_loop().time())
        else:
            await found(wire)

    server = await serve(refuse_the_fourth)
    async with connect(server, concurrency=1) as client:
        lookups = await client.gather(ids(10))
    assert [type(lookup) for lookup in lookups] == [Found] * 10
    assert server.requests[4].at >= refused_at[0] + 0.05
    assert len(server.requests) == client.stats.requests == 11


def test_row_18_429_for_rate_with_retry_after_1_starts_nobody_before_then() -> None:
    refusal = After(0.01, refused(429, "rate_limit_exceeded", retry_after="1"))
    transport = StubTransport(lambda url: refusal if transport.requests == 6 else After(0.06, found_at(url)))
    lookups = gather(transport, 100)[0]
    assert [type(lookup) for lookup in lookups] == [Found] * 100
    refused_at = transport.times[5] + 0.01
    assert not [at for at in transport.times if refused_at < at < refused_at + 1]
    assert [at for at in transport.times if at >= refused_at + 1]


def gather(
    transport: StubTransport, count: int, *, deadline: float | None = 300.0
) -> tuple[list[Lookup], ClientStats]:
    """Gather so many ids in virtual time."""

    async def main() -> tuple[list[Lookup], ClientStats]:
        async with PhoneNumberClient(transport=transport) as client:
            return await client.gather(ids(count), deadline=deadline), client.stats

    return virtual_time.run(main())


WISHES = {
    "3600": 3600.0,
    "Fri, 15 Jan 2021 08:00:00 GMT": None,
    "-5": None,
    "nan": None,
    "inf": None,
    "soon": None,
    "": None,
    "1e400": None,
    "0x10": None,
    "1_0": 10.0,
}


@pytest.mark.parametrize("wish", WISHES)
async def test_row_19_retry_after_that_is_far_past_or_nonsense(wish: str, serve_plain: Serve) -> None:
    server = await serve_plain(send(whole(429, TOO_OFTEN, f"Retry-After: {wish}")))
    async with connect(server, deadline=5.0, retry=RetryPolicy(attempts=1)) as client:
        with pytest.raises(RateLimitError) as caught:
            await client.get("phnum_1")
        assert caught.value.retry_after == WISHES[wish]
    server = await serve_plain(send(whole(503, b"", f"Retry-After: {wish}")))
    async with connect(server, deadline=5.0) as client:
        with pytest.raises(ServerError) as unavailable:
            await client.get("phnum_1")
        assert unavailable.value.retry_after == WISHES[wish]
        assert len(server.requests) == (3 if WISHES[wish] is None else 1)


async def test_row_19_get_raises_at_once_with_the_hour_that_a_429_asks_for(serve_plain: Serve) -> None:
    server = await serve_plain(send(whole(429, TOO_OFTEN, "Retry-After: 3600")))
    async with connect(server, deadline=5.0) as client:
        started = asyncio.get_running_loop().time()
        with pytest.raises(RateLimitError) as caught:
            await client.get("phnum_1")
        assert asyncio.get_running_loop().time() - started < 4.0
        assert caught.value.retry_after == 3600.0
        assert len(server.requests) == client.stats.requests == 1


def test_row_19_retry_after_of_an_hour_is_capped_in_bulk() -> None:
    steps: list[Step] = [refused(429, "rate_limit_exceeded", retry_after="3600")]
    transport = StubTransport(lambda url: steps.pop(0) if steps else found_at(url))
    lookups, _ = gather(transport, 3)
    assert [type(lookup) for lookup in lookups] == [Found] * 3
    assert 60.0 <= transport.times[-1] - transport.times[0] < 65.0


@pytest.mark.parametrize("code", ["invalid_api_key", "quota_exceeded", "missing_permissions"])
async def test_row_20_401_stops_the_run_and_keeps_what_is_done(code: str, serve: Serve) -> None:
    async def until_the_tenth(wire: Wire) -> None:
        answered = len(server.requests) <= 10
        await (found if answered else send(whole(401, envelope(code))))(wire)

    server = await serve(until_the_tenth)
    async with connect(server) as client:
        lookups = await client.gather(ids(200))
        done = [lookup for lookup in lookups if isinstance(lookup, Found)]
        failed = [lookup for lookup in lookups if isinstance(lookup, Failed)]
        assert (len(done), len(failed)) == (10, 190)
        assert all(
            isinstance(lookup.error, AuthenticationError) and lookup.error.code == code for lookup in failed
        )
        assert len(server.requests) == client.stats.requests < 40
        assert sum(lookup.attempts for lookup in lookups) == len(server.requests)
        with pytest.raises(AuthenticationError):
            await client.get("phnum_1")
        assert client.stats.retries == 0


async def test_row_21_404_is_one_lookup_s_own_and_the_run_goes_on(serve: Serve) -> None:
    async def odd_ones_are_unknown(wire: Wire) -> None:
        is_odd = int(wire.request.phone_number_id.removeprefix("phnum_")) % 2
        await (send(whole(404, envelope("phone_number_not_found"))) if is_odd else found)(wire)

    server = await serve(odd_ones_are_unknown)
    async with connect(server) as client:
        lookups = await client.gather(ids(50))
    for index, lookup in enumerate(lookups):
        assert lookup.index == index
        assert lookup.attempts == 1
        match lookup:
            case Found(number=number):
                assert number.phone_number_id == f"phnum_{index}"
            case Failed(error=error):
                assert index % 2
                assert isinstance(error, NotFoundError)
                assert error.code == "phone_number_not_found"
    assert len(server.requests) == 50


@pytest.mark.parametrize(
    ("detail", "message"),
    [
        (b'[{"loc": ["path", "phone_number_id"], "msg": "Bad id", "type": "value_error"}]', "Bad id"),
        (b'{"status": "invalid", "message": "Bad id"}', "Bad id"),
        (b'"Bad id"', "Bad id"),
    ],
    ids=["list", "object", "string"],
)
async def test_row_22_422_keeps_its_message(detail: bytes, message: str, serve_plain: Serve) -> None:
    server = await serve_plain(send(whole(422, b'{"detail": ' + detail + b"}")))
    async with connect(server) as client:
        with pytest.raises(UnprocessableEntityError, match=message) as caught:
            await client.get("phnum_1")
        assert caught.value.message == message
        assert len(server.requests) == 1


@pytest.mark.parametrize("refuses_connections", [False, True], ids=["503", "refused connections"])
def test_row_23_503_for_60_seconds_in_the_middle_of_bulk(refuses_connections: bool) -> None:
    def serve(url: str) -> Step:
        now = asyncio.get_running_loop().time() - virtual_time.START
        if not 1.0 <= now < 61.0:
            return After(0.06, found_at(url))
        return ConnectionFailedError("refused") if refuses_connections else refused(503, "unavailable")

    transport = StubTransport(serve)
    lookups, stats = gather(transport, 2_000)
    assert [lookup.result().phone_number_id for lookup in lookups] == ids(2_000)
    # Once the answers of the first moment are in, one request at a time probes.
    probes = [at for at in transport.times if 2.0 <= at - virtual_time.START < 61.0]
    assert 50 < len(probes) < 70
    assert min(later - sooner for sooner, later in pairwise(probes)) > 0.5
    assert stats.requests == sum(lookup.attempts for lookup in lookups) + stats.probes


async def test_row_31_the_server_closes_every_connection_after_10_requests(serve: Serve) -> None:
    async def tire(wire: Wire) -> None:
        await found(wire)
        if wire.request.nth == 10:
            await wire.close()

    server = await serve(tire)
    async with connect(server) as client:
        lookups = await client.gather(ids(1_000))
        assert [lookup.result().phone_number_id for lookup in lookups] == ids(1_000)
        # Nothing slowed down: no lookup tried again or waited, no request was lost or sent for nothing.
        assert {lookup.attempts for lookup in lookups} == {1}
        assert client.stats.retries == client.stats.throttled == 0
        assert len(server.requests) == 1_000
        assert client.stats.connections_opened == server.connections < 250
        assert client.stats.requests < 1_000 + server.connections


async def test_row_32_half_the_responses_503_at_random(serve: Serve) -> None:
    dice = random.Random(32)

    async def sometimes(wire: Wire) -> None:
        await (found if dice.random() < 0.5 else send(whole(503, envelope("unavailable"))))(wire)

    server = await serve(sometimes)
    async with connect(server, retry=AT_ONCE) as client:
        lookups = await client.gather(ids(300), deadline=30.0)
        assert [lookup.result().phone_number_id for lookup in lookups] == ids(300)
        stats = client.stats
        assert sum(lookup.attempts for lookup in lookups) + stats.probes == stats.requests
        assert stats.requests == len(server.requests) > 450


async def test_row_32_every_fault_of_the_emulator_at_once() -> None:
    async with (
        Emulator(
            numbers=300,
            seed=32,
            server_errors=0.1,
            busy=0.02,
            drops=0.1,
            resets=0.1,
            truncated=0.1,
            requests_per_connection=7,
            concurrency_limit=6,
            retry_after_ms=5,
        ) as emulator,
        PhoneNumberClient(
            emulator.api_key, base_url=emulator.base_url, retry=RetryPolicy(wait_initial=0.001)
        ) as client,
    ):
        lookups = await client.gather(emulator.ids, deadline=30.0)
        assert [lookup.result() for lookup in lookups] == [
            emulator.number(phone_number_id) for phone_number_id in emulator.ids
        ]
        assert client.stats.requests >= emulator.stats.requests
        assert sum(lookup.attempts for lookup in lookups) <= client.stats.requests


def test_what_is_said_of_a_200_that_is_an_error_inside() -> None:
    transport = StubTransport([answer(200, {"detail": {"status": "x", "message": "y"}})])
    (lookup,), _ = gather(transport, 1)
    assert isinstance(lookup, Failed)
    assert "phone_number" in str(lookup.error)
