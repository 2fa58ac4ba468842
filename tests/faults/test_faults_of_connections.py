"""Rows 1 to 6: connections that fail, go stale, or say nothing."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import aiohttp
import pytest
from fault_helpers import AT_ONCE, KEY, ONCE, Serve, connect, ids, until
from misbehaving_server import (
    Ending,
    MisbehavingServer,
    Wire,
    drip,
    end,
    found,
    in_turn,
    number,
    send,
    silence,
    whole,
)

from elevenphone import (
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    Failed,
    PhoneNumberClient,
    ProtocolError,
    RequestTimeoutError,
    TransportError,
)

_ARRIVES_WITHIN = 0.01


@pytest.fixture
def refusing_port() -> Iterator[int]:
    with socket.socket() as bound:  # and not listening, so that nobody else can have the port
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


async def test_row_01_connection_refused(refusing_port: int) -> None:
    base_url = f"http://127.0.0.1:{refusing_port}"
    async with PhoneNumberClient(KEY, base_url=base_url, retry=AT_ONCE) as client:
        with pytest.raises(ConnectionFailedError, match=rf"127\.0\.0\.1:{refusing_port}: could not connect"):
            await client.get("phnum_1")
        assert client.stats.requests == 3
        lookups = await client.gather(ids(5), deadline=0.05)
    assert [lookup.index for lookup in lookups] == [0, 1, 2, 3, 4]
    for lookup in lookups:
        assert isinstance(lookup, Failed)
        assert isinstance(lookup.error, ConnectionFailedError | DeadlineExceededError)


async def test_row_02_name_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    async with PhoneNumberClient(KEY, base_url="https://nowhere.example", retry=AT_ONCE) as client:
        with pytest.raises(ConnectionFailedError, match=r"nowhere\.example: the name could not be resolved"):
            await client.get("phnum_1")
        assert client.stats.requests == 3


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example", ".a", "1.2.3.4.5", "256.256.256.256", "0"])
async def test_row_02_what_cannot_be_a_name_at_all(host: str) -> None:
    with pytest.raises((TransportError, ConfigurationError), match=r".") as caught:
        async with PhoneNumberClient(KEY, base_url=f"https://{host}", retry=ONCE, timeout=5.0) as client:
            await client.get("phnum_1")
    assert host in str(caught.value)


@pytest.mark.parametrize("borrowed", [False, True], ids=["own session", "borrowed session"])
@pytest.mark.parametrize("then", ["reset", "close", "cut"])
async def test_row_03_reset_before_the_response(then: Ending, borrowed: bool, serve: Serve) -> None:
    server = await serve(end(then))
    session = aiohttp.ClientSession() if borrowed else None
    async with connect(server, session=session) as client:
        with pytest.raises(ConnectionFailedError):
            await client.get("phnum_1")
        assert client.stats.requests == len(server.requests) == 3
        server.behaviour = in_turn(server.behaviour, server.behaviour, found)
        raw = await client.get_raw("phnum_2")
        assert raw.attempts == 3
        assert client.stats.requests == len(server.requests) == 6
    if session is not None:
        await session.close()


async def test_row_03_reset_on_a_connection_that_answered_before(serve: Serve) -> None:
    async def first_answers(wire: Wire) -> None:
        await (found if wire.request.nth == 1 else end("reset"))(wire)

    server = await serve(first_answers)
    async with connect(server, retry=ONCE) as client:
        for phone_number_id in ids(4):
            assert (await client.get(phone_number_id)).phone_number_id == phone_number_id
        assert client.stats.retries == 0
        assert client.stats.requests == len(server.requests) == 7
        assert client.stats.connections_opened == server.connections == 4


async def test_row_04_ten_kept_alive_connections_closed_while_idle(serve: Serve) -> None:
    server = await serve(found)
    async with connect(server, retry=ONCE, concurrency=10) as client:
        await keep_ten_connections(client, server)
        server.shut_down_connections()
        # Nothing has been awaited since, so the client's loop cannot have noticed.
        lookups = await client.gather(ids(10))
        assert [lookup.result().phone_number_id for lookup in lookups] == ids(10)
        assert {lookup.attempts for lookup in lookups} == {1}
        assert client.stats.retries == client.stats.failed == 0
        assert server.connections > 10

        server.shut_down_connections()
        assert (await client.get("phnum_1")).phone_number_id == "phnum_1"
        assert client.stats.retries == client.stats.failed == 0


async def test_row_04_a_connection_that_another_client_has_made_is_not_taken_for_ones_own(
    serve: Serve,
) -> None:
    idle, busy = await serve(found), await serve(found)
    async with connect(idle, retry=ONCE) as client, connect(busy, retry=ONCE) as other:
        await client.get("phnum_1")
        for _ in range(3):  # in this very task
            busy.shut_down_connections()
            await other.get("phnum_2")
        idle.shut_down_connections()
        assert (await client.get("phnum_1")).phone_number_id == "phnum_1"
        assert client.stats.retries == client.stats.failed == 0


async def test_row_04_of_a_borrowed_session_closed_connections_cost_attempts_that_are_counted(
    serve: Serve,
) -> None:
    server = await serve(found)
    async with aiohttp.ClientSession() as session, connect(server, session=session, concurrency=10) as client:
        await keep_ten_connections(client, server)
        server.shut_down_connections()
        lookups = await client.gather(ids(10))
        assert [lookup.result().phone_number_id for lookup in lookups] == ids(10)
        # What was written to a closed connection never became a request that the server read.
        assert client.stats.requests == sum(lookup.attempts for lookup in lookups) + 10
        assert len(server.requests) == 20


async def keep_ten_connections(client: PhoneNumberClient, server: MisbehavingServer) -> None:
    """Have ten requests answered at once, so that as many connections are kept."""
    barrier = asyncio.Barrier(10)

    async def together(wire: Wire) -> None:
        await barrier.wait()
        await found(wire)

    server.behaviour = together
    await client.gather(ids(10))
    server.behaviour = found
    assert server.connections == len(server.requests) == 10


async def test_row_04_an_answer_nobody_asked_for_is_not_taken_for_the_next_one(serve: Serve) -> None:
    first_read = asyncio.Event()

    async def one_too_many(wire: Wire) -> None:
        await found(wire)
        await first_read.wait()
        await wire.send(whole(200, number("phnum_of_somebody_else")))

    server = await serve(one_too_many)
    async with connect(server, retry=ONCE) as client:
        for phone_number_id in ids(5):
            assert (await client.get(phone_number_id)).phone_number_id == phone_number_id
            sent = server.sent
            first_read.set()
            await until(lambda sent=sent: server.sent > sent, "the second answer")  # type: ignore[misc]
            await asyncio.sleep(_ARRIVES_WITHIN)
            first_read.clear()
        assert client.stats.requests == len(server.requests) == 5


async def test_row_05_accepts_and_never_answers(serve: Serve) -> None:
    server = await serve(silence)
    async with connect(server, timeout=0.02) as client:
        with pytest.raises(RequestTimeoutError, match=r"0\.02 s"):
            await client.get("phnum_1")
        assert client.stats.requests == 3
        with pytest.raises(DeadlineExceededError, match="deadline") as caught:
            await client.get("phnum_1", timeout=10.0, deadline=0.02)
        assert caught.value.last_error is None
        (lookup,) = await client.gather(["phnum_1"], deadline=0.03)
        assert isinstance(lookup, Failed)
        assert isinstance(lookup.error, DeadlineExceededError | RequestTimeoutError)


async def test_row_05_accepts_and_does_not_even_shake_hands(serve_plain: Serve) -> None:
    server = await serve_plain(silence)
    base_url = server.base_url.replace("http:", "https:")
    async with PhoneNumberClient(KEY, base_url=base_url, retry=ONCE, timeout=0.02) as client:
        with pytest.raises((RequestTimeoutError, ConnectionFailedError)):
            await client.get("phnum_1")


async def test_row_06_one_byte_every_50_ms(serve: Serve) -> None:
    answer = whole(200, number())
    server = await serve(drip(answer, 0.05))
    async with connect(server, retry=ONCE, timeout=0.02) as client:
        with pytest.raises(RequestTimeoutError, match=r"0\.02 s"):
            await client.get("phnum_1")
        headers, _, body = answer.partition(b"\r\n\r\n")

        async def drip_the_body(wire: Wire) -> None:
            await wire.send(headers + b"\r\n\r\n")
            await drip(body, 0.05)(wire)

        server.behaviour = drip_the_body
        with pytest.raises(RequestTimeoutError, match=r"0\.02 s"):
            await client.get("phnum_1")


async def test_plain_http_on_a_port_of_tls_and_the_other_way_round(serve: Serve) -> None:
    server = await serve(send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
    scheme, host = urlsplit(server.base_url)[:2]
    base_url = f"{'http' if scheme == 'https' else 'https'}://{host}"
    async with PhoneNumberClient(KEY, base_url=base_url, retry=ONCE, timeout=0.2) as client:
        with pytest.raises((ConnectionFailedError, ProtocolError, RequestTimeoutError)):
            await client.get("phnum_1")


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with MisbehavingServer(found, tls[0]) as server, connect(server) as client:
        with pytest.raises(ConnectionFailedError, match=r"localhost:\d+: its TLS certificate is not trusted"):
            await client.get("phnum_1")
        assert server.requests == []
