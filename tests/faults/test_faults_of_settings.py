"""Rows 57, 58 and 65: settings that cannot be, and streams that are used in a wrong way."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest
from fault_helpers import KEY, ids
from stub_transport import StubTransport
from virtual_client import good, use_client

from elevenphone import ConfigurationError, PhoneNumberClient, RetryPolicy
from elevenphone.emulator import Emulator

LARGER_THAN_A_FLOAT = 10**400
TOO_LONG_TO_PRINT = 10**5_000


def name_of(value: object) -> str:
    """Name a value for a test's id: not every value can be printed."""
    match value:
        case str():
            return value
        case int() if abs(value) >= LARGER_THAN_A_FLOAT:
            return f"{value.bit_length()} bits"
        case _:
            return type(value).__name__


# Row 57


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_row_57_a_session_made_in_another_loop(loop: str, emulator: Emulator) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop", reason="needs uvloop: pip install 'elevenphone[speed]'")
    script = Path(__file__).with_name("borrowed_in_another_loop.py")
    arguments = (loop, emulator.base_url, emulator.api_key, emulator.ids[0])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", str(script), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert output.decode().startswith("ConfigurationError: ")
    assert b"loop" in output
    assert emulator.stats.requests == 0


# Row 58

client_with = cast("Callable[..., PhoneNumberClient]", PhoneNumberClient)
policy_with = cast("Callable[..., RetryPolicy]", RetryPolicy)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("retry", None),
        pytest.param("retry", 3),
        pytest.param("transport", 3),
        pytest.param("transport", object()),
        ("timeout", LARGER_THAN_A_FLOAT),
        ("timeout", TOO_LONG_TO_PRINT),
        ("deadline", LARGER_THAN_A_FLOAT),
        ("rate", LARGER_THAN_A_FLOAT),
        ("concurrency", LARGER_THAN_A_FLOAT),
        ("concurrency", TOO_LONG_TO_PRINT),
        ("concurrency", -TOO_LONG_TO_PRINT),
        ("base_url", "https://gateway.example\\path"),
        ("base_url", "https:\\\\gateway.example"),
        ("base_url", "https://gateway.example\\@elsewhere.example"),
        ("region", TOO_LONG_TO_PRINT),
    ],
    ids=name_of,
)
def test_row_58_a_setting_that_cannot_be_is_refused_when_the_client_is_made(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        client_with(KEY, **{name: value})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["wait_initial", "wait_max", "retry_after_max"])
@pytest.mark.parametrize("value", [LARGER_THAN_A_FLOAT, TOO_LONG_TO_PRINT, -TOO_LONG_TO_PRINT], ids=name_of)
def test_row_58_a_policy_that_cannot_be_is_refused_when_it_is_made(name: str, value: int) -> None:
    with pytest.raises(ConfigurationError, match=name):
        policy_with(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", LARGER_THAN_A_FLOAT),
        ("timeout", TOO_LONG_TO_PRINT),
        ("deadline", LARGER_THAN_A_FLOAT),
        pytest.param("retry", None),
        pytest.param("retry", 3),
    ],
    ids=name_of,
)
def test_row_58_a_setting_of_one_call_that_cannot_be_is_refused_and_leaves_nothing(
    name: str, value: object
) -> None:
    async def use(client: PhoneNumberClient) -> None:
        for method in (client.get, client.get_raw):
            look_up = cast("Callable[..., Awaitable[object]]", method)
            with pytest.raises(ConfigurationError, match=name):
                await look_up("phnum_1", **{name: value})
        assert client.stats.in_flight == client.stats.requests == 0
        assert (await client.get("phnum_1")).phone_number_id == "phnum_1"

    use_client(good, use, concurrency=1)


@pytest.mark.parametrize("deadline", [LARGER_THAN_A_FLOAT, TOO_LONG_TO_PRINT, 0, -1.0], ids=name_of)
def test_row_58_a_deadline_of_a_run_that_cannot_be_is_refused(deadline: float) -> None:
    async def use(client: PhoneNumberClient) -> None:
        with pytest.raises(ConfigurationError, match="deadline"):
            await client.gather(ids(3), deadline=deadline)
        with pytest.raises(ConfigurationError, match="deadline"):
            client.stream(ids(3), deadline=deadline)

    transport = StubTransport([])
    use_client(transport, use)
    assert transport.requests == 0


# Row 65


def test_row_65_a_stream_that_is_entered_again_after_its_end() -> None:
    async def use(client: PhoneNumberClient) -> None:
        stream = client.stream(ids(10))
        async with stream as lookups:
            assert len([lookup async for lookup in lookups]) == 10
        with pytest.raises(RuntimeError, match="entered"):
            await stream.__aenter__()

    use_client(good, use)


def test_row_65_a_stream_that_is_entered_twice() -> None:
    async def use(client: PhoneNumberClient) -> None:
        stream = client.stream(ids(10))
        async with stream as lookups:
            with pytest.raises(RuntimeError, match="entered"):
                await stream.__aenter__()
            assert len([lookup async for lookup in lookups]) == 10

    use_client(good, use)


@pytest.mark.parametrize("count", [pytest.param(0), pytest.param(3)])
def test_row_65_a_stream_that_is_read_after_its_block(count: int) -> None:
    async def use(client: PhoneNumberClient) -> None:
        async with client.stream(ids(10)) as lookups:
            for _ in range(count):
                await anext(lookups)
        with pytest.raises(RuntimeError, match="left"):
            await anext(lookups)

    use_client(good, use)


def test_row_65_a_stream_that_is_read_before_it_is_entered() -> None:
    async def use(client: PhoneNumberClient) -> None:
        with pytest.raises(RuntimeError, match="enter"):
            await anext(client.stream(ids(10)))

    use_client(good, use)
