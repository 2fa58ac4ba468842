"""Any input raises only documented errors."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import subprocess
import sys
from email.utils import format_datetime
from pathlib import Path

import pytest
from fuzz_targets import KEY, TARGETS, decode_body, read_answer, read_error_body, read_retry_after, seeds
from hypothesis import example, given
from hypothesis import strategies as st

from elevenphone import ElevenPhoneError, Found, PhoneNumberClient, RetryPolicy

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([1 << 80, -(1 << 80)])
)
_NAMES = [
    "assigned_agent",
    "code",
    "detail",
    "headers",
    "inbound_trunk",
    "label",
    "livekit_stack",
    "loc",
    "message",
    "msg",
    "outbound_trunk",
    "phone_number",
    "phone_number_id",
    "provider",
    "request_id",
    "status",
    "supports_inbound",
    "type",
]
NAMES = st.text(max_size=5) | st.sampled_from(_NAMES)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)
JSON = DOCUMENTS.map(lambda document: json.dumps(document).encode("utf-8", "surrogatepass"))
SEEDS = seeds()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A captured body, with parts overwritten, removed or doubled."""
    body = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 20)))
        patch = draw(
            st.binary(max_size=6)
            | st.sampled_from([b"null", b"{}", b"[]", b"1e999", b'"', b"\\ud800", b"\xff"])
        )
        body = body[:start] + patch + body[end if draw(st.booleans()) else start :]
    return body


BODIES = st.binary(max_size=300) | JSON | damaged()
WAITS = (
    st.floats().map(str)
    | st.integers().map(str)
    | st.datetimes().map(format_datetime)
    | st.text(st.characters(max_codepoint=255), max_size=40)
    | st.from_regex(
        r"(Mon|Tue), \d{1,3} (Jan|Feb) \d{1,5} \d\d:\d\d:\d\d( GMT| [+-]\d{1,6})?", fullmatch=True
    )
    | st.sampled_from(["", " ", "1_0", "٣", "0x1p-2", "1e-400", "-0", "NaN", "inf", "9" * 5_000])
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["retry-after", "date", "request-id", "location", "content-length", KEY]),
        WAITS | st.just(KEY),
    ),
    max_size=4,
)


@given(BODIES)
def test_decode(body: bytes) -> None:
    decode_body(body)


@given(BODIES)
def test_error_envelopes(body: bytes) -> None:
    read_error_body(body)


ENVELOPES = [
    (b'{"detail":', b"}"),
    (b'{"detail":[', b"]}"),
    (b'{"detail":[{"msg":', b"}]}"),
    (b'{"detail":{"code":', b"}}"),
]


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["arrays", "objects"])
@pytest.mark.parametrize(("start", "end"), ENVELOPES, ids=["detail", "complaint", "message", "code"])
def test_error_envelopes_nested_to_about_where_python_stops(
    start: bytes, end: bytes, opening: bytes, closing: bytes
) -> None:
    limit = sys.getrecursionlimit()
    for depth in range(limit - 150, limit + 1):
        read_error_body(start + opening * depth + b"1" + closing * depth + end)


@given(WAITS, WAITS, WAITS)
def test_retry_after(seconds: str, milliseconds: str, date: str) -> None:
    read_retry_after(f"{seconds}\n{milliseconds}\n{date}".encode("latin-1", "ignore"))


@given(st.integers(0, 899), HEADERS, BODIES | BODIES.map(lambda body: body + KEY.encode()))
def test_answers(status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    lines = "\n".join(f"{name}:{value}".replace("\n", "") for name, value in headers)
    read_answer(status.to_bytes(2) + b"\n" + lines.encode("latin-1", "ignore") + b"\n\n" + body)


# Over a real socket


VALID = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(SEEDS[-1]),
    SEEDS[-1],
)
LINES = st.sampled_from(
    [
        b"Content-Length: 5",
        b"Content-Length: 0",
        b"Transfer-Encoding: chunked",
        b"Content-Encoding: gzip",
        b"Connection: close",
        b"Connection: upgrade",
        b"Upgrade: h2c",
        b"Location: /",
        b"Set-Cookie: a=b",
        b"Content-Type: text/html; charset=utf-16",
        b" folded",
        b"",
    ]
)
STATUS_LINES = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.0 503 No", b"HTTP/1.1 100 Go on", b"HTTP/1.1 204 Nil"]
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """The bytes of a roughly valid answer."""
    kind = draw(st.sampled_from(["noise", "damaged", "composed"]))
    if kind == "noise":
        return draw(st.binary(max_size=200))
    if kind == "composed":
        head = b"\r\n".join([draw(STATUS_LINES), *draw(st.lists(LINES, max_size=5)), b"", b""])
        return head + draw(
            st.binary(max_size=40) | st.sampled_from([b"5\r\nabcde\r\n0\r\n\r\n", b"12345", VALID])
        )
    start = draw(st.integers(0, len(VALID)))
    return VALID[:start] + draw(st.binary(max_size=5)) + VALID[start + draw(st.integers(0, 9)) :]


@example([b""])
@example([VALID])
@example([VALID + VALID, b"", VALID])
@given(st.lists(answers(), min_size=1, max_size=4))
def test_answers_as_bytes_on_a_socket(answers: list[bytes]) -> None:
    asyncio.run(_ask_a_server_that_sends(answers))


async def _ask_a_server_that_sends(answers: list[bytes]) -> None:
    left = list(answers)

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(send, "127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    retry = RetryPolicy(attempts=2, wait_initial=0.0)
    async with PhoneNumberClient(KEY, base_url=base_url, retry=retry, timeout=1.0, deadline=2.0) as client:
        with contextlib.suppress(ElevenPhoneError):
            await client.get("phnum_1")
        (lookup,) = await client.gather(["phnum_1"], deadline=0.05)
        assert isinstance(lookup, Found) or KEY not in f"{lookup.error} {lookup!r}"
    server.close()
    await asyncio.sleep(0)


# By name, because they cannot be imported without click; a test beside them checks the list.
GUIDED_READERS = ("ids", "line", "journal", "key-file")


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed: pip install atheris"
)
@pytest.mark.parametrize("target", [*TARGETS, *GUIDED_READERS])
def test_guided_by_coverage(target: str) -> None:
    script = Path(__file__).with_name("fuzz_with_atheris.py")
    command = [sys.executable, str(script), target, "-runs=20000", "-max_len=2000", "-verbosity=0"]
    command.append("-rss_limit_mb=1000")
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
    assert ended.returncode == 0, ended.stderr[-3_000:]
