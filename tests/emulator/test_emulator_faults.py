from __future__ import annotations

import json
import logging

import aiohttp
import pytest
from emulator_helpers import ask, client, connect, request_bytes, statuses, until_in_flight

from elevenphone import DecodeError, decode
from elevenphone.emulator import Emulator
from elevenphone.models import encode


@pytest.fixture(autouse=True)
def no_noise(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


async def quiet(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    await emulator.aclose()
    assert caplog.records == []


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (503, {"detail": "Service Unavailable"}),
        (599, {"detail": "Server Error"}),
        (
            500,
            {
                "status": "internal_server_error",
                "message": "Internal Server error. All such crashes are reported to us automatically.",
            },
        ),
    ],
)
async def test_server_errors(status: int, document: object) -> None:
    async with Emulator(1, server_errors=1.0, server_error_status=status) as emulator:
        reply = await ask(emulator, emulator.ids[0])
        assert (reply.status, reply.document) == (status, document)
        assert emulator.stats.server_errors == 1


async def test_a_connection_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async with Emulator(1, drops=1.0, record=True) as emulator:
        async with connect(emulator) as (reader, writer):
            writer.write(request_bytes(emulator, emulator.ids[0]))
            assert await reader.read() == b""
        assert (emulator.stats.faults, emulator.stats.requests) == (1, 1)
        assert emulator.requests[0].status is None
        await quiet(emulator, caplog)


async def test_a_connection_reset(caplog: pytest.LogCaptureFixture) -> None:
    async with Emulator(1, resets=1.0) as emulator:
        async with connect(emulator) as (reader, writer):
            writer.write(request_bytes(emulator, emulator.ids[0]))
            with pytest.raises(ConnectionResetError):
                await reader.read()
        assert emulator.stats.faults == 1
        await quiet(emulator, caplog)


async def test_a_body_cut_short(caplog: pytest.LogCaptureFixture) -> None:
    async with Emulator(1, truncated=1.0) as emulator:
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(emulator, emulator.ids[0])
        async with connect(emulator) as (reader, writer):
            writer.write(request_bytes(emulator, emulator.ids[0]))
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert body == encode(emulator.number(emulator.ids[0]))
        assert f"content-length: {len(body) + 64}".encode() in head.lower()
        assert emulator.stats.faults == 2
        await quiet(emulator, caplog)


async def test_a_slow_body(caplog: pytest.LogCaptureFixture) -> None:
    async with Emulator(2, slow_bodies=1.0, slow_body_seconds=0.03) as emulator, client(emulator) as session:
        for phone_number_id in emulator.ids:
            reply = await ask(emulator, phone_number_id, session=session)
            assert reply.body == encode(emulator.number(phone_number_id))
        stats = emulator.stats
        assert (stats.faults, stats.answered, stats.connections) == (2, 0, 1)
        await quiet(emulator, caplog)


async def test_a_client_that_leaves_a_slow_body(caplog: pytest.LogCaptureFixture) -> None:
    async with Emulator(1, slow_bodies=1.0, slow_body_seconds=0.05) as emulator:
        async with connect(emulator) as (reader, writer):
            writer.write(request_bytes(emulator, emulator.ids[0]))
            await reader.readuntil(b"\r\n\r\n{")
            writer.transport.abort()
        await until_in_flight(emulator, 0)
        emulator.slow_bodies = 0.0
        assert (await ask(emulator, emulator.ids[0])).status == 200
        await quiet(emulator, caplog)


async def test_broken_json() -> None:
    async with Emulator(1, malformed=1.0) as emulator:
        reply = await ask(emulator, emulator.ids[0])
        assert reply.status == 200
        assert reply.headers["content-type"] == "application/json"
        with pytest.raises(json.JSONDecodeError):
            json.loads(reply.body)
        with pytest.raises(DecodeError):
            decode(reply.body)


async def test_an_html_page() -> None:
    async with Emulator(1, html_errors=1.0) as emulator:
        reply = await ask(emulator, emulator.ids[0])
        assert (reply.status, reply.headers["content-type"]) == (502, "text/html; charset=utf-8")
        assert reply.body.startswith(b"<html>")
        assert (emulator.stats.faults, emulator.stats.server_errors) == (1, 0)


async def test_a_redirect() -> None:
    async with Emulator(1, redirects=1.0) as emulator:
        reply = await ask(emulator, emulator.ids[0])
        assert reply.status == 302
        assert reply.headers["location"] == f"/v1/convai/phone-numbers/{emulator.ids[0]}"
        emulator.redirect_location = "http://other.example/"
        assert (await ask(emulator, emulator.ids[0])).headers["location"] == "http://other.example/"


@pytest.mark.parametrize("fault", ["malformed", "truncated", "slow_bodies"])
async def test_an_unknown_id_is_distorted_too(fault: str) -> None:
    async with Emulator(1, slow_body_seconds=0.0) as emulator:
        setattr(emulator, fault, 1.0)
        async with connect(emulator) as (reader, writer):
            writer.write(request_bytes(emulator, emulator.unknown_ids[0]))
            assert (await reader.readuntil(b"phone_number_not_found")).startswith(b"HTTP/1.1 404")


async def test_connections_that_wear_out(caplog: pytest.LogCaptureFixture) -> None:
    async with Emulator(9, requests_per_connection=3) as emulator:
        async with connect(emulator) as (reader, writer):
            received = b""
            for phone_number_id in emulator.ids[:3]:
                writer.write(request_bytes(emulator, phone_number_id))
                received += await reader.readuntil(encode(emulator.number(phone_number_id)))
            assert await reader.read() == b""
        assert b"connection: close" not in received.lower()
        assert await statuses(emulator, 9) == [200] * 9
        assert emulator.stats.connections == 4
        await quiet(emulator, caplog)


async def test_faults_are_repeatable() -> None:
    async def run(seed: int) -> list[int]:
        async with Emulator(
            60, seed=seed, busy=0.2, server_errors=0.2, html_errors=0.2, redirects=0.2
        ) as emulator:
            return await statuses(emulator, 60)

    first = await run(3)
    assert set(first) == {200, 302, 429, 502, 503}
    assert await run(3) == first
    assert await run(4) != first


async def test_one_fault_does_not_change_the_others() -> None:
    async with Emulator(40, server_errors=0.3) as emulator:
        alone = await statuses(emulator, 40)
    async with Emulator(40, server_errors=0.3, redirects=0.3) as emulator:
        together = await statuses(emulator, 40)
    assert [status == 503 for status in together] == [status == 503 for status in alone]
    assert 302 in together
