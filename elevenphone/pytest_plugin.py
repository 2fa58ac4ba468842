"""Two pytest fixtures, for tests of code that uses this library.

pytest loads this module in every run if the package is installed. So it imports only
pytest until a test uses a fixture, and works without other plugins.
`elevenphone_client` is asynchronous: it needs a plugin that runs asynchronous
fixtures, such as pytest-asyncio or anyio. `elevenphone_emulator` needs none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import asyncio
    from threading import Thread

    from elevenphone.client import PhoneNumberClient
    from elevenphone.emulator import Emulator

_NUMBERS = 100
# In seconds. A service should wait longer before a retry, but a test should be quick.
_LONGEST_WAIT = 0.01


@pytest.fixture
def elevenphone_emulator() -> Iterator[Emulator]:
    """An emulator of the API with 100 numbers, started for one test.

    It runs in its own thread. So it works with every event loop, and also while a test
    blocks or waits for another process. A test may change its settings at any time; a
    change has taken effect before the next line of the test runs. The emulator keeps its
    requests in `requests`.

    Yields:
        The emulator.
    """
    import asyncio  # noqa: PLC0415 - most runs of pytest use no fixture of this module
    from threading import Thread  # noqa: PLC0415 - as above

    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="elevenphone emulator", daemon=True)
    emulator = _emulator_in(loop, thread)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(emulator.start(), loop).result()
        yield emulator
        asyncio.run_coroutine_threadsafe(emulator.aclose(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _emulator_in(loop: asyncio.AbstractEventLoop, thread: Thread) -> Emulator:
    import asyncio  # noqa: PLC0415 - as above
    from threading import current_thread  # noqa: PLC0415 - as above

    from elevenphone.emulator import Emulator  # noqa: PLC0415 - as above

    class EmulatorInThread(Emulator):
        """An emulator whose settings may be changed from any thread."""

        def __setattr__(self, name: str, value: object) -> None:
            if current_thread() is thread or not loop.is_running():
                super().__setattr__(name, value)
            else:
                asyncio.run_coroutine_threadsafe(self._set(name, value), loop).result()

        async def _set(self, name: str, value: object) -> None:
            super().__setattr__(name, value)

    return EmulatorInThread(numbers=_NUMBERS, record=True)


async def _client(elevenphone_emulator: Emulator) -> AsyncIterator[PhoneNumberClient]:
    """A client for the emulator of this test, which waits at most 10 ms before a retry.

    Yields:
        The client. It is closed after the test.
    """
    from elevenphone.client import PhoneNumberClient  # noqa: PLC0415 - as above
    from elevenphone.retry import RetryPolicy  # noqa: PLC0415

    async with PhoneNumberClient(
        elevenphone_emulator.api_key,
        base_url=elevenphone_emulator.base_url,
        retry=RetryPolicy(wait_initial=_LONGEST_WAIT, wait_max=_LONGEST_WAIT),
    ) as client:
        yield client


def pytest_configure(config: pytest.Config) -> None:
    """Make `elevenphone_client` a fixture of the plugin that runs asynchronous fixtures."""
    fixtures = ModuleType("elevenphone_fixtures")
    vars(fixtures)["elevenphone_client"] = _client_fixture(config)
    config.pluginmanager.register(fixtures, "elevenphone_fixtures")


def _client_fixture(config: pytest.Config) -> object:
    if not config.pluginmanager.hasplugin("asyncio"):
        return pytest.fixture(_client, name="elevenphone_client")
    # In its strict mode, pytest-asyncio only runs fixtures that are made with its own decorator.
    import pytest_asyncio  # noqa: PLC0415 - it may not be installed

    try:
        # The loop in which tests run: a client has to be closed in the loop of its connections.
        loop_scope = config.getini("asyncio_default_test_loop_scope")
    except (KeyError, ValueError):  # an older pytest-asyncio
        return pytest_asyncio.fixture(_client, name="elevenphone_client")
    return pytest_asyncio.fixture(_client, name="elevenphone_client", loop_scope=loop_scope)
