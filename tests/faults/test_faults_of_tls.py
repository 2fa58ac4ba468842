"""TLS and how far a connection came: certificates, versions, and servers that leave."""

# trustme is typed in parts.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import asyncio
import contextlib
import datetime
import pickle
import socket
import ssl
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from fault_helpers import AT_ONCE, KEY, ONCE, Serve, connect, ids, trust
from misbehaving_server import MisbehavingServer, found, head, number, send, whole

from elevenphone import ConnectionFailedError, PhoneNumberClient

if TYPE_CHECKING:
    import trustme
else:
    trustme = pytest.importorskip("trustme", reason="TLS needs a test authority: pip install trustme")

pytestmark = pytest.mark.usefixtures("http")


def server_context(
    authority: trustme.CA, name: str, not_after: datetime.datetime | None = None
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    not_before = None if not_after is None else not_after - datetime.timedelta(days=9)
    authority.issue_cert(name, not_before=not_before, not_after=not_after).configure_cert(context)
    return context


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """An authority that all clients trust."""
    made = trustme.CA()
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    made.configure_trust(context)
    trust(context, monkeypatch)
    return made


async def failure_of(base_url: str) -> ConnectionFailedError:
    """Look an id up where that cannot be; how far it came survives pickling."""
    async with PhoneNumberClient(KEY, base_url=base_url, retry=ONCE, timeout=5.0) as client:
        with pytest.raises(ConnectionFailedError) as caught:
            await client.get("phnum_1")
        assert client.stats.requests == 1
        assert client.stats.connections_opened == 0
    assert str(caught.value).startswith(urlsplit(base_url).netloc + ": ")
    assert str(caught.value).rstrip(": ") == str(caught.value)
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - made here
    assert (str(copy), copy.stage) == (str(caught.value), caught.value.stage)
    return caught.value


async def test_a_self_signed_certificate() -> None:
    async with MisbehavingServer(found, server_context(trustme.CA(), "localhost")) as server:
        error = await failure_of(server.base_url)
        assert error.stage == "certificate"
        assert "its TLS certificate is not trusted: " in str(error)
        assert "unable to get local issuer certificate" in str(error)
        assert server.requests == []


async def test_a_certificate_of_another_host(authority: trustme.CA) -> None:
    async with MisbehavingServer(found, server_context(authority, "elsewhere.example")) as server:
        error = await failure_of(server.base_url)
        assert error.stage == "certificate"
        assert "Hostname mismatch" in str(error)
        assert server.requests == []


async def test_an_expired_certificate(authority: trustme.CA) -> None:
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    context = server_context(authority, "localhost", not_after=yesterday)
    async with MisbehavingServer(found, context) as server:
        error = await failure_of(server.base_url)
        assert error.stage == "certificate"
        assert "certificate has expired" in str(error)


async def test_a_server_that_speaks_tls_1_0_alone(authority: trustme.CA) -> None:
    context = server_context(authority, "localhost")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # to speak it is what is tested
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with MisbehavingServer(found, context) as server:
        error = await failure_of(server.base_url)
        assert error.stage == "connect"
        assert "could not connect: " in str(error)


async def test_a_server_that_offers_http_2_alone_gets_http_1_1(authority: trustme.CA) -> None:
    context = server_context(authority, "localhost")
    context.set_alpn_protocols(["h2"])
    async with MisbehavingServer(found, context) as server, connect(server, retry=ONCE) as client:
        assert (await client.get("phnum_1")).phone_number_id == "phnum_1"


async def test_tls_1_2(authority: trustme.CA) -> None:
    context = server_context(authority, "localhost")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with MisbehavingServer(found, context) as server, connect(server, retry=ONCE) as client:
        lookups = await client.gather(ids(20))
        assert [lookup.result().phone_number_id for lookup in lookups] == ids(20)


async def test_an_answer_of_many_records(authority: trustme.CA) -> None:
    behave = send(whole(200, number(label="x" * 300_000)))
    async with (
        MisbehavingServer(behave, server_context(authority, "localhost")) as server,
        connect(server, retry=ONCE) as client,
    ):
        for _ in range(3):
            assert (await client.get("phnum_1")).label == "x" * 300_000
        assert server.connections == 1


async def test_a_request_longer_than_a_record(authority: trustme.CA) -> None:
    async with MisbehavingServer(found, server_context(authority, "localhost")) as server:
        long_key = "sk_" + "0123456789" * 4_000
        async with PhoneNumberClient(long_key, base_url=server.base_url, retry=ONCE) as client:
            assert (await client.get("phnum_1")).phone_number_id == "phnum_1"
        assert server.requests[0].headers["xi-api-key"] == long_key


@pytest.mark.parametrize("delimited", [True, False], ids=["Content-Length", "until it closes"])
async def test_a_server_that_ends_without_close_notify(delimited: bool, authority: trustme.CA) -> None:
    answer = whole(200, number()) if delimited else head(200) + number()
    async with (
        MisbehavingServer(send(answer, "cut"), server_context(authority, "localhost")) as server,
        connect(server, retry=ONCE) as client,
    ):
        for _ in range(3):
            assert (await client.get("phnum_1")).phone_number_id == "phnum_1"
        assert client.stats.retries == 0


# Who leaves in the handshake

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listener(handle: Handler) -> AsyncGenerator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await handle(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.sleep(0)


async def leave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def hear_and_leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.close()


async def hear_all_and_leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10_000)
    writer.close()


async def say_something_else(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10_000)
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n" * 10)
    await writer.drain()


@pytest.mark.parametrize("handle", [leave, hear_and_leave, hear_all_and_leave, say_something_else])
async def test_row_66_a_server_that_leaves_in_the_handshake_gives_a_reason(
    handle: Handler,
) -> None:
    async with listener(handle) as host:
        error = await failure_of(f"https://{host}")
    assert error.stage == "connect"
    assert "could not connect: " in str(error)
    if handle is hear_all_and_leave:
        assert str(error).endswith("the server closed the connection during the TLS handshake")


async def test_what_is_refused_or_has_no_address_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert (await failure_of(f"http://127.0.0.1:{bound.getsockname()[1]}")).stage == "connect"

    def no_such_name(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    assert (await failure_of("https://nowhere.example")).stage == "connect"


async def test_what_breaks_after_the_request_has_the_stage_of_a_response(serve: Serve) -> None:
    server = await serve(send(whole(200, number())[:-5], "close"))
    async with connect(server, retry=AT_ONCE) as client:
        with pytest.raises(ConnectionFailedError) as caught:
            await client.get("phnum_1")
    assert caught.value.stage == "response"
    assert ConnectionFailedError("broken").stage == "response"
