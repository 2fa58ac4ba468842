"""An emulator beside tests that block their own thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from elevenphone.emulator import Emulator


@contextmanager
def emulator_in_thread(monkeypatch: pytest.MonkeyPatch, numbers: int = 100) -> Generator[Emulator]:
    """Run an emulator in a separate thread, and point the environment at it."""
    emulator = Emulator(numbers)
    started: Future[Callable[[], object]] = Future()

    async def serve() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with emulator:
            started.set_result(lambda: loop.call_soon_threadsafe(ended.set))
            await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    end = started.result()
    monkeypatch.setenv("ELEVENLABS_API_KEY", emulator.api_key)
    monkeypatch.setenv("ELEVENLABS_BASE_URL", emulator.base_url)
    try:
        yield emulator
    finally:
        end()
        thread.join()
