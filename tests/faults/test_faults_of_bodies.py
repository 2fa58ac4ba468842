"""Rows 7 to 16: answers that are cut, compressed, too large, garbage, or lead elsewhere."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib

import aiohttp
import pytest
from fault_helpers import ONCE, Serve, connect, ids, in_uvloop
from misbehaving_server import Behaviour, end, flood, found, head, in_turn, number, send, whole

from elevenphone import (
    ConnectionFailedError,
    DecodeError,
    ProtocolError,
    RequestTimeoutError,
    ResponseTooLargeError,
    StatusError,
    TransportError,
)

CHUNKED = head(200, "Transfer-Encoding: chunked")
MEGABYTE = 1_000_000


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


CUT = {
    "row 07, Content-Length longer than the body": head(200, "Content-Length: 500") + number(),
    "row 07, nothing after the headers": head(200, "Content-Length: 500"),
    "row 08, chunked, cut in a chunk": CHUNKED + chunk(number())[:50],
    "row 08, chunked, cut between chunks": CHUNKED + chunk(number()[:50]),
    "row 08, chunked, cut before the last chunk": CHUNKED + chunk(number()),
    "cut in the headers": head(200, "Content-Length: 500")[:-10],
    "cut in the status line": b"HTTP/1",
}


@pytest.mark.parametrize("data", CUT.values(), ids=list(CUT))
async def test_row_07_and_08_body_cut(data: bytes, serve: Serve) -> None:
    server = await serve(in_turn(send(data, "close"), send(data, "reset"), found))
    async with connect(server) as client:
        raw = await client.get_raw("phnum_1")
        assert raw.status == 200
        assert raw.decode().phone_number_id == "phnum_1"
        assert raw.attempts == client.stats.requests == len(server.requests) == 3
    server.behaviour = send(data, "close")
    async with connect(server) as client:
        with pytest.raises(ConnectionFailedError):
            await client.get("phnum_1")
        assert client.stats.requests == 3
        assert len(server.requests) == 6


@pytest.mark.parametrize("then", ["close", "cut"])
async def test_row_09_close_delimited_body_cut(then: str, serve: Serve) -> None:
    whole_body = head(200) + number("phnum_1")
    server = await serve(send(whole_body[:-20], "cut" if then == "cut" else "close"))
    async with connect(server) as client:
        with pytest.raises(DecodeError) as caught:
            await client.get("phnum_1")
        assert caught.value.status == 200
        assert caught.value.truncated
        assert client.stats.requests == len(server.requests) == 3
        server.behaviour = in_turn(server.behaviour, send(whole_body, "close"))
        assert (await client.get("phnum_1")).phone_number_id == "phnum_1"


COMPRESSED = {
    "gzip": ("gzip", gzip.compress(number()), "but the client did not ask for that; is there a proxy"),
    "gzip cut short": ("gzip", gzip.compress(number())[:-20], "and it is cut short or damaged"),
    "not gzip at all": ("gzip", number(), "and it is cut short or damaged"),
    "deflate": ("deflate", zlib.compress(number()), "but the client did not ask for that; is there a proxy"),
    "brotli": ("br", b"\x0b\x02\x80abc", "but the client did not ask for that"),
    "gzip twice": (
        "gzip, gzip",
        gzip.compress(gzip.compress(number())),
        "but the client did not ask for that",
    ),
    "something new": ("ROT13", number(), "but the client did not ask for that"),
}


@pytest.mark.parametrize("borrowed", [False, True], ids=["own session", "borrowed session"])
@pytest.mark.parametrize(("encoding", "body", "problem"), COMPRESSED.values(), ids=list(COMPRESSED))
async def test_row_10_gzip_cut_short_and_gzip_that_nobody_asked_for(
    encoding: str, body: bytes, problem: str, borrowed: bool, serve_plain: Serve
) -> None:
    server = await serve_plain(send(whole(200, body, f"Content-Encoding: {encoding}")))
    session = aiohttp.ClientSession() if borrowed else None
    async with connect(server, session=session) as client:
        with pytest.raises(ProtocolError, match=rf"compressed \('{encoding}'\), .*{problem}"):
            await client.get("phnum_1")
        assert client.stats.requests == len(server.requests) == 1
    if session is not None:
        await session.close()


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """Three hundred megabytes of zeros, compressed."""
    compressor = zlib.compressobj(wbits=31)
    zeros = bytes(MEGABYTE)
    return b"".join(compressor.compress(zeros) for _ in range(300)) + compressor.flush()


async def test_row_11_gzip_bomb_of_300_megabytes(bomb: bytes, serve: Serve) -> None:
    assert len(bomb) < 400_000
    server = await serve(send(whole(200, bomb, "Content-Encoding: gzip")))
    async with connect(server) as client:
        tracemalloc.start()
        try:
            with pytest.raises(ResponseTooLargeError):
                await client.get("phnum_1")
            assert tracemalloc.get_traced_memory()[1] < 10 * MEGABYTE
        finally:
            tracemalloc.stop()
        assert client.stats.requests == 1


TOO_MUCH: dict[str, tuple[bytes, bytes]] = {
    "row 12, Content-Length": (head(200, f"Content-Length: {200 * MEGABYTE}"), bytes(MEGABYTE)),
    "row 12, chunked": (CHUNKED, chunk(bytes(MEGABYTE))),
    "row 12, until it closes": (head(200), bytes(MEGABYTE)),
    "row 12, an error": (head(500, f"Content-Length: {200 * MEGABYTE}"), bytes(MEGABYTE)),
    "row 14, a line without end": (b"HTTP/1.1 200 ", b"a" * MEGABYTE),
    "row 14, a header without end": (b"HTTP/1.1 200 OK\r\nX: ", b"a" * MEGABYTE),
    "row 14, a name without end": (b"HTTP/1.1 200 OK\r\n", b"a" * MEGABYTE),
    "row 14, headers without end": (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n" * (MEGABYTE // 6)),
    "row 14, a chunk's extension without end": (CHUNKED + b"5;", b"a" * MEGABYTE),
    "row 14, a chunk's size without end": (CHUNKED, b"0" * MEGABYTE),
    "row 14, trailers without end": (CHUNKED + b"0\r\n", b"X: a\r\n" * (MEGABYTE // 6)),
    "row 14, a trailer without end": (CHUNKED + b"0\r\nX: ", b"a" * MEGABYTE),
    "tiny chunks": (CHUNKED, chunk(b" ") * (MEGABYTE // 6)),
    "interim answers without end": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * (MEGABYTE // 25)),
}


@pytest.mark.parametrize(("start", "chunk"), TOO_MUCH.values(), ids=list(TOO_MUCH))
async def test_row_12_and_14_no_end_to_it(start: bytes, chunk: bytes, serve_plain: Serve) -> None:
    server = await serve_plain(flood(start, chunk, times=200))
    # aiohttp keeps each interim answer that it has not looked at yet, and uvloop reads faster.
    most = 100 * MEGABYTE if in_uvloop() and chunk.startswith(b"HTTP") else 10 * MEGABYTE
    async with connect(server, retry=ONCE, timeout=0.5) as client:
        tracemalloc.start()
        try:
            with pytest.raises((ResponseTooLargeError, ProtocolError, RequestTimeoutError)):
                await client.get("phnum_1")
            assert tracemalloc.get_traced_memory()[1] < most
        finally:
            tracemalloc.stop()
        sent = server.sent
        server.behaviour = found
        assert (await client.get("phnum_1")).phone_number_id == "phnum_1"
        assert server.connections == 2
        await asyncio.sleep(0.01)
        assert server.sent - sent < 5 * MEGABYTE  # nobody reads the rest


@pytest.mark.parametrize("status", [200, 500])
async def test_row_12_plain_body_of_200_megabytes(status: int, serve: Serve) -> None:
    server = await serve(flood(head(status, f"Content-Length: {200 * MEGABYTE}"), bytes(MEGABYTE), times=200))
    async with connect(server) as client:
        with pytest.raises(ResponseTooLargeError, match="4,194,304 bytes"):
            await client.get("phnum_1")
        assert client.stats.requests == len(server.requests) == 1
    assert server.sent < 20 * MEGABYTE


GARBAGE = {
    "status line": b"BANANA\r\n\r\n",
    "a server that speaks first": b"SSH-2.0-OpenSSH_9.9\r\n",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\x00\x04\x00\x00\xff\xff",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "HTTP/9.9": b"HTTP/9.9 200 OK\r\n\r\n",
    "duplicate Content-Length": head(200, "Content-Length: 5", "Content-Length: 7") + b"12345",
    "list of Content-Length": head(200, "Content-Length: 5, 7") + b"12345",
    "negative Content-Length": head(200, "Content-Length: -5") + b"12345",
    "signed Content-Length": head(200, "Content-Length: +5") + b"12345",
    "Content-Length and chunked": head(200, "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "bad chunk size": CHUNKED + b"zz\r\nabc\r\n",
    "chunk longer than it says": CHUNKED + b"2\r\nabcdef\r\n0\r\n\r\n",
    "header without a colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "header without a name": b"HTTP/1.1 200 OK\r\n: 5\r\n\r\n",
    "NUL in a header": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
    "row 14, a header of 100 kB": head(200, "X: " + "a" * 100_000),
    "row 14, 1,000 headers": head(200, *(f"X-{n}: a" for n in range(1_000)), "Content-Length: 0"),
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=list(GARBAGE))
async def test_row_13_and_14_garbage(data: bytes, serve: Serve) -> None:
    server = await serve(send(data, "close"))
    async with connect(server) as client:
        with pytest.raises(ProtocolError, match=rf"^{server.host}: the answer is not HTTP: ") as caught:
            await client.get("phnum_1")
        assert not hasattr(caught.value, "status")
        assert len(str(caught.value)) <= 300
        assert str(caught.value).isprintable()
        assert client.stats.requests == len(server.requests) == 1


@pytest.mark.parametrize("borrowed", [False, True], ids=["own session", "borrowed session"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_row_15_redirect_to_another_origin(status: int, borrowed: bool, serve: Serve) -> None:
    target = await serve(found)
    server = await serve(
        send(whole(status, b"", f"Location: {target.base_url}/v1/convai/phone-numbers/phnum_1"))
    )
    session = aiohttp.ClientSession() if borrowed else None
    async with connect(server, session=session) as client:
        with pytest.raises(StatusError, match=f"{target.base_url}.*never followed") as caught:
            await client.get("phnum_1")
        lookups = await client.gather(ids(3))
        assert [type(lookup).__name__ for lookup in lookups] == ["Failed"] * 3
    if session is not None:
        await session.close()
    assert type(caught.value) is StatusError
    assert caught.value.status == status
    assert target.connections == 0
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "location", ["", "/", "http://[::1", "\x01", "?", "javascript:alert(1)", "//elsewhere"]
)
async def test_row_16_redirect_to_itself_or_nowhere(location: str, serve_plain: Serve) -> None:
    server = await serve_plain(send(whole(302, b"", f"Location: {location}")))
    async with connect(server) as client:
        with pytest.raises((StatusError, ProtocolError)):
            await client.get("phnum_1")
        assert len(server.requests) == 1


STRANGE_BUT_HTTP: dict[str, tuple[Behaviour, str]] = {
    "an interim answer": (send(b"HTTP/1.1 100 Continue\r\n\r\n" + whole(200, number())), "found"),
    "early hints": (send(head(103, "Link: </a>") + whole(200, number())), "found"),
    "HTTP/1.0": (send(whole(200, number()).replace(b"1.1", b"1.0"), "close"), "found"),
    "no reason": (send(whole(200, number()).replace(b" Whatever", b"")), "found"),
    "bare line feeds": (send(whole(200, number()).replace(b"\r\n", b"\n"), "close"), "found or refused"),
    "chunked with extensions": (
        send(CHUNKED + b"1;a=b\r\n{\r\n" + chunk(number()[1:]) + b"0\r\nX: y\r\n\r\n"),
        "found",
    ),
    "a cookie": (send(whole(200, number(), "Set-Cookie: a=b; Path=/")), "found"),
    "an upgrade": (send(head(101, "Upgrade: websocket", "Connection: upgrade"), "close"), "refused"),
    "status 999": (send(whole(999)), "refused"),
    "not modified": (send(head(304)), "refused"),
    "no answer at all": (end("close"), "refused"),
}


@pytest.mark.parametrize(("behaviour", "outcome"), STRANGE_BUT_HTTP.values(), ids=list(STRANGE_BUT_HTTP))
async def test_what_is_strange_but_http(behaviour: Behaviour, outcome: str, serve_plain: Serve) -> None:
    server = await serve_plain(behaviour)
    async with connect(server, retry=ONCE, timeout=0.5) as client:
        for _ in range(3):
            try:
                number = await client.get("phnum_1")
            except (TransportError, StatusError):
                assert "refused" in outcome
            else:
                assert "found" in outcome
                assert number.phone_number_id == "phnum_1"
    assert all("cookie" not in request.headers for request in server.requests)
