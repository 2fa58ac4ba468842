"""The key, looked for in everything that can be seen, over every class of error."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import importlib
import logging
import pickle
import pkgutil
import ssl
import traceback
import warnings
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from fault_helpers import KEY, ONCE, Serve, connect
from misbehaving_server import Behaviour, MisbehavingServer, drip, end, found, number, silence, whole
from provoked_errors import CASES, Case, echo
from rich.traceback import Traceback

import elevenphone
from elevenphone import (
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    ElevenPhoneError,
    Failed,
    FaultyElementError,
    PhoneNumberClient,
    RetryPolicy,
    TransportError,
)

# What is raised by a misuse, or without a server; provoked further below.
ELSEWHERE = {ConfigurationError, TransportError}


def classes(kind: type[ElevenPhoneError]) -> Iterator[type[ElevenPhoneError]]:
    """List a class and all below it, of whatever module of the package."""
    if kind.__module__.partition(".")[0] == "elevenphone":
        yield kind
    for below in kind.__subclasses__():
        yield from classes(below)


def test_every_class_of_error_is_provoked() -> None:
    for module in pkgutil.walk_packages(elevenphone.__path__, "elevenphone."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(Exception):  # of an extra that is not installed
                importlib.import_module(module.name)
    every = set(classes(ElevenPhoneError))
    provoked = {case.kind for case in CASES.values()} | ELSEWHERE
    # The root is never raised itself, and a faulty element is a listing's.
    assert every - provoked == {ElevenPhoneError, FaultyElementError}
    assert provoked <= every


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


def shown(error: BaseException, *, in_a_report: bool = False) -> Iterator[str]:
    """List what an error looks like wherever it may end up, and so with those that led to it."""
    yield f"{error} {error!r} {error.args!r} {vars(error)!r}"
    if not in_a_report:
        yield from reports(error)
    follows = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for chained in (error.__cause__, error.__context__):
        if chained is not None:
            yield from shown(chained, in_a_report=chained is follows)


def reports(error: BaseException) -> Iterator[str]:
    """List the reports about an error, with all values; each goes on to the error that it follows."""
    yield from traceback.TracebackException.from_exception(error, capture_locals=True).format()
    # What Rich writes into its report. The layout, which shows nothing else, would take most of the time.
    trace = Traceback.extract(
        type(error),
        error,
        error.__traceback__,
        show_locals=True,
        locals_max_length=1_000,
        locals_max_string=100_000,
        locals_hide_dunder=False,
        locals_hide_sunder=False,
    )
    for stack in trace.stacks:
        yield f"{stack.exc_type}: {stack.exc_value}"
        for frame in stack.frames:
            for name, value in (frame.locals or {}).items():
                yield f"{frame.name}: {name} = {value.render(max_width=1_000)}"
    if error.__traceback__ is not None:
        caught = pytest.ExceptionInfo[BaseException].from_exception(error)
        yield str(caught.getrepr(style="long", showlocals=True, truncate_locals=False))


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
    server = await serve_plain(echo(status))
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
    async with PhoneNumberClient(KEY, base_url="https://a..b", retry=ONCE, session=session) as client:
        with pytest.raises(TransportError, match="not the name of a host") as no_name:
            await client.get("phnum_1")
    assert type(no_name.value) is TransportError
    assert_key_not_shown(no_name.value)


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
        shown = "".join(f"{warning} {warning.source!r}" for warning in warned)
        warned.clear()  # what they warn of ends now, and may warn in turn
        gc.collect()
    assert "Unclosed" in shown
    assert KEY not in shown
    assert KEY not in caplog.text


async def test_a_loop_in_debug_mode_does_not_log_it(
    serve_plain: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0
    try:
        for behaviour in (found, echo(404), end("reset")):
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
