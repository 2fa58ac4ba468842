"""Rows 49 and 60 to 63: errors that concern the account, and the words of the API for them."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path

import pytest
from commands import ONCE_FOR_COMMANDS, run
from fault_helpers import AT_ONCE, KEY, Serve, connect, ids, in_uvloop
from misbehaving_server import MisbehavingServer, Wire, found, send, whole
from stub_transport import After, Step, StubTransport, answer, found_at, refused
from stub_transport import found as found_step
from virtual_client import LATENCY, good, id_of, use_client

from elevenphone import (
    AuthenticationError,
    ConnectionFailedError,
    ElevenPhoneError,
    Failed,
    Found,
    Lookup,
    PermissionDeniedError,
    PhoneNumberClient,
    RateLimitError,
    StatusError,
)

IN_FLIGHT = 40
"""More requests than are ever in flight at the start of a run."""


# Row 49


async def test_row_49_an_untrusted_certificate_ends_a_run_at_once(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with MisbehavingServer(found, tls[0]) as server, connect(server) as client:
        async with asyncio.timeout(1.0):
            lookups = await client.gather(ids(1_000))
        assert [lookup.index for lookup in lookups] == list(range(1_000))
        for lookup in lookups:
            assert isinstance(lookup, Failed)
            assert isinstance(lookup.error, ConnectionFailedError)
            assert "certificate is not trusted" in str(lookup.error)
        assert sum(lookup.attempts for lookup in lookups) <= IN_FLIGHT
        assert {lookup.attempts for lookup in lookups} <= {0, 1}
        assert server.requests == []


async def test_row_49_an_untrusted_certificate_ends_a_lookup_at_the_first_attempt(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with MisbehavingServer(found, tls[0]) as server, connect(server) as client:
        with pytest.raises(ConnectionFailedError, match="certificate is not trusted") as caught:
            await client.get("phnum_1")
        assert client.stats.requests == 1
        scope: Callable[[ElevenPhoneError], str] = attrgetter("scope")
        assert scope(caught.value) == "account"


async def test_row_49_a_certificate_of_another_host_is_not_trusted_either(
    tls_server: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_uvloop():
        pytest.skip("uvloop resolves names by itself")
    async with MisbehavingServer(found, tls_server) as server:
        port = int(server.host.rpartition(":")[2])
        address = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))

        def resolve(*_args: object, **_kwargs: object) -> list[object]:
            return [address]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        base_url = f"https://elsewhere.example:{port}"
        async with PhoneNumberClient(KEY, base_url=base_url, retry=AT_ONCE) as client:
            with pytest.raises(ConnectionFailedError, match="certificate"):
                await client.get("phnum_1")
            assert client.stats.requests == 1
        assert server.requests == []


# Rows 60 and 61: bulk runs

ACCOUNT_ERRORS = {
    "402": refused(402, "payment_required", "Pay first"),
    "402 without credits": refused(402, "insufficient_credits", "No credits"),
    "403 without a subscription": refused(403, "subscription_required", "Subscribe first"),
    "403 without a word": answer(403),
}


def gather(script: Callable[[str], Step], count: int) -> tuple[list[Lookup], int]:
    """Look up so many ids, and count the requests."""

    async def use(client: PhoneNumberClient) -> list[Lookup]:
        return await client.gather(ids(count))

    transport = StubTransport(script)
    return use_client(transport, use), transport.requests


@pytest.mark.parametrize("step", ACCOUNT_ERRORS.values(), ids=list(ACCOUNT_ERRORS))
def test_row_60_and_61_an_error_of_the_account_ends_a_run_soon(step: Step) -> None:
    lookups, requests = gather(lambda _url: After(LATENCY, step), 10_000)
    assert requests <= IN_FLIGHT
    assert [lookup.index for lookup in lookups] == list(range(10_000))
    for lookup in lookups:
        assert isinstance(lookup, Failed)
        assert isinstance(lookup.error, StatusError)
        assert lookup.error.status in (402, 403)
    assert sum(lookup.attempts for lookup in lookups) == requests


@pytest.mark.parametrize("step", ACCOUNT_ERRORS.values(), ids=list(ACCOUNT_ERRORS))
def test_row_60_and_61_what_was_found_before_is_kept(step: Step) -> None:
    answered = 0

    def serve(url: str) -> Step:
        nonlocal answered
        answered += 1
        return good(url) if answered <= 500 else After(LATENCY, step)

    lookups, requests = gather(serve, 10_000)
    assert sum(isinstance(lookup, Found) for lookup in lookups) == 500
    assert requests < 1_000


def test_row_61_a_403_between_numbers_that_are_found_concerns_one_id() -> None:
    def serve(url: str) -> Step:
        number = int(id_of(url).removeprefix("phnum_"))
        step = ACCOUNT_ERRORS["403 without a word"] if number % 3 == 0 else found_at(url)
        return After(LATENCY + number * 1e-7, step)  # answers come in the order of their requests

    lookups, requests = gather(serve, 3_000)
    assert requests == 3_000
    for index, lookup in enumerate(lookups):
        if index % 3 == 0:
            assert isinstance(lookup, Failed)
            assert isinstance(lookup.error, PermissionDeniedError)
        else:
            assert isinstance(lookup, Found)


@pytest.mark.parametrize("status", [402, 403])
@ONCE_FOR_COMMANDS
async def test_row_60_and_61_fetch_can_be_resumed_when_the_account_works_again(
    status: int, tmp_path: Path, serve_plain: Serve
) -> None:
    pytest.importorskip("click", reason="the command needs it: pip install 'elevenphone[cli]'")
    (tmp_path / "ids.txt").write_text("".join(f"{each}\n" for each in ids(300)))

    async def until_the_fiftieth(wire: Wire) -> None:
        await (found if len(server.requests) <= 50 else send(whole(status)))(wire)

    server = await serve_plain(until_the_fiftieth)
    command = ("fetch", "ids.txt", "-o", "out.jsonl", "-q", "--concurrency", "4")
    stopped = await run(server.base_url, tmp_path, *command)
    assert stopped.code != 0
    assert len(server.requests) < 100
    server.behaviour = found
    resumed = await run(server.base_url, tmp_path, *command, "--resume")
    assert resumed.code == 0, resumed.shown
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [line["phone_number_id"] for line in lines] == ids(300)
    assert {line["status"] for line in lines} == {"found"}


# Rows 62 and 63: the word that is specific


def error_of_get(status: int, detail: dict[str, str]) -> ElevenPhoneError:
    async def use(client: PhoneNumberClient) -> ElevenPhoneError:
        with pytest.raises(ElevenPhoneError) as caught:
            await client.get("phnum_1", deadline=1.0)
        return caught.value

    return use_client(lambda _url: answer(status, {"detail": detail}), use)


@pytest.mark.parametrize(
    ("word", "advice"),
    [("missing_permissions", "read access"), ("quota_exceeded", "quota"), ("invalid_api_key", "region")],
)
def test_row_62_a_401_has_its_specific_word_and_the_hint_for_it(word: str, advice: str) -> None:
    detail = {"type": "authentication_error", "code": "unauthorized", "status": word, "message": "No."}
    error = error_of_get(401, detail)
    assert isinstance(error, AuthenticationError)
    assert error.code == word
    assert error.hint is not None
    assert advice in error.hint


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (None, "rate"),
        ("something_new", "rate"),
        ("too_many_concurrent_requests", "concurrency"),
        ("rate_limit_exceeded", "rate"),
        ("system_busy", "busy"),
        ("quota_exceeded", "quota"),
    ],
)
def test_row_63_a_429_has_the_kind_of_the_word_that_is_known(status: str | None, kind: str) -> None:
    detail = {"code": "rate_limited", "message": "Slow down."} | ({"status": status} if status else {})
    error = error_of_get(429, detail)
    assert isinstance(error, RateLimitError)
    assert error.kind == kind


def test_row_63_a_run_slows_down_for_a_429_of_the_rate_and_loses_nothing() -> None:
    steps = [answer(429, {"detail": {"code": "rate_limited", "message": "Slow down."}})] * 5
    lookups, requests = gather(lambda url: steps.pop() if steps else found_step(id_of(url)), 200)
    assert [lookup.result().phone_number_id for lookup in lookups] == ids(200)
    assert requests == 205
