"""Rows 33 and 34: a client used where it cannot be, and streams whose ends are slow or raise."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import virtual_time
from commands import run
from fault_helpers import Serve, connect, ids
from misbehaving_server import MisbehavingServer, found
from stub_transport import After, StubTransport, found_at

from elevenphone import ConfigurationError, PhoneNumberClient
from elevenphone.emulator import Emulator


def test_row_33_used_in_a_second_event_loop() -> None:
    async def first() -> PhoneNumberClient:
        client = PhoneNumberClient(transport=StubTransport(found_at))
        await client.get("phnum_1")
        return client

    async def second() -> None:
        for misuse in (client.get("phnum_1"), client.get_raw("phnum_1"), client.gather(ids(3))):
            with pytest.raises(ConfigurationError, match=r"another event loop.*make one client in each"):
                await misuse

    client = asyncio.run(first())
    asyncio.run(second())


async def test_row_33_used_after_close(serve_plain: Serve) -> None:
    server = await serve_plain(found)
    async with connect(server) as client:
        await client.get("phnum_1")
    for misuse in (client.get("phnum_1"), client.get_raw("phnum_1"), client.gather(ids(3))):
        with pytest.raises(ConfigurationError, match="closed"):
            await misuse
    with pytest.raises(ConfigurationError, match="closed"):
        async with client.stream(ids(3)) as lookups:
            await anext(lookups)
    await client.aclose()
    assert len(server.requests) == 1


LIVES = Path(__file__).with_name("forked_lives.py")


@pytest.mark.parametrize(
    ("life", "outcomes"),
    [
        ("made before", {"child": "found", "parent": "found"}),
        ("used before", {"child": "ConfigurationError", "parent": "ConfigurationError"}),
        ("in use", {"child": "ConfigurationError", "parent": "found"}),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
async def test_row_33_used_after_fork(life: str, outcomes: dict[str, str]) -> None:
    async with Emulator(numbers=1) as emulator:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "error",
            str(LIVES),
            life,
            emulator.base_url,
            emulator.api_key,
            emulator.ids[0],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    lines = [json.loads(line) for line in out.splitlines()]
    assert {line["who"]: line["outcome"] for line in lines} == outcomes


# Row 34


class ConsumerError(Exception):
    """What the consumer of a stream may raise."""


@pytest.mark.parametrize("ordered", [False, True], ids=["as completed", "ordered"])
def test_row_34_the_consumer_is_slow(ordered: bool) -> None:
    transport = StubTransport(lambda url: After(0.05, found_at(url)))
    pulled = 0

    def endless() -> Iterator[str]:
        nonlocal pulled
        for pulled in count(1):
            assert pulled < 10_000, "the whole of an endless input is pulled"
            yield f"phnum_{pulled}"

    async def main() -> None:
        async with (
            PhoneNumberClient(transport=transport) as client,
            client.stream(endless(), ordered=ordered) as run,
        ):
            async for lookup in run:
                await asyncio.sleep(3_600)
                assert pulled <= lookup.index + 4_100 if ordered else pulled <= 4_100
                if client.stats.found > 2_050 or lookup.index > 20:
                    break

    virtual_time.run(main())
    assert 1_000 < transport.requests <= 2_100


@pytest.mark.parametrize("ordered", [False, True], ids=["as completed", "ordered"])
def test_row_34_the_consumer_raises(ordered: bool) -> None:
    transport = StubTransport(lambda url: After(0.05, found_at(url)))

    async def consume(client: PhoneNumberClient) -> None:
        async with client.stream((f"phnum_{n}" for n in count()), ordered=ordered) as run:
            async for lookup in run:
                if lookup.index == 30:
                    raise ConsumerError

    async def main() -> None:
        async with PhoneNumberClient(transport=transport) as client:
            with pytest.raises(ConsumerError):
                await consume(client)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert transport.in_flight == client.stats.in_flight == 0
            asked = transport.requests
            await asyncio.sleep(60)
            assert transport.requests == asked

    virtual_time.run(main())


def test_row_34_the_input_raises() -> None:
    transport = StubTransport(lambda url: After(0.05, found_at(url)))

    def torn() -> Iterator[str]:
        yield from ids(5)
        raise ConsumerError

    async def main() -> None:
        async with PhoneNumberClient(transport=transport) as client:
            with pytest.raises(ConsumerError):
                await client.gather(torn())
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert transport.in_flight == client.stats.in_flight == 0

    virtual_time.run(main())


# A hostile environment


async def test_proxies_and_passwords_of_the_environment_are_not_looked_at(
    serve_plain: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, proxy = await serve_plain(found), await serve_plain(found)
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, proxy.base_url)
        monkeypatch.setenv(variable.lower(), proxy.base_url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    passwords = tmp_path / "netrc"
    passwords.write_text("default login somebody password something\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("NETRC", str(passwords))
    async with connect(server) as client:
        assert (await client.get("phnum_1")).phone_number_id == "phnum_1"
    assert proxy.connections == 0
    assert "authorization" not in server.requests[0].headers


async def test_a_host_named_in_code_goes_before_the_environment(
    serve_plain: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, other = await serve_plain(found), await serve_plain(found)
    monkeypatch.setenv("ELEVENLABS_BASE_URL", other.base_url)
    async with connect(server) as client:
        await client.get("phnum_1")
    assert other.connections == 0
    assert server.connections == 1


async def test_authorities_and_the_key_log_of_the_environment_are_heeded(tmp_path: Path) -> None:
    pytest.importorskip("click", reason="the command needs it: pip install 'elevenphone[cli]'")
    trustme = pytest.importorskip("trustme", reason="TLS needs a test authority: pip install trustme")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    async with MisbehavingServer(found, context) as server:
        distrusted = await run(server.base_url, tmp_path, "get", "phnum_1", "--deadline", "0.5")
        assert distrusted.code == 7
        assert "certificate is not trusted" in distrusted.shown
        assert server.requests == []
        variables = {"SSL_CERT_FILE": "authority.pem", "SSLKEYLOGFILE": "secrets"}
        trusted = await run(server.base_url, tmp_path, "get", "phnum_1", **variables)
        assert trusted.code == 0
        assert len(server.requests) == 1
    assert "CLIENT_HANDSHAKE_TRAFFIC_SECRET" in (tmp_path / "secrets").read_text()
