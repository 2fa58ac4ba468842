"""Where one answer ends and the next begins: what is in the wrong place is never taken for an answer."""

from __future__ import annotations

import asyncio

import pytest
from fault_helpers import ONCE, Serve, connect, ids, until
from misbehaving_server import Behaviour, Wire, drip, found, head, in_turn, number, send, whole

from elevenphone import (
    ConnectionFailedError,
    ElevenPhoneError,
    NotFoundError,
    PhoneNumberClient,
    ProtocolError,
    StatusError,
)

SOMEBODY_ELSES = whole(200, number("phnum_of_somebody_else"))
CHUNKED = head(200, "Transfer-Encoding: chunked")


async def look_up_one_by_one(client: PhoneNumberClient, count: int = 4) -> None:
    """Look ids up, and check that each gets its own number."""
    for phone_number_id in ids(count):
        assert (await client.get(phone_number_id)).phone_number_id == phone_number_id


def after_each(surplus: bytes, *lines: str) -> Behaviour:
    """Answer well, and send more in the same bytes."""

    async def behave(wire: Wire) -> None:
        await wire.send(whole(200, number(wire.request.phone_number_id), *lines) + surplus)

    return behave


SURPLUS = {
    "a second answer": SOMEBODY_ELSES,
    "two more answers": SOMEBODY_ELSES * 2,
    "a second answer without its body": SOMEBODY_ELSES[:120],
    "the first byte of a second answer": b"H",
    "an interim answer": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "garbage": b"BANANA",
    "NUL": b"\x00",
    "more of the body": number(),
}


@pytest.mark.parametrize("surplus", SURPLUS.values(), ids=list(SURPLUS))
async def test_bytes_after_the_end_of_an_answer_go_with_its_connection(
    surplus: bytes, http: str, serve: Serve
) -> None:
    server = await serve(after_each(surplus))
    async with connect(server, retry=ONCE) as client:
        outcomes: list[object] = []
        for phone_number_id in ids(4):
            try:
                outcomes.append((await client.get(phone_number_id)).phone_number_id)
            except ProtocolError:  # as good: it came with what is no HTTP
                outcomes.append(phone_number_id)
        assert outcomes == ids(4)
        assert len(server.requests) == 4
        if surplus != b"H" or http == "httptools":  # aiohttp forgets it, and asks over the same connection
            assert server.connections == 4


async def test_an_empty_line_after_an_answer_does_no_harm(serve: Serve) -> None:
    server = await serve(after_each(b"\r\n"))
    async with connect(server, retry=ONCE) as client:
        await look_up_one_by_one(client)


async def test_a_second_answer_long_after_the_first_is_not_taken_for_the_next(serve: Serve) -> None:
    async def late(wire: Wire) -> None:
        await found(wire)
        await asyncio.sleep(0.005)
        await wire.send(SOMEBODY_ELSES)

    server = await serve(late)
    async with connect(server, retry=ONCE) as client:
        for phone_number_id in ids(3):
            assert (await client.get(phone_number_id)).phone_number_id == phone_number_id
            sent = server.sent
            await until(lambda sent=sent: server.sent > sent, "the second answer")  # type: ignore[misc]
            await asyncio.sleep(0.005)
        assert server.connections == len(server.requests) == 3


# What ends an answer


async def test_connection_close_on_each_answer_costs_a_connection_and_no_attempt(serve: Serve) -> None:
    server = await serve(after_each(b"", "Connection: close"))
    async with connect(server, retry=ONCE) as client:
        await look_up_one_by_one(client)
        assert len(server.requests) == server.connections == client.stats.requests == 4
        assert client.stats.connections_opened == 4


@pytest.mark.parametrize(("lines", "connections"), [((), 4), (("Connection: keep-alive",), 1)])
async def test_http_1_0_keeps_a_connection_where_it_says_so(
    lines: tuple[str, ...], connections: int, serve: Serve
) -> None:
    async def behave(wire: Wire) -> None:
        answer = whole(200, number(wire.request.phone_number_id), *lines)
        await wire.send(answer.replace(b"HTTP/1.1", b"HTTP/1.0"))

    server = await serve(behave)
    async with connect(server, retry=ONCE) as client:
        await look_up_one_by_one(client)
        assert server.connections == connections
        assert len(server.requests) == client.stats.requests == 4


async def test_keep_alive_with_a_timeout_that_the_server_keeps_to(serve: Serve) -> None:
    async def behave(wire: Wire) -> None:
        await wire.send(whole(200, number(wire.request.phone_number_id), "Keep-Alive: timeout=1, max=2"))
        if wire.request.nth == 2:
            await wire.close()

    server = await serve(behave)
    async with connect(server, retry=ONCE) as client:
        await look_up_one_by_one(client, 6)
        assert client.stats.retries == 0
        assert server.connections == 3


@pytest.mark.parametrize("coding", [(), ("Transfer-Encoding: identity",)], ids=["no length", "identity"])
async def test_a_body_that_the_end_of_the_connection_ends(coding: tuple[str, ...], serve: Serve) -> None:
    async def behave(wire: Wire) -> None:
        await wire.send(head(200, *coding) + number(wire.request.phone_number_id))
        await wire.close()

    server = await serve(behave)
    async with connect(server, retry=ONCE) as client:
        if coding:
            with pytest.raises((ProtocolError, ConnectionFailedError)):
                await client.get("phnum_0")
        else:
            await look_up_one_by_one(client)
        assert server.connections == len(server.requests)


async def test_a_body_without_an_end_that_a_reset_cuts_is_not_taken_for_whole(serve_plain: Serve) -> None:
    async def behave(wire: Wire) -> None:
        await wire.send(head(200) + number()[:-20])
        await asyncio.sleep(0.01)
        wire.reset()

    server = await serve_plain(in_turn(behave, found))
    async with connect(server) as client:
        assert (await client.get("phnum_0")).phone_number_id == "phnum_0"
        assert client.stats.retries == 1


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, chunked", "chunked, gzip", "banana"])
async def test_a_transfer_encoding_that_was_not_asked_for_is_refused(coding: str, serve: Serve) -> None:
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(number()), number())
    server = await serve(send(head(200, f"Transfer-Encoding: {coding}") + body, "close"))
    async with connect(server, retry=ONCE) as client:
        with pytest.raises(ProtocolError, match=r"transfer encoding|not HTTP"):
            await client.get("phnum_1")


async def test_chunks_with_extensions_and_trailers_leave_the_connection_in_order(serve: Serve) -> None:
    async def behave(wire: Wire) -> None:
        body = number(wire.request.phone_number_id)
        await wire.send(
            CHUNKED + b'1;a=b;c="d"\r\n{\r\n%x\r\n%b\r\n0\r\nX-Trailer: y\r\n\r\n' % (len(body) - 1, body[1:])
        )

    server = await serve(behave)
    async with connect(server, retry=ONCE) as client:
        await look_up_one_by_one(client)
        assert server.connections == 1


# Heads


INTERIM = head(100) + head(103, "Link: </style.css>") + head(102)


async def test_interim_answers_are_passed_over_and_their_headers_too(serve: Serve) -> None:
    async def behave(wire: Wire) -> None:
        await wire.send(head(103, "Link: </style.css>", "X-Hint: early"))
        await asyncio.sleep(0)
        await wire.send(INTERIM + whole(200, number(wire.request.phone_number_id), "X-Real: yes"))

    server = await serve(behave)
    async with connect(server, retry=ONCE) as client:
        await look_up_one_by_one(client)
        raw = await client.get_raw("phnum_1")
        assert raw.headers["x-real"] == "yes"
        assert "link" not in raw.headers
        assert "x-hint" not in raw.headers
        assert server.connections == 1


async def test_a_head_that_comes_byte_by_byte(serve: Serve) -> None:
    server = await serve(drip(whole(200, number("phnum_0"), "Request-Id: r_1"), 0.0))
    async with connect(server, retry=ONCE) as client:
        raw = await client.get_raw("phnum_0")
        assert raw.request_id == "r_1"
        assert raw.decode().phone_number_id == "phnum_0"


@pytest.mark.parametrize("length", ["0" * 4_400 + "5", "9" * 4_400, "9" * 30, "0" * 30 + "5"])
async def test_row_56_content_length_of_thousands_of_digits(length: str, serve_plain: Serve) -> None:
    server = await serve_plain(send(head(200, f"Content-Length: {length}") + b"12345", "close"))
    async with connect(server, retry=ONCE) as client:
        with pytest.raises(ProtocolError, match="the answer is not HTTP"):
            await client.get("phnum_1")
        lookups = await client.gather(ids(3))
        assert [type(lookup).__name__ for lookup in lookups] == ["Failed"] * 3


@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0", "ICY", "http/1.1"])
async def test_another_version_of_http_is_refused(version: str, serve_plain: Serve) -> None:
    server = await serve_plain(send(whole(200, number()).replace(b"HTTP/1.1", version.encode()), "close"))
    async with connect(server, retry=ONCE) as client:
        with pytest.raises(ProtocolError, match="the answer is not HTTP"):
            await client.get("phnum_1")


@pytest.mark.parametrize("status", ["000", "042", "099"])
async def test_a_status_below_100_is_none(status: str, serve_plain: Serve) -> None:
    server = await serve_plain(send(whole(200, number()).replace(b" 200 ", f" {status} ".encode()), "close"))
    async with connect(server, retry=ONCE) as client:
        with pytest.raises(ProtocolError, match="the answer is not HTTP"):
            await client.get("phnum_1")


async def test_a_status_that_nobody_knows_is_an_error_of_its_own(serve_plain: Serve) -> None:
    server = await serve_plain(send(whole(999, b"{}")))
    async with connect(server, retry=ONCE) as client:
        with pytest.raises(StatusError, match="HTTP 999"):
            await client.get("phnum_1")


async def test_a_switch_of_protocols_is_refused(serve_plain: Serve) -> None:
    server = await serve_plain(send(head(101, "Upgrade: h2c", "Connection: upgrade") + SOMEBODY_ELSES))
    async with connect(server, retry=ONCE) as client:
        for _ in range(2):
            with pytest.raises(ElevenPhoneError):
                await client.get("phnum_1")
        assert server.connections == 2


async def test_an_offer_to_upgrade_changes_nothing(serve_plain: Serve) -> None:
    server = await serve_plain(after_each(b"", "Upgrade: h2,h2c", "Connection: Upgrade, Keep-Alive"))
    async with connect(server, retry=ONCE) as client:
        await look_up_one_by_one(client)
        assert server.connections == 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"r\xffq", "r\\xffq"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        ("zażółć".encode(), "zażółć"),
        (b"caf\xe9", "caf\\xe9"),
    ],
)
async def test_row_55_bytes_in_a_header_that_are_not_utf_8_are_escaped(
    value: bytes, shown: str, serve_plain: Serve
) -> None:
    answer = whole(404, b"{}", "Request-Id: VALUE", "X-Trace-Id: VALUE").replace(b"VALUE", value)
    server = await serve_plain(send(answer))
    async with connect(server, retry=ONCE) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.get("phnum_1")
        assert caught.value.request_id == shown
        raw = await client.get_raw("phnum_1")
        assert raw.headers["x-trace-id"] == shown
        assert str(caught.value).encode()
