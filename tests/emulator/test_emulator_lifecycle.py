from __future__ import annotations

import asyncio
import datetime
import gc
import ipaddress
import logging
import ssl
from pathlib import Path

import aiohttp
import pytest
from emulator_helpers import ask, client, connect, request_bytes, until_in_flight

from elevenphone.emulator import Emulator


def other_tasks() -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


async def test_without_async_with() -> None:
    emulator = Emulator(1)
    with pytest.raises(RuntimeError, match="started"):
        _ = emulator.base_url
    await emulator.aclose()
    await emulator.start()
    with pytest.raises(RuntimeError, match="already"):
        await emulator.start()
    assert (await ask(emulator, emulator.ids[0])).status == 200
    await emulator.aclose()
    await emulator.aclose()
    with pytest.raises(aiohttp.ClientConnectorError):
        await ask(emulator, emulator.ids[0])


async def test_it_can_be_started_again() -> None:
    emulator = Emulator(1)
    for _ in range(2):
        async with emulator:
            assert (await ask(emulator, emulator.ids[0])).status == 200
    assert emulator.stats.answered == 2


async def test_a_port_that_is_taken() -> None:
    async with Emulator(1) as emulator:
        port = int(emulator.base_url.rpartition(":")[2])
        taken = Emulator(1, port=port)
        with pytest.raises(OSError, match=r"in use|Errno"):
            await taken.start()
        await taken.aclose()


async def test_it_stops_with_requests_in_flight(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with Emulator(50, latency=3_600.0) as emulator, client(emulator) as session:
        asked = [asyncio.create_task(ask(emulator, i, session=session)) for i in emulator.ids]
        await until_in_flight(emulator, 50)
        await emulator.aclose()
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(outcome, aiohttp.ClientConnectionError) for outcome in outcomes)
        assert emulator.stats.in_flight == 0
    assert other_tasks() == set()
    gc.collect()
    assert caplog.records == []


async def test_it_stops_with_idle_connections() -> None:
    async with Emulator(1) as emulator, connect(emulator) as (reader, writer):
        writer.write(request_bytes(emulator, emulator.ids[0]))
        await reader.readuntil(b"\r\n\r\n")
        async with connect(emulator) as (silent, _):
            async with asyncio.timeout(5):
                await emulator.aclose()
                await silent.read()
                await reader.read()
    assert other_tasks() == set()


async def test_clients_that_vanish(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with Emulator(1, latency=0.02) as emulator:
        for sent in (b"", b"GET /v1/con", request_bytes(emulator, emulator.ids[0])):
            async with connect(emulator) as (_, writer):
                writer.write(sent)
                await asyncio.sleep(0.005)
                writer.transport.abort()
        await until_in_flight(emulator, 0)
        assert (await ask(emulator, emulator.ids[0])).status == 200
        emulator.latency = 3_600.0
        async with connect(emulator) as (_, writer):
            writer.write(request_bytes(emulator, emulator.ids[0]))
            await until_in_flight(emulator, 1)
            writer.transport.abort()
            await asyncio.sleep(0.005)
    assert other_tasks() == set()
    gc.collect()
    assert caplog.records == []


async def test_an_outage_that_answers() -> None:
    async with Emulator(1, latency=30.0, retry_after=1) as emulator:
        emulator.outage = True
        reply = await ask(emulator, emulator.ids[0], key="any")
        assert (reply.status, reply.document) == (503, {"detail": "Service Unavailable"})
        assert reply.headers["retry-after"] == "1"
        emulator.outage = False
        emulator.latency = 0.0
        assert (await ask(emulator, emulator.ids[0])).status == 200


async def test_an_outage_that_refuses_and_comes_back_on_the_same_port() -> None:
    async with Emulator(1, outage_kind="refused") as emulator, client(emulator) as session:
        address = emulator.base_url
        for _ in range(3):
            emulator.outage = True
            with pytest.raises(aiohttp.ClientConnectorError):
                await ask(emulator, emulator.ids[0], session=session)
            emulator.outage = False
            assert (await ask(emulator, emulator.ids[0], session=session)).status == 200
        assert emulator.base_url == address


async def test_a_refusal_drops_what_is_in_flight() -> None:
    async with (
        Emulator(1, outage_kind="refused", latency=3_600.0) as emulator,
        connect(emulator) as (reader, writer),
    ):
        writer.write(request_bytes(emulator, emulator.ids[0]))
        await until_in_flight(emulator, 1)
        emulator.outage = True
        assert await reader.read() == b""


async def test_a_refusal_is_not_lost_while_it_begins_to_listen() -> None:
    async with Emulator(1, outage=True, outage_kind="refused") as emulator:
        emulator.outage = False
        emulator.outage = True
        await asyncio.sleep(0.005)
        with pytest.raises(aiohttp.ClientConnectorError):
            await ask(emulator, emulator.ids[0])
        emulator.outage_kind = "unavailable"
        assert (await ask(emulator, emulator.ids[0])).status == 503


async def test_outages_that_are_planned() -> None:
    async with Emulator(1, outages=[(0.0, 3_600.0), (7_200.0, 1.0)]) as emulator:
        await asyncio.sleep(0.001)
        assert (await ask(emulator, emulator.ids[0])).status == 503
        emulator.outages = ()
        assert (await ask(emulator, emulator.ids[0])).status == 200
        emulator.outages = [(0.0, 0.0001)]
        assert (await ask(emulator, emulator.ids[0])).status == 200


async def test_an_outage_that_ends() -> None:
    async with Emulator(1, outages=[(0.0, 0.02)]) as emulator:
        await asyncio.sleep(0.001)
        seen = {(await ask(emulator, emulator.ids[0])).status}
        while 200 not in seen:
            await asyncio.sleep(0.002)
            seen.add((await ask(emulator, emulator.ids[0])).status)
        assert seen == {503, 200}


async def test_ipv6() -> None:
    emulator = Emulator(1, host="::1")
    try:
        await emulator.start()
    except OSError:
        pytest.skip("no IPv6 here")
    assert emulator.base_url.startswith("http://[::1]:")
    assert (await ask(emulator, emulator.ids[0])).status == 200
    await emulator.aclose()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key, in one file."""
    pytest.importorskip("cryptography")
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "emulator")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


async def test_https(certificate: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate)
    trusted = ssl.create_default_context(cafile=certificate)
    async with (
        Emulator(1, ssl_context=served) as emulator,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as session,
    ):
        assert emulator.base_url.startswith("https://")
        assert (await ask(emulator, emulator.ids[0], session=session)).status == 200
        for fault in ("drops", "resets", "truncated"):
            setattr(emulator, fault, 1.0)
            with pytest.raises((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)):
                await ask(emulator, emulator.ids[0], session=session)
            setattr(emulator, fault, 0.0)
        assert (await ask(emulator, emulator.ids[0], session=session)).status == 200
        await emulator.aclose()
    assert caplog.records == []
