"""ElevenLabs' own SDK reads the emulator's listings, with its asynchronous and its blocking client."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("elevenlabs")
    import httpx
    from elevenlabs import AsyncElevenLabs, ElevenLabs
    from elevenlabs.core.api_error import ApiError

from elevenphone.emulator import Emulator

pytestmark = [pytest.mark.official_sdk, pytest.mark.filterwarnings("ignore")]

# The SDK's methods, by name, each called with its keyword arguments.
Call: TypeAlias = Callable[..., Awaitable[Any]]


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(200) as emulator:
        yield emulator


@pytest.fixture(params=["asynchronous", "blocking"])
async def call(request: pytest.FixtureRequest, emulator: Emulator) -> AsyncIterator[Call]:
    url, key = emulator.base_url, emulator.api_key
    if request.param == "asynchronous":
        async with httpx.AsyncClient() as http:
            client = AsyncElevenLabs(base_url=url, api_key=key, httpx_client=http)

            def call(method: str, **arguments: object) -> Awaitable[Any]:
                function: Call = getattr(client.conversational_ai.phone_numbers, method)
                return function(**arguments)

            yield call
    else:
        with httpx.Client() as blocking_http:
            blocking = ElevenLabs(base_url=url, api_key=key, httpx_client=blocking_http)

            def call_in_thread(method: str, **arguments: object) -> Awaitable[Any]:
                function = getattr(blocking.conversational_ai.phone_numbers, method)
                return asyncio.to_thread(function, **arguments)

            yield call_in_thread


def kind_of(number: object) -> str:
    """The provider that the SDK's class stands for, whatever its field says."""
    return {"Twilio": "twilio", "SipTrunk": "sip_trunk", "Exotel": "exotel"}[
        type(number).__name__.rpartition("_")[2]
    ]


async def test_all_pages(call: Call, emulator: Emulator) -> None:
    page = await call("list_v_2", page_size=30)
    listed = list(page.phone_numbers)
    while page.has_more:
        page = await call("list_v_2", page_size=30, cursor=page.next_cursor)
        listed += page.phone_numbers
    assert page.next_cursor is None
    assert [number.phone_number_id for number in listed] == list(emulator.ids)
    for theirs, ours in zip(listed, map(emulator.number, emulator.ids), strict=True):
        assert kind_of(theirs) == theirs.provider == ours.provider
        assert (theirs.phone_number, theirs.label) == (ours.phone_number, ours.label)
        assert (theirs.assigned_agent is None) == (ours.assigned_agent is None)


async def test_the_older_list(call: Call, emulator: Emulator) -> None:
    listed = await call("list")
    assert [number.phone_number_id for number in listed] == list(emulator.ids)
    assert {kind_of(number) for number in listed} == {"twilio", "sip_trunk", "exotel"}
    agent = next(number.assigned_agent for number in listed if number.assigned_agent is not None)
    filtered = await call("list", provider="twilio", agent_id=agent.agent_id)
    assert [number.phone_number_id for number in filtered] == [
        number.phone_number_id
        for number in listed
        if number.provider == "twilio"
        and number.assigned_agent is not None
        and number.assigned_agent.agent_id == agent.agent_id
    ]


@pytest.mark.parametrize(
    "label", ["Billing & collections", "staging #2", "shift + week", "20% off", "東京", "☎️"]
)
async def test_labels_are_encoded(call: Call, emulator: Emulator, label: str) -> None:
    page = await call("list_v_2", label=label, page_size=1_000)
    expected = [i for i in emulator.ids if label.casefold() in emulator.number(i).label.casefold()]
    assert expected
    assert [number.phone_number_id for number in page.phone_numbers] == expected


async def test_every_argument(call: Call, emulator: Emulator) -> None:
    ours = next(
        number
        for number in map(emulator.number, emulator.ids)
        if number.supports_outbound and number.assigned_agent is not None and number.assigned_agent.branch_id
    )
    assert ours.assigned_agent is not None
    page = await call(
        "list_v_2",
        page_size=5,
        search=ours.phone_number_id,
        label=ours.label,
        phone_number=ours.phone_number,
        provider=ours.provider,
        supports_outbound=True,
        agent_id=ours.assigned_agent.agent_id,
        branch_id=ours.assigned_agent.branch_id,
        sort_by="label",
        sort_direction="desc",
    )
    assert [number.phone_number_id for number in page.phone_numbers] == [ours.phone_number_id]
    page = await call("list_v_2", search=ours.phone_number_id, supports_outbound=False)
    assert page.phone_numbers == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [({"page_size": 1_001}, "invalid_page_size"), ({"cursor": "of another listing"}, "invalid_cursor")],
)
async def test_errors(call: Call, arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(ApiError) as raised:
        await call("list_v_2", **arguments)
    assert raised.value.status_code == 400
    assert raised.value.body["detail"]["code"] == code
