"""Options and fixtures of all tests."""

from __future__ import annotations

import asyncio
import inspect
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Generator
from types import SimpleNamespace

import aiohttp
import pytest
from hypothesis import settings

from elevenphone import PhoneNumberClient
from elevenphone._http import selection
from elevenphone.emulator import Emulator

settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# A background process of a shell ignores Ctrl-C, and so would every command that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of tests/worlds."""
    group = parser.getgroup("worlds", "tests/worlds: the client in worlds drawn from seeds")
    group.addoption("--worlds", type=int, default=1_000, help="how many worlds are played; default 1,000")
    group.addoption("--world-seed", type=int, help="play this world alone, and show what happens in it")
    group = parser.getgroup("event loop")
    group.addoption(
        "--event-loop",
        choices=["asyncio", "uvloop"],
        default="asyncio",
        help="the event loop of all tests that have no loop of their own; default asyncio",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Run the tests in the event loop of the option."""
    if config.getoption("event_loop") == "uvloop":
        config.pluginmanager.register(_InUvloop())


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Start one worker more than there are processors: many tests wait for a server or a command."""
    return (yield) + 1


class _InUvloop:
    """A plugin that makes pytest-asyncio use uvloop."""

    def pytest_asyncio_loop_factories(self) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
        import uvloop  # noqa: PLC0415 - an extra

        return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(numbers=50) as started:
        yield started


@pytest.fixture(params=["httptools", "aiohttp"])
def http(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with and without the extra `speed`: over each form of HTTP that a client may use.

    A session that a test gives to a client is used in both.
    """
    form: str = request.param
    if form == "aiohttp":
        monkeypatch.setattr(selection, "missing_packages", lambda: ["httptools"])
    elif selection.missing_packages():
        pytest.skip("httptools is not installed: pip install 'elevenphone[speed]'")
    return form


@pytest.fixture
async def client(emulator: Emulator, http: str) -> AsyncIterator[PhoneNumberClient]:  # noqa: ARG001
    async with PhoneNumberClient(emulator.api_key, base_url=emulator.base_url) as opened:
        yield opened


class _MockableClientResponse(aiohttp.ClientResponse):
    """A response that can be made without `stream_writer`, as aioresponses 0.7 does."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.setdefault("stream_writer", SimpleNamespace(output_size=0))
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.fixture(autouse=True)
def seed_random() -> None:
    """Draw the same jitter in each run of the tests."""
    random.seed(0)


@pytest.fixture(autouse=True)
def repair_aioresponses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let aioresponses work with aiohttp 3.14 and later (its issue 289)."""
    if "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters:
        monkeypatch.setattr("aioresponses.core.ClientResponse", _MockableClientResponse)
