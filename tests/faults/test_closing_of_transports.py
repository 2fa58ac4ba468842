"""Rows 39 to 41 and 57: a client closed at any time ends at once, and a session belongs to one event loop."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import inspect
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator

import aiohttp
import pytest
from fault_helpers import KEY, Serve, connect, ids, until
from misbehaving_server import MisbehavingServer, drip, number, silence, whole

from elevenphone import ConfigurationError, Failed, PhoneNumberClient
from elevenphone.emulator import Emulator

pytestmark = pytest.mark.usefixtures("http")

_SOON = 0.5


@pytest.fixture(params=["own session", "borrowed session"])
async def session(request: pytest.FixtureRequest, http: str) -> AsyncIterator[aiohttp.ClientSession | None]:
    if request.param == "own session":
        yield None
    elif http == "httptools":
        pytest.skip("a session is used over aiohttp alone, whatever is installed")
    else:
        async with aiohttp.ClientSession() as borrowed:
            yield borrowed


async def closed_under_way(client: PhoneNumberClient, is_now: Callable[[], bool]) -> None:
    """Close a client at a moment, and check that its lookups end at once with the reason."""
    single = asyncio.create_task(client.get("phnum_1"))
    run = asyncio.create_task(client.gather(ids(5)))
    await until(is_now, "the moment to close at")
    async with asyncio.timeout(_SOON):
        await client.aclose()
        (ended,) = await asyncio.gather(single, return_exceptions=True)
        (gathered,) = await asyncio.gather(run, return_exceptions=True)
    assert isinstance(ended, ConfigurationError), repr(ended)
    assert "closed" in str(ended)
    # A run either raises the same, or says so of each id.
    if not isinstance(gathered, ConfigurationError):
        assert not isinstance(gathered, BaseException)
        assert gathered
        assert all(isinstance(each, Failed) and type(each.error) is ConfigurationError for each in gathered)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts by itself, and then says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield listening.getsockname()[1]


async def test_closed_in_the_tls_handshake(silent_port: int, session: aiohttp.ClientSession | None) -> None:
    client = PhoneNumberClient(KEY, base_url=f"https://127.0.0.1:{silent_port}", session=session)
    started = time.monotonic()
    await closed_under_way(client, lambda: client.stats.requests > 0 and time.monotonic() > started + 0.03)


async def test_closed_while_connecting(
    session: aiohttp.ClientSession | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_args: object, **_kwargs: object) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr("aiohappyeyeballs.start_connection", never)
    client = PhoneNumberClient(KEY, base_url="http://127.0.0.1:9", session=session)
    await closed_under_way(client, lambda: client.stats.requests > 0)


async def test_closed_during_name_resolution(
    session: aiohttp.ClientSession | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_args: object, **_kwargs: object) -> None:
        time.sleep(0.05)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    client = PhoneNumberClient(KEY, base_url="https://slow.example", session=session)
    await closed_under_way(client, lambda: client.stats.requests > 0)


@pytest.mark.parametrize("where", ["before the answer", "in the body"])
async def test_closed_while_an_answer_is_awaited(
    where: str, session: aiohttp.ClientSession | None, serve_plain: Serve
) -> None:
    behaviour = silence if where == "before the answer" else drip(whole(200, number()), 0.001)
    server = await serve_plain(behaviour)
    client = connect(server, session=session)
    await closed_under_way(
        client, lambda: bool(server.requests) and server.sent >= (where != "before the answer")
    )
    await until(lambda: not server.tasks, "the end of the connections")


async def test_a_cancellation_from_outside_goes_before_the_close(
    session: aiohttp.ClientSession | None, serve_plain: Serve
) -> None:
    server = await serve_plain(silence)
    client = connect(server, session=session)
    lookup = asyncio.create_task(client.get("phnum_1"))
    await until(lambda: bool(server.requests), "the request")
    lookup.cancel()
    await client.aclose()
    with pytest.raises(asyncio.CancelledError):
        await lookup


# Event loops


async def test_a_session_of_another_loop_is_refused_before_it_is_used(serve_plain: Serve) -> None:
    server = await serve_plain(silence)

    def make() -> tuple[aiohttp.ClientSession, asyncio.AbstractEventLoop]:
        loop = asyncio.new_event_loop()

        async def make() -> aiohttp.ClientSession:
            return aiohttp.ClientSession()

        return loop.run_until_complete(make()), loop

    theirs, loop = await asyncio.to_thread(make)
    async with connect(server, session=theirs) as client:
        for _ in range(2):
            with pytest.raises(
                ConfigurationError, match="belongs to another event loop: make it in the loop"
            ):
                await client.get("phnum_1")
    assert server.connections == 0
    await asyncio.to_thread(lambda: loop.run_until_complete(theirs.close()))
    loop.close()


_SESSION_OF_ANOTHER_UVLOOP = """
import asyncio, aiohttp, uvloop
from elevenphone import ConfigurationError, PhoneNumberClient

async def make():
    return aiohttp.ClientSession()

async def use(session):
    async with PhoneNumberClient("sk_test", base_url="http://127.0.0.1:9", session=session) as client:
        try:
            await client.get("phnum_1")
        except ConfigurationError as error:
            print(error)

first = uvloop.new_event_loop()
session = first.run_until_complete(make())
second = uvloop.new_event_loop()
second.run_until_complete(use(session))
first.run_until_complete(session.close())
"""


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed")
def test_of_uvloop_too_where_using_it_would_abort() -> None:
    command = [sys.executable, "-W", "ignore", "-c", _SESSION_OF_ANOTHER_UVLOOP]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - ours
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "belongs to another event loop" in ended.stdout


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_client_is_closed_after_its_event_loop() -> None:
    async def use() -> PhoneNumberClient:
        async with Emulator(1) as api:
            client = PhoneNumberClient(api.api_key, base_url=api.base_url)
            await client.get(api.ids[0])
            return client

    client = asyncio.run(use())
    for _ in range(2):
        asyncio.run(client.aclose())
    gc.collect()


# What aiohttp has no public name for


@pytest.mark.parametrize("name", ["_loop", "_middlewares"])
async def test_a_borrowed_session_of_an_aiohttp_that_hides_more_is_refused_aloud(
    name: str, monkeypatch: pytest.MonkeyPatch, serve_plain: Serve
) -> None:
    server = await serve_plain(silence)
    async with aiohttp.ClientSession() as theirs, connect(server, session=theirs) as client:
        real = type(theirs).__getattribute__

        def without(self: aiohttp.ClientSession, asked: str) -> object:
            if asked == name and inspect.stack(0)[1].filename.endswith("aiohttp_form/transport.py"):
                raise AttributeError(asked)
            return real(self, asked)

        with monkeypatch.context() as patch:
            patch.setattr(aiohttp.ClientSession, "__getattribute__", without)
            with pytest.raises(ConfigurationError, match=rf"ClientSession\.{name} is gone"):
                await client.get("phnum_1")
        assert server.connections == 0


async def test_a_session_whose_connector_is_not_asked_is_refused_aloud(
    http: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If aiohttp asked for connections in another way, it would send requests again by itself."""
    if http == "httptools":
        pytest.skip("of aiohttp alone")
    server_answers = whole(200, number())

    async def answer(wire: object) -> None:
        await wire.send(server_answers)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]

    async with MisbehavingServer(answer) as server, connect(server) as client:
        monkeypatch.delattr("elevenphone._http.aiohttp_form.connector.CountingConnector.connect")
        with pytest.raises(ConfigurationError, match="aiohttp"):
            await client.get("phnum_1")
        assert len(server.requests) == 1
