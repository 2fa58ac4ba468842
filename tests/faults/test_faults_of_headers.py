"""Rows 55, 56, 64, 66 and 67: headers, endings and openings of a connection that nobody expects."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from commands import ONCE_FOR_COMMANDS, run
from early_server import EarlyServer
from fault_helpers import AT_ONCE, KEY, ONCE, Serve, connect, ids
from misbehaving_server import Wire, envelope, head, number, send, whole
from virtual_client import id_of, use_client

from elevenphone import (
    ConnectionFailedError,
    Failed,
    Found,
    NotFoundError,
    PhoneNumberClient,
    ProtocolError,
    Response,
    StatusError,
    TransportError,
)

# Row 55

NOT_UTF_8 = b"req_\xff\xfe_1"


def refusal(header: str) -> bytes:
    """Make a 404 with bytes in a header that are not UTF-8."""
    answer = whole(404, envelope("phone_number_not_found"), f"{header}: ID")
    return answer.replace(b"ID", NOT_UTF_8)


@pytest.mark.parametrize("header", ["request-id", "x-trace-id"])
async def test_row_55_bytes_in_a_header_that_are_not_utf_8_are_escaped_in_the_error(
    header: str, serve: Serve
) -> None:
    server = await serve(send(refusal(header)))
    async with connect(server) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.get("phnum_1")
        assert caught.value.request_id == "req_\\xff\\xfe_1"
        assert "req_\\xff" in str(caught.value).encode().decode()
        raw = await client.get_raw("phnum_1")
        assert raw.request_id == "req_\\xff\\xfe_1"


@pytest.mark.parametrize("header", ["request-id", "x-trace-id"])
@ONCE_FOR_COMMANDS
async def test_row_55_they_are_escaped_in_what_the_command_prints_and_writes(
    header: str, tmp_path: Path, serve_plain: Serve
) -> None:
    pytest.importorskip("click", reason="the command needs it: pip install 'elevenphone[cli]'")
    server = await serve_plain(send(refusal(header)))
    shown = await run(server.base_url, tmp_path, "get", "phnum_1", "--json")
    assert shown.code == 1
    assert "Traceback" not in shown.shown
    assert "req_\\\\xff\\\\xfe_1" in shown.shown
    (tmp_path / "ids.txt").write_text("phnum_1\nphnum_2\n")
    fetched = await run(server.base_url, tmp_path, "fetch", "ids.txt", "-o", "out.jsonl", "-q")
    assert "Traceback" not in fetched.shown
    for line in (tmp_path / "out.jsonl").read_bytes().splitlines():
        assert json.loads(line)["error"]["request_id"] == "req_\\xff\\xfe_1"


async def test_row_55_they_are_escaped_in_arrow(serve_plain: Serve) -> None:
    arrow = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'elevenphone[arrow]'")
    from elevenphone.arrow import BatchLookup  # noqa: PLC0415 - needs pyarrow

    server = await serve_plain(send(refusal("x-trace-id")))
    table = arrow.table({"phone_number_id": ids(3)})
    with BatchLookup(api_key=KEY, base_url=server.base_url) as look_up:
        answers = await asyncio.to_thread(look_up, table)
        await asyncio.to_thread(look_up.close)
    request_ids = cast("list[object]", answers["request_id"].to_pylist())
    assert request_ids == ["req_\\xff\\xfe_1"] * 3


# Row 56

LONG_LENGTH = head(200, f"Content-Length: {'0' * 4_400}{len(number())}") + number()


@pytest.mark.parametrize("borrowed", [False, True], ids=["own session", "borrowed session"])
async def test_row_56_a_length_of_4400_digits(borrowed: bool, serve_plain: Serve) -> None:
    server = await serve_plain(send(LONG_LENGTH, "close"))
    session = aiohttp.ClientSession() if borrowed else None
    try:
        async with connect(server, session=session) as client:
            with pytest.raises(ProtocolError):
                await client.get("phnum_1")
            lookups = await client.gather(ids(10))
    finally:
        if session is not None:
            await session.close()
    for lookup in lookups:
        assert isinstance(lookup, Failed)
        assert isinstance(lookup.error, ProtocolError)


# Row 64


async def test_row_64_a_third_of_all_bodies_cut_where_the_connection_ends(serve: Serve) -> None:
    dice = random.Random(64)

    async def cut_a_third(wire: Wire) -> None:
        body = number(wire.request.phone_number_id)
        cut = body[:-20] if dice.random() < 0.3 else body
        await send(head(200) + cut, "close")(wire)

    server = await serve(cut_a_third)
    async with connect(server, retry=AT_ONCE) as client:
        lookups = await client.gather(ids(200), deadline=30.0)
    assert [lookup.result().phone_number_id for lookup in lookups] == ids(200)


def test_row_64_none_of_a_thousand_is_lost() -> None:
    dice = random.Random(64)

    def serve(url: str) -> Response:
        body = number(id_of(url))
        return Response(200, {}, body[:-20] if dice.random() < 0.3 else body)

    async def use(client: PhoneNumberClient) -> None:
        lookups = await client.gather(ids(1_000))
        assert [type(lookup) for lookup in lookups] == [Found] * 1_000

    use_client(serve, use)


# Row 66


async def test_row_66_tls_that_is_closed_in_the_handshake_has_a_reason() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        base_url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with PhoneNumberClient(KEY, base_url=base_url, retry=ONCE) as client:
            with pytest.raises(ConnectionFailedError) as caught:
                await client.get("phnum_1")
    _, _, reason = str(caught.value).rpartition(": ")
    assert reason.strip(" :.")


async def test_row_66_a_304_says_that_nothing_was_conditional(serve: Serve) -> None:
    server = await serve(send(head(304)))
    async with connect(server) as client:
        with pytest.raises(
            StatusError, match="Not Modified, although the request was not conditional"
        ) as caught:
            await client.get("phnum_1")
    assert caught.value.status == 304
    assert "redirected" not in str(caught.value)
    assert len(server.requests) == 1


# Row 67

EARLY = {
    "a whole answer": whole(200, number("phnum_of_somebody_else")),
    "the start of an answer": head(200, "Content-Length: 500"),
    "something else": b"220 ready\r\n",
}


@pytest.mark.parametrize(
    "early", [pytest.param("a whole answer"), "the start of an answer", "something else"]
)
async def test_row_67_bytes_that_come_before_the_request_are_never_believed(early: str) -> None:
    async with EarlyServer(EARLY[early], times=1_000) as server:
        for phone_number_id in ids(5):
            async with PhoneNumberClient(KEY, base_url=server.base_url, retry=ONCE, timeout=0.05) as client:
                try:
                    answer = await client.get(phone_number_id)
                except TransportError:
                    continue
            assert answer.phone_number_id == phone_number_id


@pytest.mark.parametrize(
    "early", [pytest.param("a whole answer"), "the start of an answer", "something else"]
)
async def test_row_67_only_the_connection_with_such_bytes_is_dropped(early: str) -> None:
    async with (
        EarlyServer(EARLY[early], times=1) as server,
        PhoneNumberClient(KEY, base_url=server.base_url, retry=AT_ONCE, timeout=0.05) as client,
    ):
        lookups = await client.gather(ids(20))
        assert server.connections > 1
    wrong = 0
    for lookup in lookups:
        match lookup:
            case Found(number=answer):
                assert answer.phone_number_id == lookup.phone_number_id
            case Failed(error=error):
                assert isinstance(error, TransportError)
                wrong += 1
    assert wrong <= 1


async def test_row_67_a_server_that_waits_for_the_request_is_believed() -> None:
    async with (
        EarlyServer(b"", times=0) as server,
        PhoneNumberClient(KEY, base_url=server.base_url, retry=ONCE) as client,
    ):
        lookups = await client.gather(ids(20))
        assert [lookup.result().phone_number_id for lookup in lookups] == ids(20)
