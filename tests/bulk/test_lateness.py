"""A late event loop is not mistaken for a queue at the server."""

from __future__ import annotations

import asyncio

import pytest
import virtual_time
from simulated_server import SimulatedServer

from elevenphone import PhoneNumberClient
from elevenphone._limits.concurrency import ConcurrencyLimit


@pytest.fixture
def lateness(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    noted: list[float] = []

    def note(_limit: ConcurrencyLimit, seconds: float, _now: float) -> None:
        noted.append(seconds)

    monkeypatch.setattr(ConcurrencyLimit, "loop_late", note)
    return noted


def block(seconds: float) -> None:
    """Let time pass while the event loop is blocked."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, virtual_time.VirtualTimeLoop)
    loop.advance(seconds)


async def look_up(seconds: float, blocked_for: float = 0.0) -> None:
    server = SimulatedServer(latency=lambda _chance: seconds)
    async with PhoneNumberClient(transport=server.connect()) as client:
        lookup = asyncio.create_task(client.get("phnum_1"))
        await asyncio.sleep(seconds / 4)
        block(blocked_for)
        await lookup


def test_lateness_is_measured_while_a_request_is_in_flight(lateness: list[float]) -> None:
    virtual_time.run(look_up(0.4, blocked_for=0.2))
    assert max(lateness) == pytest.approx(0.15, abs=0.06)


def test_an_idle_process_is_never_late(lateness: list[float]) -> None:
    virtual_time.run(look_up(0.4))
    assert lateness == pytest.approx([0.0] * 8, abs=1e-6)


def test_lateness_is_not_measured_without_a_request_in_flight(lateness: list[float]) -> None:
    async def main() -> int:
        async with PhoneNumberClient(transport=SimulatedServer().connect()) as client:
            await client.get("phnum_1")
            await asyncio.sleep(1)
            before = len(lateness)
            await asyncio.sleep(60)
            return len(lateness) - before

    assert virtual_time.run(main()) == 0


def test_stats_report_the_queue_at_the_server_and_that_it_bounds_the_limit() -> None:
    async def main() -> tuple[bool, float]:
        server = SimulatedServer(limit=5, queue=None)
        async with PhoneNumberClient(transport=server.connect()) as client:
            assert (client.stats.waiting_at_server, client.stats.held_by_queue) == (0.0, False)
            most = 0.0
            async with client.stream(f"phnum_{number}" for number in range(2_000)) as run:
                async for _ in run:
                    most = max(most, client.stats.waiting_at_server)
            return client.stats.held_by_queue, most

    held, most = virtual_time.run(main())
    assert held
    assert 1 <= most <= 20
