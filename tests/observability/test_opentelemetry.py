"""The real OpenTelemetry instrumentation of aiohttp's client makes one span for each attempt."""

# The instrumentation is typed in parts.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import warnings
from collections.abc import Iterator

import aiohttp
import pytest

from elevenphone import NotFoundError, PhoneNumberClient, RetryPolicy
from elevenphone.emulator import Emulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # not this project's
    pytest.importorskip("opentelemetry.instrumentation.aiohttp_client", exc_type=ModuleNotFoundError)
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.instrumentation.aiohttp_client import (
        AioHttpClientInstrumentor,
        create_trace_config,
    )
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


AT_ONCE = RetryPolicy(wait_initial=0, wait_max=0)


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    provider = TracerProvider()
    yield provider
    provider.shutdown()


@pytest.fixture
def exporter(provider: TracerProvider) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


def statuses(exporter: InMemorySpanExporter) -> list[object]:
    """Read the HTTP statuses of the spans, under whichever name the conventions in force give them."""
    return [
        attributes.get("http.response.status_code", attributes.get("http.status_code"))
        for span in exporter.get_finished_spans()
        for attributes in [span.attributes or {}]
    ]


def shown(span: ReadableSpan) -> str:
    """Write all of a span."""
    return str(span.to_json())


async def test_a_span_for_each_attempt_with_a_trace_config(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    trace_config = create_trace_config(tracer_provider=provider)
    async with (
        Emulator(2, outage=True) as emulator,
        aiohttp.ClientSession(trace_configs=[trace_config]) as session,
    ):
        client = PhoneNumberClient(
            emulator.api_key, base_url=emulator.base_url, session=session, retry=AT_ONCE
        )
        await client.get_raw(emulator.ids[0])
        emulator.outage = False
        await client.get(emulator.ids[0])
        with pytest.raises(NotFoundError):
            await client.get(emulator.unknown_ids[0])
        assert client.stats.requests == 5
        spans = exporter.get_finished_spans()
        assert all(emulator.api_key not in shown(span) for span in spans)
    assert statuses(exporter) == [503, 503, 503, 200, 404]


async def test_a_span_for_each_attempt_with_the_instrumentor(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    instrumentor = AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        async with (
            Emulator(2, outage=True) as emulator,
            PhoneNumberClient(emulator.api_key, base_url=emulator.base_url, retry=AT_ONCE) as client,
        ):
            await client.get_raw(emulator.ids[0])
            emulator.outage = False
            with provider.get_tracer("service").start_as_current_span("call") as call:
                await client.get(emulator.ids[0])
    finally:
        instrumentor.uninstrument()
    assert statuses(exporter) == [503, 503, 503, 200, None]  # the last is the service's own span
    lookup = exporter.get_finished_spans()[3]
    assert lookup.parent is not None
    assert lookup.parent.span_id == call.get_span_context().span_id


async def test_the_trace_context_is_sent_to_the_server(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    trace_config = create_trace_config(tracer_provider=provider)
    async with (
        Emulator(1, record=True) as emulator,
        aiohttp.ClientSession(trace_configs=[trace_config]) as session,
    ):
        client = PhoneNumberClient(emulator.api_key, base_url=emulator.base_url, session=session)
        await client.get(emulator.ids[0])
        [request] = emulator.requests
        [span] = exporter.get_finished_spans()
        context = span.get_span_context()
        assert context is not None
        traceparent = request.headers["traceparent"]
        assert traceparent.startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")
