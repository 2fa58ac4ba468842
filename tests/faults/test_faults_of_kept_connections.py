"""Connections that are kept: which one is taken, when it is closed, and what a stale one costs."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import pickle
import socket
from collections.abc import Iterator
from typing import cast

import pytest
import virtual_time
from fault_helpers import AT_ONCE, KEY, ONCE, Serve, connect, ids, until
from misbehaving_server import Ending, MisbehavingServer, Wire, end, found, number, send, whole

from elevenphone import (
    ConfigurationError,
    ConnectionFailedError,
    PhoneNumberClient,
    ProtocolError,
    RequestTimeoutError,
)
from elevenphone._http import make_transport

_STALE_AFTER = 3


async def test_a_server_that_closes_idle_connections_under_load(serve: Serve) -> None:
    """No lookup fails, none uses up an attempt, and each stale connection costs one request at most."""

    async def tire(wire: Wire) -> None:
        await found(wire)
        if wire.request.nth == _STALE_AFTER:
            asyncio.get_running_loop().call_soon(wire.cut)

    server = await serve(tire)
    async with connect(server, retry=ONCE, concurrency=16) as client:
        lookups = await client.gather(ids(600))
        assert [lookup.result().phone_number_id for lookup in lookups] == ids(600)
        assert {lookup.attempts for lookup in lookups} == {1}
        assert client.stats.retries == client.stats.failed == 0
        assert client.stats.requests <= 600 + client.stats.connections_opened


async def test_a_server_that_answers_each_connection_once_gets_no_more_than_two_requests_an_attempt(
    serve: Serve,
) -> None:
    async def once(wire: Wire) -> None:
        await (found if wire.request.nth == 1 else end("reset"))(wire)

    server = await serve(once)
    async with connect(server, retry=ONCE, concurrency=16) as client:
        lookups = await client.gather(ids(200))
        assert {lookup.attempts for lookup in lookups} == {1}
        assert client.stats.connections_opened == server.connections
        assert len(server.requests) <= client.stats.requests <= 200 + server.connections


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_a_server_that_answers_nothing_any_more_sees_each_stale_connection_once(
    then: Ending, serve: Serve
) -> None:
    server = await serve(found)
    async with connect(server, retry=ONCE, concurrency=10) as client:
        barrier = asyncio.Barrier(10)

        async def together(wire: Wire) -> None:
            await barrier.wait()
            await found(wire)

        server.behaviour = together
        await client.gather(ids(10))
        server.behaviour = end(then)
        asked = len(server.requests)
        with pytest.raises(ConnectionFailedError) as caught:
            await client.get("phnum_1")
        assert caught.value.stage == "response"
        assert len(server.requests) - asked <= 11  # ten stale ones, and a new one
        assert client.stats.requests == len(server.requests)


async def test_an_answer_that_comes_twice_gives_no_id_the_number_of_another(serve: Serve) -> None:
    """Nothing in HTTP tells the copy from the answer to the next request; the id in it does."""

    async def twice(wire: Wire) -> None:
        await found(wire)
        await asyncio.sleep(0.003)
        await found(wire)

    server = await serve(twice)
    async with connect(server, concurrency=16) as client:
        lookups = await client.gather(ids(60))
    assert [lookup.result().phone_number_id for lookup in lookups] == ids(60)
    assert client.stats.retries > 0


async def test_a_number_of_another_id_is_refused(serve_plain: Serve) -> None:
    server = await serve_plain(send(whole(200, number("phnum_other"))))
    async with connect(server, retry=ONCE) as client:
        with pytest.raises(ConnectionFailedError, match="the answer is of another id, 'phnum_other'"):
            await client.get("phnum_mine")


async def test_a_connection_just_made_is_not_made_again(serve: Serve) -> None:
    server = await serve(end("close"))
    async with connect(server, retry=AT_ONCE) as client:
        with pytest.raises(ConnectionFailedError, match="closed before an answer"):
            await client.get("phnum_1")
        assert client.stats.requests == server.connections == len(server.requests) == 3


async def test_the_connection_used_last_is_taken_first(http: str, serve_plain: Serve) -> None:
    if http == "aiohttp":
        pytest.skip("aiohttp takes the one used first")
    server = await serve_plain(found)
    async with connect(server, retry=ONCE, concurrency=3) as client:
        barrier = asyncio.Barrier(3)

        async def together(wire: Wire) -> None:
            await barrier.wait()
            await asyncio.sleep(0.002 * wire.request.connection)
            await found(wire)

        server.behaviour = together
        await asyncio.gather(*(client.get(phone_number_id) for phone_number_id in ids(3)))
        server.behaviour = found
        for phone_number_id in ids(5):
            await client.get(phone_number_id)
        assert [request.connection for request in server.requests[3:]] == [3] * 5


async def test_a_lookup_that_is_cancelled_when_its_answer_has_come_leaves_the_connection_in_order(
    serve_plain: Serve,
) -> None:
    server = await serve_plain(found)
    async with connect(server, retry=ONCE) as client:
        for turns in range(12):
            lookup = asyncio.create_task(client.get("phnum_0"))
            await until(lambda turns=turns: len(server.requests) > turns, "the request")  # type: ignore[misc]
            for _ in range(turns):
                await asyncio.sleep(0)
            lookup.cancel()
            await asyncio.gather(lookup, return_exceptions=True)
            server.requests[:] = server.requests[: turns + 1]
        for phone_number_id in ids(4):
            assert (await client.get(phone_number_id)).phone_number_id == phone_number_id


# Row 67


@pytest.mark.usefixtures("http")
async def test_row_67_bytes_before_the_request_on_a_new_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(200, number("phnum_of_somebody_else")))
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    loop = asyncio.get_running_loop()
    real = loop.create_connection

    async def slowly(*args: object, **kwargs: object) -> object:
        made = cast("object", await real(*args, **kwargs))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType] - passed on
        await asyncio.sleep(0.01)  # so that what the server says first is there first
        return made

    monkeypatch.setattr(loop, "create_connection", slowly)
    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with PhoneNumberClient(KEY, base_url=base_url, retry=ONCE) as client:
        for phone_number_id in ids(3):
            with pytest.raises(ProtocolError, match="sent something before it was asked"):
                await client.get(phone_number_id)
    server.close()


# Addresses


def resolves_to(*addresses: str, monkeypatch: pytest.MonkeyPatch, port: int) -> list[int]:
    """Make every name resolve to these, and return a list that grows each time that one is asked for."""
    answers = [
        (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)) for address in addresses
    ]

    def look_up(*_args: object, **_kwargs: object) -> list[object]:
        calls.append(1)
        return list(answers)

    calls: list[int] = []
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return calls


async def test_a_name_whose_first_address_is_dead(
    serve_plain: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve_plain(found)
    port = int(server.host.rpartition(":")[2])
    resolves_to("127.0.0.2", "127.0.0.1", monkeypatch=monkeypatch, port=port)
    base_url = f"http://localhost:{port}"
    async with PhoneNumberClient(KEY, base_url=base_url, retry=ONCE) as client:
        lookups = await client.gather(ids(10))
        assert [lookup.result().phone_number_id for lookup in lookups] == ids(10)
        assert client.stats.retries == 0


async def test_a_name_is_resolved_once_for_all_who_connect_at_the_same_time(
    serve_plain: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve_plain(found)
    port = int(server.host.rpartition(":")[2])
    resolutions = resolves_to("127.0.0.1", monkeypatch=monkeypatch, port=port)
    async with PhoneNumberClient(KEY, base_url=f"http://localhost:{port}", retry=ONCE) as client:
        await asyncio.gather(*(client.get(phone_number_id) for phone_number_id in ids(8)))
        await client.get("phnum_9")
    if not isinstance(asyncio.get_running_loop(), asyncio.SelectorEventLoop):
        return  # uvloop resolves names by itself
    assert len(resolutions) == 1


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue of connections to accept is full, so that the next one hangs."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]
        for each in waiting:
            each.close()


@pytest.mark.usefixtures("http")
async def test_a_queue_of_connections_that_is_full(full_port: int) -> None:
    async with PhoneNumberClient(
        KEY, base_url=f"http://127.0.0.1:{full_port}", retry=ONCE, timeout=0.03
    ) as client:
        with pytest.raises(RequestTimeoutError, match=r"0\.03 s"):
            await client.get("phnum_1")
        assert client.stats.connections_opened == 0


# The pool by itself, in virtual time


def test_idle_connections_are_closed_after_15_seconds_and_within_20() -> None:
    pool_module = pytest.importorskip("elevenphone._http.httptools_form.pool", reason="needs httptools")
    connection_module = pytest.importorskip("elevenphone._http.httptools_form.connection")

    class IdleWire:
        closed = False

        def write(self, data: bytes, /) -> None:
            raise AssertionError(data)

        def abort(self) -> None:
            self.closed = True

        def is_closing(self) -> bool:
            return self.closed

    async def main() -> None:
        loop = asyncio.get_running_loop()
        pool = pool_module.Pool(loop)
        wires: list[IdleWire] = []

        def put() -> None:
            connection = connection_module.Connection(loop, pool)
            wires.append(IdleWire())
            connection.connection_made(wires[-1])
            pool.put(connection)

        put()
        await asyncio.sleep(7)
        put()
        await asyncio.sleep(7.9)
        assert [wire.closed for wire in wires] == [False, False]
        await asyncio.sleep(5.1)
        assert [wire.closed for wire in wires] == [True, False]
        await asyncio.sleep(10)
        assert [wire.closed for wire in wires] == [True, True]
        assert pool.take() is None
        await asyncio.sleep(100)  # and no timer is left, without which this would go on for ever

    virtual_time.run(main())


@pytest.mark.parametrize("form", ["httptools", "aiohttp"])
async def test_no_part_of_a_transport_is_copied_or_shows_the_key(form: str) -> None:
    if form == "httptools":
        pytest.importorskip("httptools")
    async with MisbehavingServer(found) as server:
        transport = make_transport(KEY, session=None, http="httptools" if form == "httptools" else "aiohttp")
        await transport.send(f"{server.base_url}/v1/convai/phone-numbers/phnum_1")
        parts: list[object] = [transport]
        if form == "httptools":
            (own_server,) = vars(transport)["_servers"]
            parts += [own_server, own_server.pool.take()]
        for part in parts:
            assert KEY not in repr(part)
            for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(ConfigurationError, match="cannot be copied"):
                    duplicate(part)
        await transport.aclose()
        await transport.aclose()


async def test_a_connection_that_was_cancelled_while_it_was_made_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, serve_plain: Serve
) -> None:
    """uvloop does not say that such a connection has ended."""
    server = await serve_plain(found)
    loop = asyncio.get_running_loop()
    real = loop.create_connection

    async def made_and_cancelled(*args: object, **kwargs: object) -> object:
        made = await real(*args, **kwargs)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType] - passed on
        transport, protocol = cast("tuple[asyncio.Transport, asyncio.BaseProtocol]", made)

        def say_nothing(_error: object) -> None: ...

        monkeypatch.setattr(protocol, "connection_lost", say_nothing, raising=False)
        transport.abort()
        raise asyncio.CancelledError

    async with connect(server, retry=ONCE) as client:
        await client.get("phnum_0")
        server.shut_down_connections()
        await asyncio.sleep(0.01)
        with monkeypatch.context() as patch:
            patch.setattr(loop, "create_connection", made_and_cancelled)
            with pytest.raises(ConnectionFailedError, match="cancelled"):
                await client.get("phnum_1")
        async with asyncio.timeout(1):
            await client.aclose()
