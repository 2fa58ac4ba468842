"""The types that users see: checked by mypy and pyright, both strict, and run as well.

`assert_type` is for the checkers; where a line must be refused, the comment that
silences it is itself refused as soon as it is no longer needed.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Literal, assert_never, assert_type

import pytest

from elevenphone import (
    AssignedAgent,
    ClientStats,
    DecodeError,
    ElevenPhoneError,
    ExotelPhoneNumber,
    Failed,
    FaultyElementError,
    FieldError,
    Found,
    InboundTrunk,
    Listing,
    Lookup,
    NotFoundError,
    OtherPhoneNumber,
    OutboundTrunk,
    PhoneNumber,
    PhoneNumberClient,
    RateLimitError,
    RawResponse,
    Region,
    Response,
    RetryPolicy,
    Run,
    SIPTrunkPhoneNumber,
    StatusError,
    Transport,
    TwilioPhoneNumber,
    UnprocessableEntityError,
    decode,
    encode,
)
from elevenphone.emulator import Emulator, EmulatorStats, Latency, RecordedRequest

TWILIO = decode(b'{"provider": "twilio", "phone_number": "+1", "label": "a", "phone_number_id": "phnum_1"}')
NEW = decode(b'{"provider": "new", "phone_number": "+1", "label": "a", "phone_number_id": "phnum_1"}')
SIP = decode(
    b'{"provider": "sip_trunk", "phone_number": "+1", "label": "a", "phone_number_id": "phnum_1",'
    b' "livekit_stack": "standard"}'
)


def provider_of(number: PhoneNumber) -> str:
    """Match on the class: complete without a default."""
    match number:
        case TwilioPhoneNumber():
            assert_type(number.provider, Literal["twilio"])
            return number.provider
        case ExotelPhoneNumber():
            assert_type(number.provider, Literal["exotel"])
            return number.provider
        case SIPTrunkPhoneNumber():
            assert_type(number.provider, Literal["sip_trunk"])
            assert_type(number.outbound_trunk, OutboundTrunk | None)
            assert_type(number.inbound_trunk, InboundTrunk | None)
            return number.provider
        case OtherPhoneNumber():
            assert_type(number.provider, str)
            assert_type(number.raw, bytes)
            return number.provider
        case _:
            assert_never(number)


def provider_of_all_but_exotel(number: PhoneNumber) -> str:
    """Leave a class out: refused by both checkers."""
    match number:
        case TwilioPhoneNumber() | SIPTrunkPhoneNumber() | OtherPhoneNumber():
            return number.provider
        case _:
            assert_never(number)  # type: ignore[arg-type]


def described(lookup: Lookup) -> str:
    """Match on what became of a lookup: complete without a default."""
    match lookup:
        case Found(number=number, index=index):
            assert_type(number, PhoneNumber)
            assert_type(index, int)
            return number.label
        case Failed(error=error):
            assert_type(error, ElevenPhoneError)
            return type(error).__name__
        case _:
            assert_never(lookup)


def test_a_match_over_the_classes_of_numbers_is_complete() -> None:
    assert [provider_of(number) for number in (TWILIO, SIP, NEW)] == ["twilio", "sip_trunk", "new"]
    with pytest.raises(AssertionError):
        provider_of_all_but_exotel(ExotelPhoneNumber(phone_number="+1", label="a", phone_number_id="1"))


def test_a_match_over_lookups_is_complete() -> None:
    assert described(Found(0, "phnum_1", 1, 0.1, TWILIO)) == "a"
    assert described(Failed(0, "phnum_1", 1, 0.1, NotFoundError(404))) == "NotFoundError"


def test_results_have_their_types() -> None:
    found, failed = Found(0, "phnum_1", 1, 0.1, TWILIO), Failed(0, "phnum_1", 1, 0.1, NotFoundError(404))
    assert_type(found.number, PhoneNumber)
    assert_type(found.result(), PhoneNumber)
    assert found.result() is TWILIO
    lookups: list[Lookup] = [found, failed]
    for lookup in lookups[:1]:
        assert_type(lookup.result(), PhoneNumber)
        assert_type(lookup.elapsed, float)
    with pytest.raises(NotFoundError):
        failed.result()


def test_what_only_some_have_is_not_read_unasked() -> None:
    with pytest.raises(AttributeError):
        _ = TWILIO.outbound_trunk  # type: ignore[union-attr]
    with pytest.raises(AttributeError):
        _ = TWILIO.assigned_agent.agent_id  # type: ignore[union-attr]


def test_numbers_do_not_change() -> None:
    assert isinstance(TWILIO, TwilioPhoneNumber)
    with pytest.raises(AttributeError):
        TWILIO.label = "b"  # type: ignore[misc]


def test_common_fields_need_no_match() -> None:
    assert_type(TWILIO.label, str)
    assert_type(TWILIO.provider, str)
    assert_type(TWILIO.supports_inbound, bool)
    assert_type(TWILIO.assigned_agent, AssignedAgent | None)
    assert_type(encode(TWILIO), bytes)
    assert TWILIO.provider == "twilio"


def test_open_enumerations_take_a_new_value() -> None:
    trunk = OutboundTrunk(
        address="sip.example.com", transport="quic", media_encryption="zrtp", has_auth_credentials=False
    )
    transport: str = trunk.transport
    assert_type(trunk.headers, dict[str, str])
    assert_type(trunk.enabled_codecs, tuple[str, ...])
    assert transport == "quic"


def test_errors_have_their_types() -> None:
    error = RateLimitError(429, "system_busy", kind="busy")
    assert_type(error.kind, Literal["concurrency", "rate", "busy", "quota", "unknown"])
    assert_type(error.retry_after, float | None)
    assert_type(UnprocessableEntityError().errors, tuple[FieldError, ...])
    assert_type(DecodeError("").path, str | None)
    status_error: StatusError = error
    assert_type(status_error.code, str | None)
    assert error.kind == "busy"


class Scripted:
    """A transport of somebody else's."""

    def __init__(self) -> None:
        self.requests = 0
        self.connections_opened = 0

    async def send(self, url: str) -> Response:
        self.requests += 1
        return Response(200, {"content-length": "1"}, encode(TWILIO) if url.endswith("phnum_1") else b"?")

    async def aclose(self) -> None:
        pass


async def test_the_client_has_its_types() -> None:
    transport: Transport = Scripted()
    async with PhoneNumberClient(transport=transport, retry=RetryPolicy.none()) as client:
        assert_type(client, PhoneNumberClient)
        assert_type(await client.get("phnum_1", timeout=1, deadline=None), PhoneNumber)
        raw = await client.get_raw("phnum_1")
        assert_type(raw, RawResponse)
        assert_type(raw.headers, dict[str, str])
        assert_type(raw.decode(), PhoneNumber)
        assert_type(await client.gather(["phnum_1"]), list[Lookup])
        run = client.stream(iter(["phnum_1"]), ordered=True)
        assert_type(run, Run)
        async with run as lookups:
            iterator: AsyncIterator[Lookup] = lookups
            async for lookup in iterator:
                assert_type(lookup, Lookup)
        assert_type(client.stats, ClientStats)
        assert_type(client.stats.requests, int)
        assert_type(await client.aclose(), None)
    assert transport.requests == 4


class OnePage:
    """A transport whose only answer is a page with one good element and one faulty one."""

    requests = 0
    connections_opened = 0

    async def send(self, url: str) -> Response:
        assert "page_size=2" in url
        return Response(200, {}, b'{"has_more": false, "phone_numbers": [' + encode(TWILIO) + b", {}]}")

    async def aclose(self) -> None:
        pass


async def test_a_listing_has_its_types() -> None:
    async with PhoneNumberClient(transport=OnePage()) as client:
        listing = client.list(
            provider="twilio", supports_outbound=True, sort_by="label", sort_direction="asc", page_size=2
        )
        assert_type(listing, Listing)
        iterator: AsyncIterator[PhoneNumber] = listing
        assert_type(await anext(listing), PhoneNumber)
        with pytest.raises(FaultyElementError) as caught:
            await anext(iterator)
        error: DecodeError = caught.value
        assert_type(caught.value.phone_number_id, str | None)
        assert error.path == "$.phone_numbers[1].phone_number"
        with pytest.raises(ValueError, match="sort_direction"):
            client.list(sort_direction="down")  # type: ignore[arg-type]


async def test_an_async_generator_is_an_input() -> None:
    async def ids() -> AsyncIterator[str]:
        yield "phnum_1"

    async with PhoneNumberClient(transport=Scripted()) as client:
        assert len(await client.gather(ids())) == 1


async def test_wrong_arguments_are_refused_by_checkers_too() -> None:
    with pytest.raises(ValueError, match="region"):
        PhoneNumberClient("key", region="eu")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="concurrency"):
        PhoneNumberClient("key", concurrency="10")  # type: ignore[arg-type]
    host: str = Region.EU.value
    assert host.endswith("elevenlabs.io")


def test_a_policy_has_its_types() -> None:
    policy = RetryPolicy(attempts=2)
    assert_type(policy, RetryPolicy)
    assert_type(policy.wait(NotFoundError(404), 1), float | None)
    assert policy.wait(NotFoundError(404), 1) is None


async def test_the_emulator_has_its_types() -> None:
    async with Emulator(3, latency=Latency.uniform(0, 0.001), record=True) as emulator:
        assert_type(emulator, Emulator)
        assert_type(emulator.ids, tuple[str, ...])
        assert_type(emulator.base_url, str)
        assert_type(emulator.number(emulator.ids[0]), PhoneNumber)
        assert_type(emulator.requests, list[RecordedRequest])
        assert_type(emulator.stats, EmulatorStats)
        emulator.concurrency_limit = 2
        emulator.latency = 0.0
    assert emulator.stats.requests == 0


def test_headers_of_a_response_are_any_mapping() -> None:
    headers: Mapping[str, str] = {}
    assert Response(200, headers, b"").status == 200
