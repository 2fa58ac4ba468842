from __future__ import annotations

import asyncio
import json
from pathlib import Path
from random import Random

import pytest
from emulator_helpers import ask, client, statuses, until_in_flight

from elevenphone.emulator import Emulator, Latency

CAPTURED = Path(__file__).parents[1] / "payloads" / "errors"


async def test_more_in_flight_than_allowed_are_refused_at_once() -> None:
    async with Emulator(20, latency=30.0, concurrency_limit=5, record=True) as emulator:
        served = [asyncio.create_task(ask(emulator, i)) for i in emulator.ids[:5]]
        await until_in_flight(emulator, 5)
        reply = await ask(emulator, emulator.ids[5])
        envelope = json.loads(
            (CAPTURED / "429_too_many_concurrent_requests.json").read_text(encoding="utf-8")
        )
        assert (reply.status, reply.document) == (429, envelope)
        assert not any(task.done() for task in served)
        stats = emulator.stats
        assert (stats.throttled, stats.in_flight, stats.peak_in_flight) == (1, 5, 5)
        for task in served:
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)


async def test_the_concurrency_limit_can_be_changed_while_it_runs() -> None:
    async with Emulator(3, concurrency_limit=0) as emulator:
        assert (await ask(emulator, emulator.ids[0])).status == 429
        emulator.concurrency_limit = 7
        emulator.concurrency_hint = True
        reply = await ask(emulator, emulator.ids[0])
        assert reply.status == 200
        assert reply.headers["current-concurrent-requests"] == "1"
        assert reply.headers["maximum-concurrent-requests"] == "7"
        emulator.concurrency_limit = None
        assert "maximum-concurrent-requests" not in (await ask(emulator, emulator.ids[0])).headers


async def test_the_rate_limit() -> None:
    async with Emulator(5, rate_limit=0.001, rate_burst=3) as emulator:
        assert await statuses(emulator, 5) == [200, 200, 200, 429, 429]
        reply = await ask(emulator, emulator.ids[0])
        detail = reply.detail
        newer = json.loads((CAPTURED / "400_docs_new_envelope.json").read_text(encoding="utf-8"))["detail"]
        assert detail.keys() == newer.keys()
        assert (detail["code"], detail["status"]) == ("rate_limit_exceeded", "rate_limit_exceeded")
        assert detail["request_id"] == reply.headers["request-id"]
        emulator.rate_limit = 1e9
        assert await statuses(emulator, 5) == [200] * 5


async def test_the_burst_is_a_tenth_of_a_second_by_default() -> None:
    async with Emulator(3, rate_limit=0.001) as emulator:
        assert await statuses(emulator, 3) == [200, 429, 429]


async def test_the_quota() -> None:
    async with Emulator(4, quota=2) as emulator:
        assert await statuses(emulator, 4) == [200, 200, 401, 401]
        assert (await ask(emulator, emulator.ids[0])).code == "quota_exceeded"
        assert emulator.stats.unauthorized == 3


async def test_a_busy_system() -> None:
    async with Emulator(1, busy=1.0, latency=30.0) as emulator:
        reply = await ask(emulator, emulator.ids[0])
        assert (reply.status, reply.code) == (429, "system_busy")
        assert "retry-after" not in reply.headers


@pytest.mark.parametrize("fault", ["busy", "server_errors"])
async def test_retry_after(fault: str) -> None:
    async with Emulator(1, retry_after=2, retry_after_ms=12.5) as emulator:
        setattr(emulator, fault, 1.0)
        reply = await ask(emulator, emulator.ids[0])
        assert (reply.headers["retry-after"], reply.headers["retry-after-ms"]) == ("2", "12.5")
        emulator.retry_after = "Fri, 31 Dec 1999 23:59:59 GMT"
        assert (await ask(emulator, emulator.ids[0])).headers["retry-after"] == emulator.retry_after
        setattr(emulator, fault, 0.0)
        assert "retry-after" not in (await ask(emulator, emulator.ids[0])).headers


@pytest.mark.parametrize(
    "latency",
    [0.001, Latency.constant(0.001), Latency.uniform(0.0, 0.002), Latency.lognormal(0.0005, 0.5)],
)
async def test_latency(latency: float | Latency) -> None:
    async with Emulator(3, latency=latency) as emulator, client(emulator) as session:
        assert (await ask(emulator, emulator.ids[0], session=session)).status == 200


def test_latencies_follow_their_distribution() -> None:
    random = Random(0)
    assert Latency.constant(0.5).sample(random) == 0.5
    uniform = sorted(Latency.uniform(0.2, 0.4).sample(random) for _ in range(1_000))
    assert 0.2 <= uniform[0] < 0.22 < 0.38 < uniform[-1] <= 0.4
    lognormal = sorted(Latency.lognormal(0.1, 0.5).sample(random) for _ in range(5_000))
    assert lognormal[2_500] == pytest.approx(0.1, rel=0.05)
    assert lognormal[4_950] == pytest.approx(0.32, rel=0.15)


def test_latencies_show_what_they_are() -> None:
    assert repr(Latency.constant(0.5)) == "Latency.constant(0.5)"
    assert repr(Latency.uniform(0.1, 0.5)) == "Latency.uniform(0.1, 0.5)"
    assert repr(Latency.lognormal(0.1, 0.5)) == "Latency.lognormal(0.1, 0.5)"


def test_latencies_out_of_range() -> None:
    with pytest.raises(ValueError, match="seconds"):
        Latency.constant(-1)
    with pytest.raises(ValueError, match="high"):
        Latency.uniform(2, 1)
    with pytest.raises(ValueError, match="median"):
        Latency.lognormal(float("nan"), 1)


@pytest.mark.parametrize(
    "name", ["busy", "server_errors", "drops", "resets", "truncated", "slow_bodies", "malformed"]
)
def test_probabilities_are_checked_then_and_later(name: str) -> None:
    emulator = Emulator(1)
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=f"{name} must be a probability"):
            setattr(emulator, name, value)
    assert getattr(emulator, name) == 0.0
    with pytest.raises(ValueError, match="drops must be a probability"):
        Emulator(1, drops=2.0)


def test_probabilities_add_up_to_one_at_most() -> None:
    emulator = Emulator(1, drops=0.1, resets=0.2, malformed=0.7)
    with pytest.raises(ValueError, match="add up"):
        emulator.redirects = 0.1


def test_settings_out_of_range() -> None:
    with pytest.raises(ValueError, match="numbers"):
        Emulator(0)
    with pytest.raises(ValueError, match="latency"):
        Emulator(1, latency=-1.0)
    with pytest.raises(ValueError, match="rate_limit"):
        Emulator(1, rate_limit=0.0)
    with pytest.raises(ValueError, match="concurrency_limit"):
        Emulator(1, concurrency_limit=-1)
    with pytest.raises(ValueError, match="server_error_status"):
        Emulator(1, server_error_status=404)
    with pytest.raises(ValueError, match="requests_per_connection"):
        Emulator(1, requests_per_connection=0)
