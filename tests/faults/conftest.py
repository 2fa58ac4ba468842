from __future__ import annotations

import gc
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
from fault_helpers import Serve, nothing_left_behind, trust
from misbehaving_server import Behaviour, MisbehavingServer


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what starts other programs, unless it is asked for."""
    asked_for = str(config.getoption("markexpr"))
    if "intermediaries" in asked_for:
        return
    skip = pytest.mark.skip(reason="starts nginx and haproxy: ask for it with -m intermediaries")
    for item in items:
        if item.get_closest_marker("intermediaries"):
            item.add_marker(skip)


@pytest.fixture(scope="module", autouse=True)
def old_objects_set_aside() -> Iterator[None]:
    """Spare the collection after each test from looking at all that has been imported."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    async with nothing_left_behind():
        yield


@pytest.fixture(scope="session")
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate of a test authority, and a client's that trusts it."""
    trustme = pytest.importorskip("trustme", reason="TLS needs a test authority: pip install trustme")
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@pytest.fixture
def tls_server(tls: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The server's context; its authority is trusted by each form of HTTP."""
    trust(tls[1], monkeypatch)
    return tls[0]


@pytest.fixture(params=["plain", "TLS"])
async def serve(request: pytest.FixtureRequest, http: str) -> AsyncIterator[Serve]:  # noqa: ARG001
    """Start misbehaving servers, over plain HTTP and over TLS."""
    context: ssl.SSLContext | None = request.getfixturevalue("tls_server") if request.param == "TLS" else None
    async with AsyncExitStack() as servers:

        async def start(behaviour: Behaviour) -> MisbehavingServer:
            return await servers.enter_async_context(MisbehavingServer(behaviour, context))

        yield start


@pytest.fixture
async def serve_plain(http: str) -> AsyncIterator[Serve]:  # noqa: ARG001
    """Start misbehaving servers, over plain HTTP alone."""
    async with AsyncExitStack() as servers:

        async def start(behaviour: Behaviour) -> MisbehavingServer:
            return await servers.enter_async_context(MisbehavingServer(behaviour))

        yield start
