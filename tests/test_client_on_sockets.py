from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import unquote

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from elevenphone import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DecodeError,
    ElevenPhoneError,
    InvalidPhoneNumberIdError,
    NotFoundError,
    PhoneNumberClient,
    RequestTimeoutError,
    RetryPolicy,
    StatusError,
    encode,
)
from elevenphone.emulator import Emulator

pytestmark = pytest.mark.usefixtures("http")

PATH = "/v1/convai/phone-numbers/"
AT_ONCE = RetryPolicy(wait_initial=0.0)
ONCE = RetryPolicy.none()


async def test_every_number_is_found(emulator: Emulator, client: PhoneNumberClient) -> None:
    for phone_number_id in emulator.ids:
        assert await client.get(phone_number_id) == emulator.number(phone_number_id)
    assert client.stats.found == client.stats.requests == emulator.stats.answered == 50
    assert client.stats.connections_opened == emulator.stats.connections == 1


async def test_an_unknown_id_is_not_found(emulator: Emulator, client: PhoneNumberClient) -> None:
    with pytest.raises(NotFoundError) as caught:
        await client.get(emulator.unknown_ids[0])
    assert caught.value.code == "phone_number_not_found"
    assert emulator.unknown_ids[0] in caught.value.message
    assert caught.value.request_id
    assert client.stats.requests == emulator.stats.requests == 1


async def test_a_wrong_key_is_refused(emulator: Emulator) -> None:
    async with PhoneNumberClient("sk_wrong_key", base_url=emulator.base_url) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.get(emulator.ids[0])
    assert caught.value.status == 401
    assert caught.value.code == "invalid_api_key"
    assert emulator.stats.requests == 1


@pytest.mark.parametrize(
    ("settings_name", "code"), [("missing_permission", "missing_permissions"), ("quota", "quota_exceeded")]
)
async def test_a_401_of_each_kind_has_its_code(settings_name: str, code: str, emulator: Emulator) -> None:
    if settings_name == "quota":
        emulator.quota = 0
    else:
        emulator.missing_permission = True
    async with PhoneNumberClient(emulator.api_key, base_url=emulator.base_url) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.get(emulator.ids[0])
    assert caught.value.code == code
    assert emulator.stats.requests == 1


async def test_a_raw_answer_holds_the_received_bytes(emulator: Emulator, client: PhoneNumberClient) -> None:
    number = emulator.number(emulator.ids[0])
    raw = await client.get_raw(emulator.ids[0])
    assert raw.status == 200
    assert raw.body == encode(number)
    assert raw.decode() == number
    assert raw.headers["content-type"] == "application/json"
    assert raw.request_id == raw.headers["request-id"]
    missing = await client.get_raw(emulator.unknown_ids[0])
    assert missing.status == 404


async def test_a_lookup_sends_a_plain_get_with_the_key(emulator: Emulator) -> None:
    emulator.record = True
    async with PhoneNumberClient(emulator.api_key, base_url=emulator.base_url + "/") as client:
        await client.get(emulator.ids[0])
    (request,) = emulator.requests
    assert request.method == "GET"
    assert request.path == PATH + emulator.ids[0]
    assert request.headers["xi-api-key"] == emulator.api_key
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"].startswith("elevenphone/")
    assert not {"cookie", "authorization", "content-length", "content-type"} & request.headers.keys()


# Ids

ODD_IDS = st.text(max_size=20) | st.text("./\\%?#&=+ \r\n\t\x00@:;2eEfF", max_size=8) | st.text(max_size=300)


@settings(max_examples=8)
@given(st.lists(ODD_IDS, min_size=20, max_size=60))
def test_an_id_is_refused_before_anything_is_sent_or_arrives_unchanged(ids: list[str]) -> None:
    asyncio.run(_send_each(ids))


def test_ids_for_path_traversal_and_injection_are_refused_or_arrive_unchanged() -> None:
    ids = [
        "..",
        ".",
        "",
        " ",
        "a/b",
        "a?b",
        "a#b",
        "a\r\nb",
        "%2e%2e",
        "%2E",
        "%2f",
        "../agents",
        "a" * 10_000,
    ]
    ids += [
        "a?x=1",
        "номер",
        "電話",
        "☎️",
        "...",
        "a//b",
        "//a",
        "\\..\\",
        "a;b",
        "a%00b",
        "a\x00b",
        "~",
        "a+b c",
    ]
    asyncio.run(_send_each(ids))


async def _send_each(ids: list[str]) -> None:
    async with (
        Emulator(numbers=1, record=True) as emulator,
        PhoneNumberClient(emulator.api_key, base_url=emulator.base_url) as client,
    ):
        for phone_number_id in ids:
            emulator.requests.clear()
            try:
                await client.get_raw(phone_number_id)
            except InvalidPhoneNumberIdError:
                assert emulator.requests == []
                continue
            (request,) = emulator.requests
            assert request.phone_number_id == phone_number_id
            segment = request.path.removeprefix(PATH)
            assert unquote(segment) == phone_number_id
            assert not set(segment) & set("/?#")


# A borrowed session


async def test_a_borrowed_session_is_used_and_left_open(emulator: Emulator) -> None:
    async with aiohttp.ClientSession(headers={"x-mine": "yes"}) as session:
        emulator.record = True
        async with PhoneNumberClient(emulator.api_key, base_url=emulator.base_url, session=session) as client:
            assert await client.get(emulator.ids[0]) == emulator.number(emulator.ids[0])
        assert not session.closed
        assert emulator.requests[0].headers["x-mine"] == "yes"
        async with PhoneNumberClient(emulator.api_key, base_url=emulator.base_url, session=session) as client:
            assert await client.get(emulator.ids[1]) == emulator.number(emulator.ids[1])
    assert emulator.stats.connections == 1


@pytest.mark.parametrize("setting", ["raise_for_status", "auto_decompress", "base_url"])
async def test_settings_of_a_borrowed_session_do_not_change_the_result(
    setting: str, emulator: Emulator
) -> None:
    if setting == "raise_for_status":
        session = aiohttp.ClientSession(raise_for_status=True)
    elif setting == "auto_decompress":
        session = aiohttp.ClientSession(auto_decompress=True)
    else:
        session = aiohttp.ClientSession("http://elsewhere.example")
    async with (
        session,
        PhoneNumberClient(emulator.api_key, base_url=emulator.base_url, session=session) as client,
    ):
        assert await client.get(emulator.ids[0]) == emulator.number(emulator.ids[0])
        with pytest.raises(NotFoundError, match="phone_number_not_found"):
            await client.get(emulator.unknown_ids[0])


async def test_middlewares_of_a_borrowed_session_run_once_for_each_request(emulator: Emulator) -> None:
    seen: list[str] = []

    async def outer(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        seen.append("outer")
        request.headers["x-signed"] = "yes"
        return await handler(request)

    async def inner(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        seen.append("inner")
        return await handler(request)

    emulator.record = True
    async with (
        aiohttp.ClientSession(middlewares=(outer, inner)) as session,
        PhoneNumberClient(
            emulator.api_key, base_url=emulator.base_url, session=session, retry=AT_ONCE
        ) as client,
    ):
        await client.get(emulator.ids[0])
        assert seen == ["outer", "inner"]
        assert emulator.requests[0].headers["x-signed"] == "yes"
        seen.clear()
        emulator.drops = 1.0
        with pytest.raises(ConnectionFailedError):
            await client.get(emulator.ids[0])
        assert seen == ["outer", "inner"] * 3
        assert emulator.stats.requests == client.stats.requests == 4


async def test_a_closed_borrowed_session_is_reported(emulator: Emulator) -> None:
    session = aiohttp.ClientSession()
    await session.close()
    async with PhoneNumberClient(emulator.api_key, base_url=emulator.base_url, session=session) as client:
        with pytest.raises(ConfigurationError, match=r"session.*closed"):
            await client.get(emulator.ids[0])


# The key


@pytest.mark.parametrize("borrowed", [False, True], ids=["own session", "borrowed session"])
async def test_a_redirect_is_not_followed_and_gets_no_key(borrowed: bool, emulator: Emulator) -> None:
    async with Emulator(numbers=1, record=True) as target:
        emulator.redirects = 1.0
        emulator.redirect_location = f"{target.base_url}{PATH}{target.ids[0]}"
        session = aiohttp.ClientSession() if borrowed else None
        async with PhoneNumberClient(emulator.api_key, base_url=emulator.base_url, session=session) as client:
            with pytest.raises(StatusError) as caught:
                await client.get(emulator.ids[0])
            raw = await client.get_raw(emulator.ids[0])
        if session is not None:
            await session.close()
        assert target.requests == []
        assert target.stats.connections == 0
    assert type(caught.value) is StatusError
    assert caught.value.status == raw.status == 302
    assert target.base_url in caught.value.message
    assert emulator.stats.requests == 2


async def test_a_redirect_to_itself_is_one_request(emulator: Emulator, client: PhoneNumberClient) -> None:
    emulator.redirects = 1.0
    with pytest.raises(StatusError, match="HTTP 302"):
        await client.get(emulator.ids[0])
    assert emulator.stats.requests == 1


KEY = "sk_0123456789abcdef0123456789abcdef"


@asynccontextmanager
async def echoing_server() -> AsyncGenerator[str]:
    """Serve whatever status the id names, with the request's key in the body, a header, or both."""

    async def echo(request: web.BaseRequest) -> web.StreamResponse:
        status, where = request.path.rpartition("/")[2].split("-")
        key = request.headers["xi-api-key"]
        return web.Response(
            status=int(status),
            text=f'{{"detail": "bad key {key}"}}' if where in ("body", "both") else "{}",
            headers={"x-echo": key, "location": f"/?key={key}"} if where in ("header", "both") else {},
        )

    runner = web.ServerRunner(web.Server(echo))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 422, 429, 500])
@pytest.mark.parametrize("where", ["body", "header", "both"])
async def test_an_error_does_not_show_a_key_that_the_server_echoes(
    status: int, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with echoing_server() as base_url, PhoneNumberClient(KEY, base_url=base_url, retry=ONCE) as client:
        with pytest.raises((StatusError, DecodeError)) as caught:
            await client.get(f"{status}-{where}")
        raw = await client.get_raw(f"{status}-{where}")
    assert_key_not_shown(caught.value)
    assert KEY not in repr(raw)
    assert KEY not in caplog.text


def assert_key_not_shown(error: ElevenPhoneError) -> None:
    """Look for the key wherever an error may end up: its text, its state, a report with locals."""
    assert KEY not in f"{error} {error!r} {error.args} {vars(error)}"
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    for frame in report.stack:
        if frame.filename != __file__:
            assert KEY not in str(frame.locals), f"{frame.filename}:{frame.lineno}"
    for chained in (error.__cause__, error.__context__):
        assert chained is None or KEY not in "".join(
            traceback.TracebackException.from_exception(chained, capture_locals=True).format()
        )


@pytest.mark.parametrize("fault", ["drops", "resets", "truncated", "malformed", "html_errors", "slow_bodies"])
async def test_no_error_of_any_fault_shows_the_key(fault: str) -> None:
    timeout = 0.03 if fault == "slow_bodies" else 30.0
    async with (
        Emulator(numbers=1, api_key=KEY, slow_body_seconds=0.5) as emulator,
        PhoneNumberClient(KEY, base_url=emulator.base_url, retry=ONCE, timeout=timeout) as client,
    ):
        setattr(emulator, fault, 1.0)
        with pytest.raises(ElevenPhoneError) as caught:
            await client.get(emulator.ids[0])
    assert isinstance(caught.value, RequestTimeoutError) == (fault == "slow_bodies")
    assert_key_not_shown(caught.value)


async def test_the_error_of_a_refused_connection_names_the_host_and_not_the_key() -> None:
    async with Emulator(numbers=1, outage=True, outage_kind="refused") as emulator:
        host = emulator.base_url.removeprefix("http://")
        async with PhoneNumberClient(KEY, base_url=emulator.base_url, retry=AT_ONCE) as client:
            with pytest.raises(ConnectionFailedError, match=host) as caught:
                await client.get("phnum_1")
            assert client.stats.requests == 3
    assert_key_not_shown(caught.value)


# Faults of the wire


@pytest.mark.parametrize("fault", ["drops", "resets", "truncated"])
async def test_the_server_receives_each_counted_attempt_once(fault: str, emulator: Emulator) -> None:
    async with PhoneNumberClient(emulator.api_key, base_url=emulator.base_url, retry=AT_ONCE) as client:
        setattr(emulator, fault, 1.0)
        with pytest.raises(ConnectionFailedError):
            await client.get(emulator.ids[0])
        assert client.stats.requests == emulator.stats.requests == 3
        setattr(emulator, fault, 0.0)
        assert await client.get(emulator.ids[0]) == emulator.number(emulator.ids[0])


async def test_a_connection_closed_by_the_server_costs_no_attempt(emulator: Emulator) -> None:
    emulator.requests_per_connection = 1
    async with PhoneNumberClient(emulator.api_key, base_url=emulator.base_url, retry=ONCE) as client:
        for phone_number_id in emulator.ids:
            assert await client.get(phone_number_id) == emulator.number(phone_number_id)
        assert client.stats.retries == 0


async def test_a_dripping_body_ends_at_the_timeout(emulator: Emulator) -> None:
    emulator.slow_bodies = 1.0
    emulator.slow_body_seconds = 60.0
    async with PhoneNumberClient(
        emulator.api_key, base_url=emulator.base_url, retry=ONCE, timeout=0.03
    ) as client:
        with pytest.raises(RequestTimeoutError, match=r"0\.03 s"):
            await client.get(emulator.ids[0])


async def test_a_closed_client_leaves_no_task_and_no_connection(emulator: Emulator) -> None:
    before = asyncio.all_tasks()
    emulator.latency = 60.0
    async with PhoneNumberClient(emulator.api_key, base_url=emulator.base_url, concurrency=5) as client:
        lookups = [asyncio.ensure_future(client.get(phone_number_id)) for phone_number_id in emulator.ids[:5]]
        while emulator.stats.in_flight < 5:  # noqa: ASYNC110 - counts and signals nothing
            await asyncio.sleep(0.001)
        for lookup in lookups:
            lookup.cancel()
        ended = await asyncio.gather(*lookups, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ended)
        assert client.stats.in_flight == 0
    # What serves a request in the emulator ends with the emulator.
    left = {task for task in asyncio.all_tasks() - before if "RequestHandler" not in repr(task.get_coro())}
    assert left == set()
