"""The key, looked for in everything that can be seen, over every class of error."""

from __future__ import annotations

import asyncio
import copy
import gc
import io
import logging
import pickle
import ssl
import traceback
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import aiohttp
import pytest
from fault_helpers import KEY, ONCE, Serve, connect
from misbehaving_server import (
    Behaviour,
    MisbehavingServer,
    drip,
    end,
    envelope,
    found,
    head,
    in_turn,
    number,
    send,
    silence,
    whole,
)
from rich.console import Console
from rich.traceback import Traceback

from elevenphone import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    ElevenPhoneError,
    Failed,
    InvalidPhoneNumberIdError,
    NotFoundError,
    PermissionDeniedError,
    PhoneNumberClient,
    ProtocolError,
    RateLimitError,
    RequestTimeoutError,
    ResponseTooLargeError,
    RetryPolicy,
    ServerError,
    StatusError,
    TransportError,
    UnprocessableEntityError,
    errors,
)

_LONG = b"x" * 2_000_000


class Case(NamedTuple):
    """A way for a lookup to fail.

    Attributes:
        behaviour: What the server does.
        kind: What is raised.
        phone_number_id: What is asked for.
        timeout: Seconds for an attempt.
        deadline: Seconds for the lookup.
    """

    behaviour: Behaviour
    kind: type[ElevenPhoneError]
    phone_number_id: str = "phnum_1"
    timeout: float = 10.0
    deadline: float = 60.0


def _echo(status: int) -> Behaviour:
    """Answer with the key wherever a server can put it."""
    body = envelope(KEY, f"wrong key {KEY}")
    lines = [f"Request-Id: {KEY}", f"Location: /?key={KEY}", f"X-{KEY}: 1", f"Retry-After: {KEY}"]
    return send(whole(status, body, *lines))


CASES = {
    "reset": Case(end("reset"), ConnectionFailedError),
    "cut short": Case(
        send(head(200, "Content-Length: 500", f"X: {KEY}") + number(), "close"), ConnectionFailedError
    ),
    "timeout": Case(silence, RequestTimeoutError, timeout=0.02),
    "timeout in the body": Case(
        drip(whole(200, number(), f"X: {KEY}"), 0.001), RequestTimeoutError, timeout=0.03
    ),
    "deadline": Case(silence, DeadlineExceededError, deadline=0.02),
    "deadline after an error": Case(in_turn(_echo(500), silence), DeadlineExceededError, deadline=0.05),
    "garbage with the key": Case(send(f"{KEY} BANANA\r\n\r\n".encode(), "close"), ProtocolError),
    "a status line with the key": Case(send(f"HTTP/1.1 2000 {KEY}\r\n\r\n".encode(), "close"), ProtocolError),
    "a bad header with the key": Case(
        send(f"HTTP/1.1 200 OK\r\n{'X' * 80}{KEY}\x00: a\r\n\r\n".encode(), "close"), ProtocolError
    ),
    "compressed as the key": Case(send(whole(200, number(), f"Content-Encoding: {KEY}")), ProtocolError),
    "too large": Case(send(whole(200, _LONG, f"X: {KEY}")), ResponseTooLargeError),
    "too large and undelimited": Case(send(head(200, f"X: {KEY}") + _LONG, "close"), ResponseTooLargeError),
    "redirect": Case(_echo(302), StatusError),
    "401": Case(_echo(401), AuthenticationError),
    "403": Case(_echo(403), PermissionDeniedError),
    "404": Case(_echo(404), NotFoundError),
    "422": Case(_echo(422), UnprocessableEntityError),
    "422 with a list": Case(
        send(whole(422, f'{{"detail": [{{"loc": ["header"], "msg": "{KEY}", "type": "x"}}]}}'.encode())),
        UnprocessableEntityError,
    ),
    "429": Case(_echo(429), RateLimitError),
    "500": Case(_echo(500), ServerError),
    "200 that is no number": Case(_echo(200), DecodeError),
    "200 that is no JSON": Case(send(whole(200, KEY.encode())), DecodeError),
    "wrong type": Case(send(whole(200, number(label=[KEY]))), DecodeError),
    "an id that cannot be one": Case(found, InvalidPhoneNumberIdError, phone_number_id="a\nb"),
}


def test_every_class_of_error_is_provoked() -> None:
    provoked = {case.kind for case in CASES.values()} | {ConfigurationError}  # further below
    every = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ElevenPhoneError)
    }
    assert every - provoked == {ElevenPhoneError, TransportError}


@pytest.fixture(params=["own session", "borrowed session"])
async def session(
    request: pytest.FixtureRequest,
) -> AsyncIterator[aiohttp.ClientSession | None]:
    if request.param == "own session":
        yield None
    else:
        async with aiohttp.ClientSession() as borrowed:
            yield borrowed


@pytest.fixture(autouse=True)
def quiet_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Take down what any logger says at any level, and look through it."""
    caplog.set_level(logging.DEBUG)
    yield
    assert KEY not in caplog.text
    for record in caplog.records:
        assert KEY not in repr(vars(record))


def shown(error: BaseException) -> Iterator[str]:
    """List what an error looks like wherever it may end up."""
    yield f"{error} {error!r} {error.args!r} {vars(error)!r}"
    yield from traceback.TracebackException.from_exception(error, capture_locals=True).format()
    page = io.StringIO()
    report = Traceback.from_exception(
        type(error),
        error,
        error.__traceback__,
        show_locals=True,
        locals_max_length=1_000,
        locals_max_string=100_000,
        locals_hide_dunder=False,
        locals_hide_sunder=False,
    )
    Console(file=page, width=1_000).print(report)
    yield page.getvalue()
    if error.__traceback__ is not None:
        caught = pytest.ExceptionInfo[BaseException].from_exception(error)
        yield str(caught.getrepr(style="long", showlocals=True, truncate_locals=False))
    for chained in (error.__cause__, error.__context__):
        if chained is not None:
            yield from shown(chained)


def assert_key_not_shown(error: BaseException) -> None:
    for text in shown(error):
        assert KEY not in text
    if isinstance(error, ElevenPhoneError):
        assert KEY.encode() not in pickle.dumps(error)


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
async def test_no_error_shows_it(
    case: Case, session: aiohttp.ClientSession | None, serve_plain: Serve
) -> None:
    server = await serve_plain(case.behaviour)
    retry = RetryPolicy(attempts=2, wait_initial=0.0) if case.kind is DeadlineExceededError else ONCE
    async with connect(
        server, retry=retry, timeout=case.timeout, deadline=case.deadline, session=session
    ) as client:
        with pytest.raises(case.kind) as caught:
            await client.get(case.phone_number_id)
        assert type(caught.value) is case.kind
        assert_key_not_shown(caught.value)
        server.behaviour = case.behaviour
        (lookup,) = await client.gather([case.phone_number_id], deadline=0.05)
        assert isinstance(lookup, Failed)
        assert_key_not_shown(lookup.error)
        assert KEY not in repr((lookup, client, client.stats, vars(client)))
        assert KEY.encode() not in pickle.dumps(lookup)


@pytest.mark.parametrize("status", [200, 302, 404, 500])
async def test_no_raw_answer_shows_it(status: int, serve_plain: Serve) -> None:
    server = await serve_plain(_echo(status))
    async with connect(server, retry=ONCE) as client:
        assert KEY not in repr(await client.get_raw("phnum_1"))


async def test_no_failed_connection_shows_it(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], session: aiohttp.ClientSession | None
) -> None:
    async with (
        MisbehavingServer(found, tls[0]) as server,
        connect(server, retry=ONCE, session=session) as client,
    ):
        with pytest.raises(ConnectionFailedError, match="certificate") as distrusted:
            await client.get("phnum_1")
    assert_key_not_shown(distrusted.value)
    async with PhoneNumberClient(KEY, base_url="http://127.0.0.1:9", retry=ONCE, session=session) as client:
        with pytest.raises(ConnectionFailedError, match="could not connect") as refused:
            await client.get("phnum_1")
    assert_key_not_shown(refused.value)


async def test_no_misuse_shows_it(serve_plain: Serve) -> None:
    server = await serve_plain(found)
    client = connect(server)
    await client.aclose()
    with pytest.raises(ConfigurationError) as closed:
        await client.get("phnum_1")
    assert_key_not_shown(closed.value)

    session = aiohttp.ClientSession()
    await session.close()
    with pytest.raises(ConfigurationError) as session_closed:
        await connect(server, session=session).get("phnum_1")
    assert_key_not_shown(session_closed.value)

    with pytest.raises(ConfigurationError) as bad_key:
        PhoneNumberClient(f"{KEY}\n")
    assert_key_not_shown(bad_key.value)
    with pytest.raises(ConfigurationError) as bad_setting:
        PhoneNumberClient(KEY, timeout=-1.0)
    assert_key_not_shown(bad_setting.value)


@pytest.mark.parametrize("behaviour", [silence, drip(whole(200, number()), 0.01)], ids=["silence", "drip"])
async def test_no_cancellation_shows_it(
    behaviour: Behaviour, session: aiohttp.ClientSession | None, serve_plain: Serve
) -> None:
    server = await serve_plain(behaviour)
    async with connect(server, session=session) as client:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.03):
                await client.get("phnum_1")
        assert_key_not_shown(caught.value)
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.03):
                await client.gather(["phnum_1", "phnum_2"])
        assert_key_not_shown(caught.value)
        task = asyncio.ensure_future(client.get("phnum_1"))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        assert_key_not_shown(cancelled.value)


async def test_no_warning_about_a_client_left_open_shows_it(
    serve_plain: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve_plain(found)
    client = connect(server)
    await client.get("phnum_1")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        del client
        gc.collect()
    assert warned
    assert KEY not in "".join(str(warning) for warning in warned)
    assert "Unclosed" in caplog.text


async def test_a_loop_in_debug_mode_does_not_log_it(
    serve_plain: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0
    try:
        for behaviour in (found, _echo(404), end("reset")):
            server = await serve_plain(behaviour)
            async with connect(server, retry=ONCE) as client:
                await client.gather(["phnum_1"], deadline=0.05)
    finally:
        loop.set_debug(False)
    assert "Executing <" in caplog.text


@pytest.mark.parametrize("used", [False, True], ids=["unused", "used"])
async def test_no_client_is_pickled_or_copied_with_it(used: bool, serve_plain: Serve) -> None:
    server = await serve_plain(found)
    async with connect(server) as client:
        if used:
            await client.get("phnum_1")
        for duplicate in (pickle.dumps, copy.deepcopy):
            with pytest.raises(ConfigurationError, match="make one in each process") as caught:
                duplicate(client)
            assert_key_not_shown(caught.value)
