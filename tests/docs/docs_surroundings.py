"""What snippets ask for by `<!-- with: ... -->`, and what `<!-- run: ... -->` may call."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import ssl
import threading
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from elevenphone.emulator import Emulator

Answer = tuple[int, object]


class Place(NamedTuple):
    """Where snippets run."""

    directory: Path
    emulator: Emulator
    monkeypatch: pytest.MonkeyPatch
    runner: asyncio.Runner


async def check_service(ask: Callable[[str], Awaitable[Answer]], known: str, unknown: str) -> None:
    """Ask a service for a number that there is, and one that there is not."""
    status, body = await ask(f"/numbers/{known}")
    assert status == 200
    assert isinstance(body, dict)
    assert body.keys() == {"agent"}
    status, _ = await ask(f"/numbers/{unknown}")
    assert status == 404


async def aiohttp_answer(app: web.Application, path: str) -> Answer:
    """Ask an aiohttp service."""
    async with TestClient(TestServer(app)) as client, client.get(path) as response:
        return response.status, await response.json() if response.status == 200 else None


async def fastapi_answer(app: Any, path: str) -> Answer:  # noqa: ANN401 - only known where it is installed
    """Ask an ASGI service, started and stopped around the request."""
    httpx = importlib.import_module("httpx")
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client,
    ):
        response = await client.get(path)
        return response.status_code, response.json()


async def check_outage(app: Any, emulator: Emulator, known: str, unknown: str) -> None:  # noqa: ANN401
    """Ask an ASGI service for a number before, during and after an outage."""
    httpx = importlib.import_module("httpx")
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client,
    ):
        before = await client.get(known)
        assert before.status_code == 200
        emulator.outage = True
        try:
            during = await asyncio.gather(*(client.get(known) for _ in range(20)))
            assert [each.json() for each in during] == [before.json()] * 20
            assert (await client.get(unknown)).status_code == 503
            assert (await client.post(f"{known}/changed")).status_code == 204
            assert (await client.get(known)).status_code == 503
        finally:
            emulator.outage = False
        assert (await client.get(known)).json() == before.json()


@contextlib.contextmanager
def in_thread(opened: contextlib.AbstractAsyncContextManager[str]) -> Generator[str]:
    """Keep something open in an event loop of its own; give what it gives."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(opened.__aenter__(), loop).result()
        asyncio.run_coroutine_threadsafe(opened.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextlib.asynccontextmanager
async def _forwarding() -> AsyncGenerator[str]:
    """A proxy on loopback that forwards one plain GET a connection."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, rest = head.split(b" ", 2)
        assert (method, target[:7]) == (b"GET", b"http://"), "asked as a proxy is asked"
        address, _, path = target[7:].partition(b"/")
        host, port = address.decode().split(":")
        their_reader, their_writer = await asyncio.open_connection(host, int(port))
        their_writer.write(b"GET /" + path + b" " + rest.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        writer.write(await their_reader.read())
        for each in (their_writer, writer):
            each.close()
            await each.wait_closed()

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@contextlib.contextmanager
def proxy(place: Place) -> Generator[None]:
    """Put a proxy's address into `COMPANY_PROXY`, and see that it was used."""
    before = place.emulator.stats.connections
    with in_thread(_forwarding()) as url:
        place.monkeypatch.setenv("COMPANY_PROXY", url)
        yield
    assert place.emulator.stats.connections == before + 1


@contextlib.contextmanager
def tls(place: Place) -> Generator[None]:
    """Put an emulator behind a certificate of an authority of its own, in `company-ca.pem`."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(place.directory / "company-ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    @contextlib.asynccontextmanager
    async def serving() -> AsyncGenerator[str]:
        async with Emulator(place.emulator.numbers, ssl_context=context) as secure:
            yield secure.base_url

    with in_thread(serving()) as base_url:
        place.monkeypatch.setenv("ELEVENLABS_BASE_URL", base_url)
        yield


@contextlib.contextmanager
def opentelemetry(_place: Place) -> Generator[None]:
    """See that two spans come out, the lookup's inside the caller's."""
    trace = importlib.import_module("opentelemetry.trace")
    sdk = importlib.import_module("opentelemetry.sdk.trace")
    export = importlib.import_module("opentelemetry.sdk.trace.export")
    memory = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    instrumentation = importlib.import_module("opentelemetry.instrumentation.aiohttp_client")
    exporter, provider = memory.InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        instrumentation.AioHttpClientInstrumentor().uninstrument()
    lookup, call = exporter.get_finished_spans()
    assert call.name == "incoming call"
    assert lookup.parent.span_id == call.get_span_context().span_id


@contextlib.contextmanager
def official_sdk(place: Place) -> Generator[None]:
    """Point ElevenLabs' own SDK at the emulator, and close what it leaves open."""
    httpx = importlib.import_module("httpx")
    opened: list[Any] = []
    for kind in (httpx.Client, httpx.AsyncClient):
        place.monkeypatch.setattr(kind, "__init__", _noting(kind.__init__, opened))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own
        environment = importlib.import_module("elevenlabs.environment").ElevenLabsEnvironment
        place.monkeypatch.setattr(environment.PRODUCTION, "_value_", place.emulator.base_url)
        clients = importlib.import_module("elevenlabs.client")
        for kind in (clients.ElevenLabs, clients.AsyncElevenLabs):
            # It reads the variable of the environment once, when it is imported.
            place.monkeypatch.setitem(kind.__init__.__kwdefaults__, "api_key", place.emulator.api_key)
        yield
    for client in opened:
        if isinstance(client, httpx.Client):
            client.close()
        else:
            place.runner.run(client.aclose())


def _noting(init: Callable[..., None], made: list[Any]) -> Callable[..., None]:
    """Make a constructor that keeps what it makes."""

    def noted(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the constructor is
        init(self, *args, **kwargs)
        made.append(self)

    return noted


@contextlib.contextmanager
def repaired_aioresponses(place: Place) -> Generator[None]:
    """Have the `conftest.py` that the page shows, in the directory of the test."""
    from docs_snippets import ROOT, snippets_of  # noqa: PLC0415

    page = snippets_of(ROOT / "docs" / "how-to" / "testing.md")
    [shown] = [snippet.code for snippet in page if snippet.get("file") == "conftest.py"]
    (place.directory / "conftest.py").write_text(shown, encoding="utf-8")
    yield


SURROUNDINGS = {
    "repaired aioresponses": repaired_aioresponses,
    "official sdk": official_sdk,
    "opentelemetry": opentelemetry,
    "proxy": proxy,
    "tls": tls,
}
CALLABLE = {
    "aiohttp_answer": aiohttp_answer,
    "check_outage": check_outage,
    "check_service": check_service,
    "fastapi_answer": fastapi_answer,
}
