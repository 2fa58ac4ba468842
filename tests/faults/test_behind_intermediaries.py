"""Behind nginx and haproxy, where they are installed: `pytest -m intermediaries tests/faults`."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fault_helpers import ONCE, trust
from intermediaries import haproxy, nginx

from elevenphone import Found, Lookup, NotFoundError, PhoneNumberClient, RetryPolicy, ServerError
from elevenphone.emulator import Emulator

pytestmark = [pytest.mark.intermediaries, pytest.mark.usefixtures("http")]

SOON = RetryPolicy(wait_initial=0.005)


@pytest.fixture
async def api() -> AsyncIterator[Emulator]:
    async with Emulator(numbers=200) as emulator:
        yield emulator


def client_of(base_url: str, api: Emulator, retry: RetryPolicy = SOON) -> PhoneNumberClient:
    return PhoneNumberClient(api.api_key, base_url=base_url, retry=retry)


def assert_all_found(lookups: list[Lookup], api: Emulator) -> None:
    assert [lookup.result() for lookup in lookups] == [
        api.number(lookup.phone_number_id) for lookup in lookups
    ]
    assert [lookup.phone_number_id for lookup in lookups] == list(api.ids[: len(lookups)])


async def test_nginx_limit_req_answers_429_and_nothing_is_lost(api: Emulator, tmp_path: Path) -> None:
    limits = "limit_req zone=one burst=5 nodelay; limit_req_status 429;"
    async with nginx(tmp_path, api.base_url, limits) as base_url, client_of(base_url, api) as client:
        lookups = await client.gather(api.ids[:100])
        assert_all_found(lookups, api)
        assert client.stats.throttled > 0
        assert api.stats.requests == 100
        assert client.stats.requests == 100 + client.stats.throttled


async def test_nginx_closes_connections_after_five_requests(api: Emulator, tmp_path: Path) -> None:
    async with (
        nginx(tmp_path, api.base_url, "keepalive_requests 5;") as base_url,
        client_of(base_url, api, ONCE) as client,
    ):
        lookups = await client.gather(api.ids)
        assert_all_found(lookups, api)
        assert {lookup.attempts for lookup in lookups} == {1}
        assert client.stats.connections_opened >= 40


async def test_nginx_closes_idle_connections_at_once(api: Emulator, tmp_path: Path) -> None:
    async with (
        nginx(tmp_path, api.base_url, "keepalive_timeout 10ms;") as base_url,
        client_of(base_url, api, ONCE) as client,
    ):
        for phone_number_id in api.ids[:10]:
            assert await client.get(phone_number_id) == api.number(phone_number_id)
            await asyncio.sleep(0.009)
        assert api.stats.requests == 10


async def test_nginx_with_gzip_on_is_not_asked_to_compress(api: Emulator, tmp_path: Path) -> None:
    compress = "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any; gzip_http_version 1.0;"
    async with nginx(tmp_path, api.base_url, compress) as base_url, client_of(base_url, api) as client:
        raw = await client.get_raw(api.ids[0])
        assert raw.decode() == api.number(api.ids[0])
        assert "content-encoding" not in raw.headers
        with pytest.raises(NotFoundError, match="phone_number_not_found"):
            await client.get(api.unknown_ids[0])


async def test_nginx_over_tls(api: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trustme = pytest.importorskip("trustme", reason="TLS needs a test authority: pip install trustme")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    certificate = tmp_path / "certificate.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(certificate)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    trust(trusting, monkeypatch)
    settings = "keepalive_requests 20;"
    async with (
        nginx(tmp_path, api.base_url, settings, certificate) as base_url,
        client_of(base_url, api, ONCE) as client,
    ):
        assert base_url.startswith("https:")
        lookups = await client.gather(api.ids)
        assert_all_found(lookups, api)


async def test_nginx_before_a_server_that_is_slow_or_away(api: Emulator, tmp_path: Path) -> None:
    async with (
        nginx(tmp_path, api.base_url, "proxy_read_timeout 50ms;") as base_url,
        client_of(base_url, api) as client,
    ):
        api.latency = 10.0
        with pytest.raises(ServerError, match="HTTP 504"):
            await client.get(api.ids[0])
        api.latency = 0.0
        api.outage_kind = "refused"
        api.outage = True
        with pytest.raises(ServerError, match="HTTP 502"):
            await client.get(api.ids[0])
        assert client.stats.requests == 6
        asyncio.get_running_loop().call_later(0.1, setattr, api, "outage", False)
        assert_all_found(await client.gather(api.ids), api)


async def test_haproxy_503_while_the_server_is_away(api: Emulator, tmp_path: Path) -> None:
    async with haproxy(tmp_path, api.base_url) as base_url, client_of(base_url, api) as client:
        assert_all_found(await client.gather(api.ids[:20]), api)
        api.outage_kind = "refused"
        api.outage = True
        with pytest.raises(ServerError, match=r"HTTP 503: .*503 Service Unavailable"):
            await client.get(api.ids[0])
        asyncio.get_running_loop().call_later(0.1, setattr, api, "outage", False)
        assert_all_found(await client.gather(api.ids), api)


async def test_haproxy_timeouts_of_every_kind(api: Emulator, tmp_path: Path) -> None:
    timeouts = "timeout server 50ms\n    timeout http-keep-alive 10ms"
    async with haproxy(tmp_path, api.base_url, timeouts) as base_url, client_of(base_url, api) as client:
        for phone_number_id in api.ids[:10]:
            assert await client.get(phone_number_id) == api.number(phone_number_id)
            await asyncio.sleep(0.009)
        assert client.stats.retries == 0
        api.latency = 10.0
        with pytest.raises(ServerError, match="HTTP 504"):
            await client.get(api.ids[0])
        assert client.stats.retries == 2


async def test_haproxy_that_lets_two_through_and_answers_the_rest_503(api: Emulator, tmp_path: Path) -> None:
    api.latency = 0.02
    async with (
        haproxy(tmp_path, api.base_url, "timeout queue 10ms", "maxconn 2") as base_url,
        client_of(base_url, api) as client,
    ):
        lookups = await client.gather(api.ids[:60])
        assert all(isinstance(lookup, Found) for lookup in lookups)
        assert_all_found(lookups, api)
        assert api.stats.peak_in_flight <= 2
        assert client.stats.retries > 0


@pytest.mark.parametrize("proxy", [nginx, haproxy])
async def test_a_proxy_before_a_server_with_every_fault(proxy: object, api: Emulator, tmp_path: Path) -> None:
    start = nginx if proxy is nginx else haproxy
    api.server_errors = api.drops = api.resets = api.truncated = 0.08
    api.requests_per_connection = 5
    api.concurrency_limit = 6
    async with start(tmp_path, api.base_url) as base_url, client_of(base_url, api) as client:
        assert_all_found(await client.gather(api.ids), api)
