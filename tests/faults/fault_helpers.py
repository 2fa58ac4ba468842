"""What the tests of faults share."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import aiohttp
import pytest
from misbehaving_server import Behaviour, MisbehavingServer

from elevenphone import PhoneNumberClient, RetryPolicy

KEY = "sk_0f1e2d3c4b5a69788796a5b4c3d2e1f0"
AT_ONCE = RetryPolicy(wait_initial=0.0)
ONCE = RetryPolicy.none()

Serve: TypeAlias = Callable[[Behaviour], Awaitable[MisbehavingServer]]

_PATIENCE = 2_000
_MOMENT = 0.001


def connect(
    server: MisbehavingServer,
    *,
    retry: RetryPolicy = AT_ONCE,
    timeout: float = 10.0,
    deadline: float | None = 60.0,
    concurrency: int | None = None,
    session: aiohttp.ClientSession | None = None,
) -> PhoneNumberClient:
    """Make a client of a server, which does not wait before it tries again."""
    return PhoneNumberClient(
        KEY,
        base_url=server.base_url,
        retry=retry,
        timeout=timeout,
        deadline=deadline,
        concurrency=concurrency,
        session=session,
    )


def trust(context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a context that of all clients, whatever form of HTTP they use."""
    # aiohttp loads the system's authorities when it is imported.
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", context)
    if importlib.util.find_spec("httptools"):
        monkeypatch.setattr("elevenphone._http.httptools_form.connecting.tls_context", lambda: context)


def ids(count: int) -> list[str]:
    return [f"phnum_{number}" for number in range(count)]


def descriptors() -> int:
    """Count what this process has open: files, sockets, pipes."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


async def until(holds: Callable[[], bool], what: str, patience: int = _PATIENCE) -> None:
    """Wait for what comes by itself within moments, such as the end of a closed socket."""
    for _ in range(patience):
        if holds():
            return
        await asyncio.sleep(_MOMENT)
    raise AssertionError(f"in vain waited for {what}")


def in_uvloop() -> bool:
    """Say whether the running event loop is uvloop's."""
    return type(asyncio.get_running_loop()).__module__.startswith("uvloop")


@asynccontextmanager
async def nothing_left_behind() -> AsyncGenerator[None]:
    """Check that a block leaves no task, no descriptor and no unclosed resource.

    The garbage collection makes unclosed resources warn, which fails a test.
    """
    tasks: set[asyncio.Task[object] | None] = set(asyncio.all_tasks())
    if in_uvloop():
        # libuv opens a spare descriptor with a loop's first server, and keeps it.
        async with await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0):
            pass
        await asyncio.sleep(0)
    before = descriptors()
    yield
    gc.collect()
    tasks.add(asyncio.current_task())  # a fixture is left in another task than it is entered in
    await until(lambda: asyncio.all_tasks() <= tasks, "the end of all tasks")
    await until(lambda: descriptors() <= before, f"no more than {before} open descriptors")
