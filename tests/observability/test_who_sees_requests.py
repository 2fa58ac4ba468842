"""With `http="auto"`, a library that replaces methods of aiohttp still sees or answers every request."""

# aioresponses and vcr.py are typed in parts.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import aiohttp
import pytest
from aioresponses import aioresponses

from elevenphone import ConfigurationError, ConnectionFailedError, PhoneNumberClient, RetryPolicy
from elevenphone._http import make_transport, selection
from elevenphone.emulator import Emulator

pytest.importorskip("httptools", reason="the extra is not installed: pip install 'elevenphone[speed]'")

PAYLOAD = {"provider": "twilio", "phone_number": "+12125550100", "label": "Mocked", "phone_number_id": "p"}
ONCE = RetryPolicy.none()


def form(http: selection.Choice = "auto") -> str:
    return make_transport("sk_test", session=None, http=http).form


def test_nothing_is_replaced_at_first() -> None:
    assert form() == "httptools"
    assert form("aiohttp") == "aiohttp"
    assert form("httptools") == "httptools"
    assert "over httptools" in repr(PhoneNumberClient("sk_test"))
    assert "over aiohttp" in repr(PhoneNumberClient("sk_test", http="aiohttp"))


async def test_aioresponses_entered_after_the_first_request_answers_the_next(emulator: Emulator) -> None:
    url = f"{emulator.base_url}/v1/convai/phone-numbers/{emulator.ids[0]}"
    async with PhoneNumberClient(emulator.api_key, base_url=emulator.base_url) as client:
        real = await client.get(emulator.ids[0])
        assert real == emulator.number(emulator.ids[0])
        with aioresponses() as mocked:
            mocked.get(url, payload=PAYLOAD | {"phone_number_id": emulator.ids[0]})
            assert (await client.get(emulator.ids[0])).label == "Mocked"
        assert await client.get(emulator.ids[0]) == real
        assert client.stats.requests == 3
        assert emulator.stats.requests == 2
        assert client.stats.connections_opened == emulator.stats.connections == 1


async def test_vcr_records_and_plays_back(emulator: Emulator, tmp_path: Path) -> None:
    vcr = pytest.importorskip("vcr", reason="pip install vcrpy")
    cassette = str(tmp_path / "cassette.yaml")
    async with PhoneNumberClient(emulator.api_key, base_url=emulator.base_url) as client:
        await client.get(emulator.ids[1])
        for _ in range(2):
            with vcr.use_cassette(cassette, filter_headers=["xi-api-key"]):
                assert await client.get(emulator.ids[0]) == emulator.number(emulator.ids[0])
    assert emulator.stats.requests == 2  # the first, and the one that was recorded


async def test_opentelemetry_makes_spans_of_a_client_that_is_in_use(emulator: Emulator) -> None:
    otel = pytest.importorskip(
        "opentelemetry.instrumentation.aiohttp_client", reason="not installed", exc_type=ModuleNotFoundError
    )
    trace = pytest.importorskip("opentelemetry.sdk.trace", reason="not installed")
    export = pytest.importorskip("opentelemetry.sdk.trace.export", reason="not installed")
    memory = pytest.importorskip(
        "opentelemetry.sdk.trace.export.in_memory_span_exporter", reason="not installed"
    )
    exporter, provider = memory.InMemorySpanExporter(), trace.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    async with PhoneNumberClient(emulator.api_key, base_url=emulator.base_url) as client:
        await client.get(emulator.ids[0])
        instrumentor = otel.AioHttpClientInstrumentor()
        instrumentor.instrument(tracer_provider=provider)
        try:
            await client.get(emulator.ids[0])
        finally:
            instrumentor.uninstrument()
        await client.get(emulator.ids[0])
    assert len(exporter.get_finished_spans()) == 1
    assert form() == "httptools"
    provider.shutdown()


_UNDER_SENTRY = """
import asyncio, sentry_sdk
from sentry_sdk.integrations.aiohttp import AioHttpIntegration
from elevenphone import PhoneNumberClient
from elevenphone.emulator import Emulator

async def main():
    async with Emulator(1) as api, PhoneNumberClient(api.api_key, base_url=api.base_url) as client:
        await client.get(api.ids[0])
        before = len(spans)
        sentry_sdk.init(
            traces_sample_rate=1.0,
            integrations=[AioHttpIntegration()],
            default_integrations=False,
            auto_enabling_integrations=False,
            before_send_transaction=keep,
        )
        with sentry_sdk.start_transaction(name="call"):
            await client.get(api.ids[0])
        print(before, len(spans))

spans = []

def keep(event, hint):
    spans.extend(span for span in event["spans"] if span["op"] == "http.client")

asyncio.run(main())
"""


def test_sentry_makes_spans_of_a_client_that_is_in_use() -> None:
    pytest.importorskip("sentry_sdk", reason="pip install sentry-sdk")
    # In a separate process, because Sentry cannot be removed from a process.
    ended = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", _UNDER_SENTRY], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.stdout.strip(), ended.returncode) == ("0 1", 0), ended.stderr


# Ways to replace a method


async def answered(*_args: object, **_kwargs: object) -> None:
    """Answer a request in place of aiohttp."""


def a_function(replaced: Callable[..., object]) -> object:
    return functools.wraps(replaced)(answered)


def a_partial(_replaced: Callable[..., object]) -> object:
    return functools.partial(answered)


def a_mock(_replaced: Callable[..., object]) -> object:
    return mock.AsyncMock()


def a_wrapper_of_wrapt(replaced: Callable[..., object]) -> object:
    wrapt = pytest.importorskip("wrapt", reason="pip install wrapt")

    def call(wrapped: Callable[..., object], _of: object, args: Sequence[object], _kwargs: object) -> object:
        return wrapped(*args)

    return wrapt.FunctionWrapper(replaced, call)


@pytest.mark.parametrize("replace", [a_function, a_partial, a_mock, a_wrapper_of_wrapt])
@pytest.mark.parametrize(
    ("owner", "method"),
    [
        (aiohttp.ClientSession, "__init__"),
        (aiohttp.ClientSession, "_request"),
        (aiohttp.ClientSession, "get"),
        (aiohttp.TCPConnector, "_resolve_host"),
    ],
)
def test_replacing_and_restoring_a_method_is_noticed(
    owner: type, method: str, replace: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = make_transport("sk_test", session=None, http="auto")
    forms: list[str] = [transport.form]
    with monkeypatch.context() as patch:
        patch.setattr(owner, method, replace(getattr(owner, method)))
        forms.append(transport.form)
    forms.append(transport.form)
    assert forms == ["httptools", "aiohttp", "httptools"]


def test_a_class_replaced_as_a_whole_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    for replacement in (mock.MagicMock(), SimpleNamespace()):
        with monkeypatch.context() as patch:
            patch.setattr(aiohttp, "ClientSession", replacement)
            assert form() == "aiohttp"
    assert form() == "httptools"


def test_httptools_requested_by_name_ignores_replaced_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiohttp.ClientSession, "_request", answered)
    assert form("httptools") == "httptools"


async def test_a_closed_client_does_not_open_again_for_a_mock(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = make_transport("sk_test", session=None, http="auto")
    await transport.aclose()
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="closed"):
            await transport.send("http://127.0.0.1:9/")
        monkeypatch.setattr(aiohttp.ClientSession, "_request", answered)


# Refused choices


def test_httptools_with_a_session_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="leave session out, or pass http='auto' or http='aiohttp'"):
        make_transport("sk_test", session=mock.Mock(spec=aiohttp.ClientSession), http="httptools")


def test_httptools_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "missing_packages", lambda: ["httptools", "aiohappyeyeballs"])
    with pytest.raises(
        ConfigurationError, match=r"httptools and aiohappyeyeballs: pip install 'elevenphone\[speed\]'"
    ):
        PhoneNumberClient("sk_test", http="httptools")
    assert form() == "aiohttp"


@pytest.mark.parametrize("http", ["httpx", "", None, 3])
def test_an_unknown_form_is_refused(http: object) -> None:
    with pytest.raises(ConfigurationError, match="http must be one of 'auto', 'httptools', 'aiohttp', not"):
        PhoneNumberClient("sk_test", http=http)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_unused_forms_of_http_are_not_imported() -> None:
    code = (
        "import sys; from elevenphone._http import make_transport; "
        "make_transport('sk_test', session=None, http='auto').form; "
        "print('aiohttp' in sys.modules, 'httptools' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert ended.stdout.split() == ["False", "True"]


async def test_a_session_is_used_even_if_httptools_is_installed(emulator: Emulator) -> None:
    async with (
        aiohttp.ClientSession(headers={"x-mine": "yes"}) as session,
        PhoneNumberClient(emulator.api_key, base_url=emulator.base_url, session=session) as client,
    ):
        emulator.record = True
        await client.get(emulator.ids[0])
    assert emulator.requests[0].headers["x-mine"] == "yes"


async def test_each_form_reports_a_refused_connection_alike() -> None:
    texts: set[str] = set()
    for http in ("httptools", "aiohttp"):
        async with PhoneNumberClient(
            "sk_test", base_url="http://127.0.0.1:9", retry=ONCE, http=http
        ) as client:
            with pytest.raises(ConnectionFailedError) as caught:
                await client.get("phnum_1")
        texts.add(f"{caught.value} {caught.value.stage}")
    assert len(texts) == 1, texts
