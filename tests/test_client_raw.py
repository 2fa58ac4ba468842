"""The raw answer of `get_raw`."""

from __future__ import annotations

import pytest
from client_helpers import NUMBER, play
from stub_transport import After, Hang, Step, answer, found, refused

from elevenphone import (
    ConnectionFailedError,
    DecodeError,
    PhoneNumberClient,
    RateLimitError,
    RequestTimeoutError,
    Response,
    ServerError,
)


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 405, 422, 501])
def test_a_raw_answer_of_any_status_is_returned_unchanged(status: int) -> None:
    body = b'{"any": "thing"}'
    step = Response(status, {"X-Trace-Id": "trace_1", "content-length": str(len(body))}, body)
    raw, played = play([step], lambda client: client.get_raw("phnum_1"))
    assert (raw.status, raw.body, raw.request_id, raw.attempts) == (status, body, "trace_1", 1)
    assert raw.headers == {"x-trace-id": "trace_1", "content-length": str(len(body))}
    assert played.stats.requests == 1


def test_a_raw_lookup_is_retried_like_any_other() -> None:
    raw, played = play(
        [After(1.0, refused(503)), ConnectionFailedError("reset"), After(1.0, found())],
        lambda client: client.get_raw("phnum_1"),
    )
    assert raw.decode() == NUMBER
    assert raw.attempts == played.stats.requests == 3
    assert 2.0 <= raw.elapsed == pytest.approx(played.elapsed)


def test_the_raw_answer_is_that_of_the_last_attempt() -> None:
    raw, _ = play([refused(500), refused(502), refused(503)], lambda client: client.get_raw("phnum_1"))
    assert (raw.status, raw.attempts) == (503, 3)
    with pytest.raises(ServerError) as caught:
        raw.decode()
    assert caught.value.status == 503


def test_a_raw_answer_with_a_retry_after_of_an_hour_is_returned_at_once() -> None:
    raw, played = play([refused(429, retry_after="3600")], lambda client: client.get_raw("phnum_1"))
    assert (raw.status, raw.headers["retry-after"], played.elapsed) == (429, "3600", 0.0)
    with pytest.raises(RateLimitError) as caught:
        raw.decode()
    assert caught.value.retry_after == 3600.0


def test_a_raw_body_that_is_not_a_phone_number_is_returned() -> None:
    raw, _ = play([answer(200, ["not", "a", "number"])], lambda client: client.get_raw("phnum_1"))
    assert raw.body == b'["not", "a", "number"]'
    with pytest.raises(DecodeError):
        raw.decode()


@pytest.mark.parametrize(
    "steps",
    [[ConnectionFailedError("refused")] * 3, [refused(503), ConnectionFailedError("refused"), Hang()]],
    ids=["no answer", "an answer to the first attempt"],
)
def test_a_raw_lookup_raises_if_its_last_attempt_got_no_answer(steps: list[Step]) -> None:
    async def use(client: PhoneNumberClient) -> None:
        with pytest.raises((ConnectionFailedError, RequestTimeoutError)):
            await client.get_raw("phnum_1")

    _, played = play(steps, use)
    assert played.stats.requests == 3
