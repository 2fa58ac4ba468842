"""Ids that a client asks for again: they were found before, so their failures say much about the server."""

from __future__ import annotations

import asyncio

import pytest
import virtual_time
from simulated_server import number_of
from stub_transport import After, Hang, Step, StubTransport, refused

from elevenphone import ConnectionFailedError, Failed, Found, Lookup, PhoneNumberClient

LATENCY = 0.06
FAULTS: dict[str, Step] = {
    "503": After(LATENCY, refused(503)),
    "broken connection": After(LATENCY, ConnectionFailedError("reset")),
    "silence": Hang(),
}


def ids(count: int) -> list[str]:
    return [f"phnum_{n}" for n in range(count)]


def now() -> float:
    return asyncio.get_running_loop().time() - virtual_time.START


def gather_twice(transport: StubTransport, count: int, *, pause: float) -> tuple[list[Lookup], float]:
    """Look up the same ids twice; return the lookups of the second time, and how long they took."""

    async def main() -> tuple[list[Lookup], float]:
        async with PhoneNumberClient(transport=transport, timeout=2.0) as client:
            assert all(isinstance(lookup, Found) for lookup in await client.gather(ids(count)))
            await asyncio.sleep(pause - now())
            lookups = await client.gather(ids(count))
            return lookups, now() - pause

    return virtual_time.run(main())


@pytest.mark.parametrize("pause", [5.0, 100.0])
@pytest.mark.parametrize("count", [1, 2, 5, 40])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_id_is_lost_in_an_outage(fault: str, count: int, pause: float) -> None:
    def serve(url: str) -> Step:
        is_away = pause <= now() < pause + 20.0
        return FAULTS[fault] if is_away else After(LATENCY, number_of(url.rpartition("/")[2]))

    lookups, seconds = gather_twice(StubTransport(serve), count, pause=pause)
    assert [lookup for lookup in lookups if isinstance(lookup, Failed)] == []
    assert seconds < 25.0


@pytest.mark.parametrize("fault", FAULTS)
def test_one_that_begins_to_fail_has_its_attempts_and_no_more(fault: str) -> None:
    def serve(url: str) -> Step:
        fails = now() >= 5.0 and url.endswith("/phnum_1")
        return FAULTS[fault] if fails else After(LATENCY, number_of(url.rpartition("/")[2]))

    lookups, _ = gather_twice(StubTransport(serve), 3, pause=5.0)
    (failed,) = [lookup for lookup in lookups if isinstance(lookup, Failed)]
    assert (failed.index, failed.attempts) == (1, 3)


def test_one_that_begins_to_fail_when_nothing_else_is_asked_for_is_tried_until_its_deadline() -> None:
    """Nobody can tell this from an outage."""

    def serve(url: str) -> Step:
        return FAULTS["503"] if now() >= 5.0 else After(LATENCY, number_of(url.rpartition("/")[2]))

    transport = StubTransport(serve)
    (lookup,), seconds = gather_twice(transport, 1, pause=5.0)
    assert isinstance(lookup, Failed)
    assert seconds == pytest.approx(300.0, rel=0.1)
    assert transport.requests < 2 * 300
