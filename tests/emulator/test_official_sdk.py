"""ElevenLabs' own SDK reads the emulator's answers."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("elevenlabs")
    import httpx
    from elevenlabs import AsyncElevenLabs
    from elevenlabs.conversational_ai.phone_numbers import (
        PhoneNumbersGetResponse_Exotel,
        PhoneNumbersGetResponse_SipTrunk,
        PhoneNumbersGetResponse_Twilio,
    )
    from elevenlabs.core.api_error import ApiError

from elevenphone.emulator import Emulator
from elevenphone.models import SIPTrunkPhoneNumber

pytestmark = [pytest.mark.official_sdk, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(200) as emulator:
        yield emulator


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as http:
        yield http


def sdk(emulator: Emulator, http: httpx.AsyncClient, api_key: str | None = None) -> AsyncElevenLabs:
    return AsyncElevenLabs(base_url=emulator.base_url, api_key=api_key or emulator.api_key, httpx_client=http)


def an_id(emulator: Emulator, provider: str) -> str:
    return next(i for i in emulator.ids if emulator.number(i).provider == provider)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("twilio", PhoneNumbersGetResponse_Twilio),
        ("exotel", PhoneNumbersGetResponse_Exotel),
        ("sip_trunk", PhoneNumbersGetResponse_SipTrunk),
    ],
)
async def test_every_provider(
    emulator: Emulator, http: httpx.AsyncClient, provider: str, model: type[Any]
) -> None:
    ours = emulator.number(an_id(emulator, provider))
    theirs = await sdk(emulator, http).conversational_ai.phone_numbers.get(ours.phone_number_id)
    assert isinstance(theirs, model)
    assert theirs.phone_number_id == ours.phone_number_id
    assert theirs.phone_number == ours.phone_number
    assert theirs.label == ours.label
    assert theirs.supports_inbound == ours.supports_inbound
    assert theirs.supports_outbound == ours.supports_outbound


async def test_an_agent(emulator: Emulator, http: httpx.AsyncClient) -> None:
    ours = next(n for n in map(emulator.number, emulator.ids) if n.assigned_agent is not None)
    theirs = await sdk(emulator, http).conversational_ai.phone_numbers.get(ours.phone_number_id)
    assert ours.assigned_agent is not None
    assert theirs.assigned_agent is not None
    assert theirs.assigned_agent.agent_id == ours.assigned_agent.agent_id
    assert theirs.assigned_agent.agent_name == ours.assigned_agent.agent_name


async def test_both_trunks(emulator: Emulator, http: httpx.AsyncClient) -> None:
    ours = next(
        n
        for n in map(emulator.number, emulator.ids)
        if isinstance(n, SIPTrunkPhoneNumber) and n.outbound_trunk and n.inbound_trunk
    )
    theirs = await sdk(emulator, http).conversational_ai.phone_numbers.get(ours.phone_number_id)
    assert isinstance(theirs, PhoneNumbersGetResponse_SipTrunk)
    assert ours.outbound_trunk is not None
    assert ours.inbound_trunk is not None
    assert theirs.outbound_trunk is not None
    assert theirs.inbound_trunk is not None
    assert theirs.livekit_stack == ours.livekit_stack
    assert theirs.outbound_trunk.address == ours.outbound_trunk.address
    assert theirs.outbound_trunk.transport == ours.outbound_trunk.transport
    assert theirs.outbound_trunk.headers == ours.outbound_trunk.headers
    assert theirs.inbound_trunk.allowed_addresses == list(ours.inbound_trunk.allowed_addresses)
    assert theirs.inbound_trunk.media_encryption == ours.inbound_trunk.media_encryption


async def test_an_unknown_id(emulator: Emulator, http: httpx.AsyncClient) -> None:
    unknown = emulator.unknown_ids[0]
    with pytest.raises(ApiError) as raised:
        await sdk(emulator, http).conversational_ai.phone_numbers.get(unknown)
    assert raised.value.status_code == 404
    assert raised.value.body == {
        "detail": {
            "status": "phone_number_not_found",
            "message": f"Phone number with id {unknown} not found.",
        }
    }


async def test_a_wrong_key(emulator: Emulator, http: httpx.AsyncClient) -> None:
    with pytest.raises(ApiError) as raised:
        await sdk(emulator, http, api_key="wrong").conversational_ai.phone_numbers.get(emulator.ids[0])
    assert raised.value.status_code == 401
    assert raised.value.body == {"detail": {"status": "invalid_api_key", "message": "Invalid API key"}}
