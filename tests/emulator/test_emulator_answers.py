from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from emulator_helpers import ask, client, connect

from elevenphone import decode
from elevenphone.emulator import Emulator
from elevenphone.models import encode

CAPTURED = Path(__file__).parents[1] / "payloads" / "errors"


def captured(name: str) -> dict[str, object]:
    return msgspec.json.decode((CAPTURED / f"{name}.json").read_bytes(), type=dict[str, object])


async def test_every_id_is_answered_with_its_number() -> None:
    async with Emulator(300) as emulator, client(emulator) as session:
        for phone_number_id in emulator.ids:
            reply = await ask(emulator, phone_number_id, session=session)
            assert reply.status == 200
            assert reply.headers["content-type"] == "application/json"
            assert reply.body == encode(emulator.number(phone_number_id))
            assert decode(reply.body) == emulator.number(phone_number_id)
        stats = emulator.stats
    assert (stats.requests, stats.answered, stats.peak_in_flight, stats.in_flight) == (300, 300, 1, 0)
    assert stats.connections == 1


async def test_an_unknown_id() -> None:
    async with Emulator(10) as emulator:
        unknown = emulator.unknown_ids[0]
        reply = await ask(emulator, unknown)
        assert reply.status == 404
        assert reply.document == {
            "detail": {
                "status": "phone_number_not_found",
                "message": f"Phone number with id {unknown} not found.",
            }
        }
        assert emulator.stats.not_found == 1


ODD_IDS = (
    "a/b",
    "a?b=1",
    "a#b",
    "a b",
    "%2e%2e",
    "%252F",
    "..",
    ".",
    "номер",
    "電話",
    "☎️",
    'quote"',
    "back\\slash",
    "a\r\nb",
    "+",
    "a;b",
)


@pytest.mark.parametrize("phone_number_id", ODD_IDS)
async def test_an_odd_id_arrives_as_itself(phone_number_id: str) -> None:
    async with Emulator(1, record=True) as emulator:
        reply = await ask(emulator, quote(phone_number_id, safe=""))
        assert emulator.requests[0].phone_number_id == phone_number_id
    assert reply.status == 404
    assert reply.detail["message"] == f"Phone number with id {phone_number_id} not found."


async def test_bytes_that_are_not_utf_8_are_answered() -> None:
    async with Emulator(1) as emulator:
        assert (await ask(emulator, "%ff%fe")).code == "phone_number_not_found"


async def test_the_query_is_not_part_of_the_id() -> None:
    async with Emulator(1) as emulator:
        assert (await ask(emulator, f"{emulator.ids[0]}?a=/b")).status == 200


async def test_keys() -> None:
    async with Emulator(1, api_key="right") as emulator:
        wrong = await ask(emulator, emulator.ids[0], key="wrong")
        assert (wrong.status, wrong.document) == (401, captured("401_invalid_api_key"))
        async with connect(emulator) as (reader, writer):
            writer.write(
                f"GET /v1/convai/phone-numbers/{emulator.ids[0]} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            )
            answer = await reader.readuntil(b"}}")
        assert answer.startswith(b"HTTP/1.1 401")
        assert b"needs_authorization" in answer
        assert (await ask(emulator, emulator.ids[0], key="right")).status == 200
        emulator.missing_permission = True
        scoped = await ask(emulator, emulator.ids[0], key="right")
        assert (scoped.status, scoped.code) == (401, "missing_permissions")
        assert emulator.stats.unauthorized == 3


async def test_other_methods_and_paths() -> None:
    async with Emulator(1) as emulator:
        posted = await ask(emulator, emulator.ids[0], method="POST")
        assert (posted.status, posted.document) == (405, captured("405_plain_string"))
        others = ("/", "/v1/convai/agents/", "/v1/convai/v2/phone-numbers/", "/v1/convai/phone-numbers/a/")
        for route in others:
            reply = await ask(emulator, "", route=route)
            assert (reply.status, reply.document) == (404, {"detail": "Not Found"})
        assert (await ask(emulator, "")).document == {"detail": "Not Found"}


@pytest.mark.parametrize("length", [513, 10_000])
async def test_an_id_too_long(length: int) -> None:
    async with Emulator(1) as emulator:
        reply = await ask(emulator, "x" * length)
    assert reply.status == 422
    (problem,) = msgspec.convert(reply.document["detail"], list[dict[str, object]])
    assert problem["loc"] == ["path", "phone_number_id"]
    assert problem["input"] == "x" * length
    (expected,) = msgspec.convert(captured("422_list")["detail"], list[dict[str, object]])
    assert problem.keys() == expected.keys()


async def test_every_answer_can_be_traced() -> None:
    async def trace_ids() -> list[tuple[str, str]]:
        async with Emulator(2) as emulator, client(emulator) as session:
            segments = (*emulator.ids, *emulator.unknown_ids, "a/b")
            replies = [await ask(emulator, segment, session=session) for segment in segments]
        assert all(reply.headers["x-region"] for reply in replies)
        return [(reply.headers["request-id"], reply.headers["x-trace-id"]) for reply in replies]

    first = await trace_ids()
    assert len(set(first)) == len(first)
    assert all(int(request_id, 16) and len(request_id) == 32 for request_id, _ in first)
    assert await trace_ids() == first


async def test_requests_are_recorded() -> None:
    async with Emulator(1, record=True) as emulator:
        await ask(emulator, f"{emulator.ids[0]}?x=%20", headers={"X-Test": "Yes"})
        await ask(emulator, "nobody%2Fs")
        first, second = emulator.requests
    assert (first.method, first.phone_number_id, first.status) == ("GET", emulator.ids[0], 200)
    assert first.path == f"/v1/convai/phone-numbers/{emulator.ids[0]}?x=%20"
    assert first.headers["x-test"] == "Yes"
    assert first.headers["xi-api-key"] == emulator.api_key
    assert (second.phone_number_id, second.status) == ("nobody/s", 404)
    assert 0 <= first.time <= second.time


async def test_nothing_is_recorded_unless_asked_for() -> None:
    async with Emulator(1) as emulator:
        await ask(emulator, emulator.ids[0])
        assert emulator.requests == []
