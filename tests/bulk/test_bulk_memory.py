"""The memory of a stream does not grow with the length of its input.

The test streams 50,000 ids in either order, which shows a growth of 200 bytes an
id; set ELEVENPHONE_STREAM_IDS=1000000 for a million.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from simulated_server import number_of

from elevenphone import PhoneNumberClient, Response

IDS = int(os.environ.get("ELEVENPHONE_STREAM_IDS", "50000"))
MIB = 1 << 20
SETTLED_AFTER = 10_000


class Instant:
    """A transport that answers at once."""

    def __init__(self) -> None:
        self.requests = self.connections_opened = 0

    async def send(self, url: str) -> Response:
        self.requests += 1
        if self.requests % 100 == 0:
            await asyncio.sleep(0)
        return number_of(url.rpartition("/")[2])

    async def aclose(self) -> None:
        pass


def peak_memory() -> int:
    """Return the peak memory of this process, in bytes."""
    import resource  # noqa: PLC0415 - not on Windows, where the test is left out

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


async def growth(count: int, *, ordered: bool) -> int:
    """Stream this many ids, and return by how much the peak grew after the first of them."""
    async with PhoneNumberClient(transport=Instant()) as client:
        settled = seen = 0
        async with client.stream(_source(count), ordered=ordered) as lookups:
            async for lookup in lookups:
                assert lookup.result().phone_number_id == lookup.phone_number_id
                seen += 1
                if seen == SETTLED_AFTER:
                    settled = peak_memory()
        assert seen == count
        return peak_memory() - settled


async def _source(count: int) -> AsyncGenerator[str]:
    for n in range(count):
        yield f"phnum_{n}"


@pytest.mark.skipif(sys.platform == "win32", reason="no peak of memory to read")
@pytest.mark.parametrize("ordered", [False, True])
def test_the_memory_of_a_stream_does_not_grow_with_its_length(ordered: bool) -> None:
    # In a separate process, whose peak is that of this run alone.
    done = subprocess.run(  # noqa: S603 - this very file
        [sys.executable, __file__, str(IDS), str(ordered)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[:2]))},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 10 * MIB


if __name__ == "__main__":
    sys.stdout.write(str(asyncio.run(growth(int(sys.argv[1]), ordered=sys.argv[2] == "True"))))
