"""Rows 24 to 28: answers that are no numbers, ids and keys that cannot be."""

from __future__ import annotations

import json
import sys
import traceback
from urllib.parse import unquote

import pytest
from fault_helpers import ONCE, Serve, connect
from misbehaving_server import Wire, found, head, number, send, whole

from elevenphone import (
    ConfigurationError,
    DecodeError,
    Failed,
    InvalidPhoneNumberIdError,
    OtherPhoneNumber,
    PhoneNumberClient,
    SIPTrunkPhoneNumber,
    TwilioPhoneNumber,
    UnprocessableEntityError,
)

NO_NUMBERS = {
    "HTML": whole(200, b"<html><body>Welcome to the hotel's network</body></html>"),
    "nothing": whole(200),
    "null": whole(200, b"null"),
    "a list": whole(200, b"[]"),
    "an empty object": whole(200, b"{}"),
    "a number": whole(200, b"5"),
    "two documents": whole(200, number() + number()),
    "204": head(204),
    "205": whole(205),
    "206, a part": whole(206, number()[:30]),
}


@pytest.mark.parametrize("data", NO_NUMBERS.values(), ids=list(NO_NUMBERS))
async def test_row_24_200_that_is_no_number(data: bytes, serve_plain: Serve) -> None:
    server = await serve_plain(send(data))
    status, body = int(data[9:12]), data.partition(b"\r\n\r\n")[2]
    async with connect(server) as client:
        with pytest.raises(DecodeError) as caught:
            await client.get("phnum_1")
        assert caught.value.status == status
        assert caught.value.snippet == body[:200]
        assert f"(HTTP {status})" in str(caught.value)
        (lookup,) = await client.gather(["phnum_1"])
        assert isinstance(lookup, Failed)
        assert str(lookup.error) == str(caught.value)
        assert (await client.get_raw("phnum_1")).body == body
    assert len(server.requests) == 3


def _without_provider(fields: dict[str, str] = {}) -> bytes:  # noqa: B006 - not changed
    document = json.loads(number()) | fields
    del document["provider"]
    return json.dumps(document).encode()


TRUNK = {"livekit_stack": "standard"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (_without_provider(), TwilioPhoneNumber),
        (_without_provider(TRUNK), SIPTrunkPhoneNumber),
        (number(provider=None), TwilioPhoneNumber),
        (number(provider=None, livekit_stack="standard"), SIPTrunkPhoneNumber),
        (number(provider="carrier_pigeon", feathers=12), OtherPhoneNumber),
    ],
    ids=["absent", "absent, of a trunk", "null", "null, of a trunk", "new"],
)
async def test_row_25_provider_absent_null_and_new(body: bytes, kind: type, serve_plain: Serve) -> None:
    server = await serve_plain(send(whole(200, body)))
    async with connect(server) as client:
        found = await client.get("phnum_1")
    assert type(found) is kind
    if isinstance(found, OtherPhoneNumber):
        assert found.provider == "carrier_pigeon"
        assert found.raw == body


def _with(field: bytes) -> bytes:
    return number()[:-1] + b', "new": ' + field + b"}"


MALICE = {
    "100,000 arrays": _with(b"[" * 100_000 + b"]" * 100_000),
    "100,000 arrays alone": b"[" * 100_000,
    "100,000 objects": _with(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "invalid UTF-8 in a known field": number(label="LABEL").replace(b"LABEL", b"\xff\xfe"),
    "invalid UTF-8 in an unknown field": _with(b'"\xff\xfe"'),
    "a lone surrogate": number(label="LABEL").replace(b"LABEL", b"\\ud800"),
    "a lone surrogate in bytes": number(label="LABEL").replace(b"LABEL", b"\xed\xa0\x80"),
    "1e999 for a text": number(label=5).replace(b"5", b"1e999"),
    "UTF-16": number().decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + number(),
    "NaN": number(label=5).replace(b"5", b"NaN"),
}


@pytest.mark.parametrize("body", MALICE.values(), ids=list(MALICE))
async def test_row_26_bodies_made_to_hurt(body: bytes, serve_plain: Serve) -> None:
    server = await serve_plain(send(whole(200, body)))
    async with connect(server) as client:
        with pytest.raises(DecodeError):
            await client.get("phnum_1")
        server.behaviour = send(whole(500, body))
        raw = await client.get_raw("phnum_1")
        assert raw.body == body


@pytest.mark.parametrize(
    ("start", "rest"),
    [(b'{"detail": ', b"}"), (b'{"detail": [', b"]}"), (b'{"detail": [{"msg": ', b"}]}")],
    ids=["detail", "a complaint", "a message"],
)
async def test_row_26_an_error_nested_to_about_where_python_stops(
    start: bytes, rest: bytes, serve_plain: Serve
) -> None:
    """What can just be decoded can be too deep for what is done with it next."""
    server = await serve_plain(found)
    limit = sys.getrecursionlimit()
    async with connect(server, retry=ONCE) as client:
        for depth in range(limit - 150, limit + 1):
            server.behaviour = send(whole(422, start + b"[" * depth + b"1" + b"]" * depth + rest))
            with pytest.raises(UnprocessableEntityError):
                await client.get("phnum_1")


async def test_row_26_1e999_where_nobody_reads_it_does_no_harm(serve_plain: Serve) -> None:
    server = await serve_plain(send(whole(200, _with(b"1e999"))))
    async with connect(server) as client:
        assert (await client.get("phnum_1")).label == "Main line"


REFUSED = ["", " ", "\u3000", ".", "..", "a\r\nX: y", "a\x00", "\ud800", "a" * 10_000, None, 5, b"phnum_1"]
QUOTED = {
    "a/b": "a%2Fb",
    "../agents": "..%2Fagents",
    "a?b": "a%3Fb",
    "a#b": "a%23b",
    "%2e%2e": "%252e%252e",
    "a b": "a%20b",
    "a;b=c&d": "a%3Bb%3Dc%26d",
    "a\\..\\b": "a%5C..%5Cb",
    "номер": "%D0%BD%D0%BE%D0%BC%D0%B5%D1%80",
    "☎️": "%E2%98%8E%EF%B8%8F",
}


async def test_row_27_ids_that_climb_inject_or_are_none(serve_plain: Serve) -> None:
    async def answer(wire: Wire) -> None:
        await wire.send(whole(200, number(unquote(wire.request.phone_number_id))))

    server = await serve_plain(answer)
    async with connect(server) as client:
        for phone_number_id in REFUSED:
            with pytest.raises(InvalidPhoneNumberIdError):
                await client.get(phone_number_id)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - row 27
        lookups = await client.gather(REFUSED)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - row 27
        assert [lookup.index for lookup in lookups] == list(range(len(REFUSED)))
        for lookup in lookups:
            assert isinstance(lookup, Failed)
            assert isinstance(lookup.error, InvalidPhoneNumberIdError)
            assert lookup.attempts == 0
        assert client.stats.requests == server.connections == 0
        for phone_number_id in QUOTED:
            await client.get(phone_number_id)
        assert [request.phone_number_id for request in server.requests] == list(QUOTED.values())


BAD_KEYS = ["sk_zebra\nX: y", "sk_zebra\r\n", "sk_zébra", "", " ", "sk_zebra "]
# What an environment variable cannot hold.
BAD_ARGUMENTS = ["sk_zebra\ud800", "sk\x00zebra"]


@pytest.mark.parametrize(
    ("key", "origin"),
    [
        *(pytest.param(key, "variable") for key in BAD_KEYS),
        *(pytest.param(key, "argument") for key in [*BAD_KEYS, *BAD_ARGUMENTS]),
    ],
)
def test_row_28_keys_that_cannot_be(key: str, origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if origin == "variable":
        monkeypatch.setenv("ELEVENLABS_API_KEY", key)
    with pytest.raises(ConfigurationError, match="API key") as caught:
        PhoneNumberClient(key if origin == "argument" else None)
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [str(frame.locals) for frame in report.stack if frame.filename != __file__]
    assert frames
    for text in (str(caught.value), repr(caught.value), *frames):
        assert "bra" not in text
