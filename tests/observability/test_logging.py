"""The logger `elevenphone`: silent by default, one line for each attempt at DEBUG, never the key."""

from __future__ import annotations

import logging
import re
import subprocess
import sys

import pytest
import virtual_time
from stub_transport import StubTransport, found, refused

from elevenphone import ElevenPhoneError, PhoneNumberClient
from elevenphone.emulator import Emulator

KEY = "sk_0123456789abcdef_never_to_be_seen"

LOOK_UP_IN_AN_OUTAGE = f"""
import asyncio
from elevenphone import PhoneNumberClient, RetryPolicy, ServerError
from elevenphone.emulator import Emulator

async def main():
    async with Emulator(1, api_key={KEY!r}, outage=True) as emulator:
        retry = RetryPolicy(wait_initial=0, wait_max=0)
        async with PhoneNumberClient({KEY!r}, base_url=emulator.base_url, retry=retry) as client:
            try:
                await client.get(emulator.ids[0])
            except ServerError:
                print("refused after", client.stats.requests)

asyncio.run(main())
"""


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger="elevenphone")
    return caplog


def test_nothing_is_logged_if_logging_is_not_set_up() -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", LOOK_UP_IN_AN_OUTAGE], check=False, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("refused after 3\n", "")


def test_each_attempt_has_a_line(log: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        transport = StubTransport(
            [refused(503, message="Away"), refused(429, "system_busy", "Heavy traffic"), found()]
        )
        client = PhoneNumberClient(base_url="https://api.example", transport=transport)
        await client.get("phnum_1")

    virtual_time.run(main())
    where = "GET https://api.example/v1/convai/phone-numbers/phnum_1"
    lines = [re.sub(r"\d+ ms", "- ms", message) for message in log.messages]
    assert lines == [
        f"{where}, attempt 1, - ms: HTTP 503: Away",
        f"{where}, attempt 2, - ms: HTTP 429 system_busy: Heavy traffic",
        f"{where}, attempt 3, - ms: found",
    ]
    assert {(record.name, record.levelno) for record in log.records} == {("elevenphone", logging.DEBUG)}


def test_bulk_logs_each_of_its_attempts_too(log: pytest.LogCaptureFixture) -> None:
    async def main() -> int:
        transport = StubTransport(
            lambda url: found() if url.endswith("1") else refused(404, request_id="r_7")
        )
        client = PhoneNumberClient(transport=transport)
        await client.gather(["phnum_1", "phnum_2", "phnum_1"])
        return transport.requests

    assert virtual_time.run(main()) == len(log.messages) == 2
    assert sum("request id r_7" in message for message in log.messages) == 1


def test_nothing_is_logged_above_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="elevenphone")

    async def main() -> None:
        transport = StubTransport(lambda _: refused(404))
        client = PhoneNumberClient(transport=transport)
        with pytest.raises(ElevenPhoneError):
            await client.get("phnum_1")

    virtual_time.run(main())
    assert caplog.messages == []


async def test_no_line_holds_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)  # of every logger: aiohttp's and asyncio's too
    async with Emulator(20, api_key=KEY, busy=0.2, drops=0.2, malformed=0.2, server_errors=0.2) as emulator:
        async with PhoneNumberClient(KEY, base_url=emulator.base_url, deadline=0.5) as client:
            await client.gather(emulator.ids, deadline=0.5)
        emulator.busy = emulator.drops = emulator.malformed = emulator.server_errors = 0
        wrong = KEY[::-1]
        async with PhoneNumberClient(wrong, base_url=emulator.base_url) as client:
            await client.gather(emulator.ids)
    assert len(caplog.messages) > 20
    assert KEY not in caplog.text
    assert wrong not in caplog.text
