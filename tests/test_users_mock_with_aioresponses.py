"""A service that uses `elevenphone` tests itself with aioresponses."""

# aioresponses is typed in parts.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import pytest
from aioresponses import aioresponses
from yarl import URL

from elevenphone import Found, NotFoundError, PhoneNumberClient, TwilioPhoneNumber

URL_OF = "https://api.elevenlabs.io/v1/convai/phone-numbers/{}".format
PAYLOAD = {
    "provider": "twilio",
    "phone_number": "+12125550100",
    "label": "Customer Support",
    "phone_number_id": "phnum_1",
}


async def greeting(client: PhoneNumberClient, phone_number_id: str) -> str:
    """The service under test."""
    try:
        number = await client.get(phone_number_id)
    except NotFoundError:
        return "Nobody here"
    return f"{number.label} at {number.phone_number}"


async def test_the_service_greets() -> None:
    with aioresponses() as mocked:
        mocked.get(URL_OF("phnum_1"), payload=PAYLOAD)
        async with PhoneNumberClient("sk_test") as client:
            assert await greeting(client, "phnum_1") == "Customer Support at +12125550100"
    mocked.assert_called_once()  # type: ignore[no-untyped-call]
    sent = mocked.requests["GET", URL(URL_OF("phnum_1"))][0].kwargs["headers"]
    assert sent["xi-api-key"] == "sk_test"


async def test_the_service_says_that_nobody_is_there() -> None:
    detail = {"status": "phone_number_not_found", "message": "Phone number with id phnum_2 not found."}
    with aioresponses() as mocked:
        mocked.get(URL_OF("phnum_2"), status=404, payload={"detail": detail})
        async with PhoneNumberClient("sk_test") as client:
            assert await greeting(client, "phnum_2") == "Nobody here"
            mocked.get(URL_OF("phnum_3"), status=404, payload={"detail": "Gone for good"})
            with pytest.raises(NotFoundError, match="Gone for good"):
                await client.get("phnum_3")


async def test_the_service_survives_a_bad_moment() -> None:
    with aioresponses() as mocked:
        mocked.get(URL_OF("phnum_1"), status=503, headers={"retry-after-ms": "1"})
        mocked.get(URL_OF("phnum_1"), payload=PAYLOAD)
        async with PhoneNumberClient("sk_test") as client:
            assert await greeting(client, "phnum_1") == "Customer Support at +12125550100"
            assert client.stats.retries == 1


async def test_the_service_exports_its_numbers() -> None:
    with aioresponses() as mocked:
        for phone_number_id in ("phnum_1", "phnum_2"):
            mocked.get(URL_OF(phone_number_id), payload=PAYLOAD | {"phone_number_id": phone_number_id})
        async with PhoneNumberClient("sk_test") as client:
            lookups = await client.gather(["phnum_1", "phnum_2", "phnum_1"])
    assert [lookup.result().phone_number_id for lookup in lookups] == ["phnum_1", "phnum_2", "phnum_1"]
    assert all(isinstance(lookup, Found) for lookup in lookups)
    assert isinstance(lookups[0].result(), TwilioPhoneNumber)
