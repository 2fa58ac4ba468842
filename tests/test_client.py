from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
import virtual_time
from hypothesis import given
from hypothesis import strategies as st
from stub_transport import After, Hang, Script, Step, StubTransport, answer, found, refused

from elevenphone import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodeError,
    ElevenPhoneError,
    InvalidPhoneNumberIdError,
    NotFoundError,
    PermissionDeniedError,
    PhoneNumberClient,
    ProtocolError,
    RateLimitError,
    RequestTimeoutError,
    Response,
    ResponseTooLargeError,
    RetryPolicy,
    ServerError,
    StatusError,
    TwilioPhoneNumber,
    UnprocessableEntityError,
)

_T = TypeVar("_T")
NUMBER = TwilioPhoneNumber(phone_number="+12125550100", label="Main line", phone_number_id="phnum_1")
AT_ONCE = RetryPolicy(wait_initial=0.0)
START = virtual_time.START


class Outcome:
    """What came of one scripted use of a client."""

    def __init__(self, transport: StubTransport, client: PhoneNumberClient, ended: float) -> None:
        self.transport = transport
        self.stats = client.stats
        self.lasted = ended - START
        self.waits = [
            later - sooner for sooner, later in zip(transport.times, transport.times[1:], strict=False)
        ]


def play(
    script: Script,
    use: Callable[[PhoneNumberClient], Awaitable[_T]],
    make: Callable[[StubTransport], PhoneNumberClient] = lambda transport: PhoneNumberClient(
        transport=transport
    ),
) -> tuple[_T, Outcome]:
    """Use a client on a script, in virtual time."""

    async def main() -> tuple[_T, Outcome]:
        transport = StubTransport(script)
        async with make(transport) as client:
            result = await use(client)
            return result, Outcome(transport, client, asyncio.get_running_loop().time())

    return virtual_time.run(main())


def fail(
    script: Script,
    *,
    make: Callable[[StubTransport], PhoneNumberClient] = lambda transport: PhoneNumberClient(
        transport=transport
    ),
) -> tuple[ElevenPhoneError, Outcome]:
    """Look a number up that is not found, in virtual time."""

    async def use(client: PhoneNumberClient) -> ElevenPhoneError:
        with pytest.raises(ElevenPhoneError) as caught:
            await client.get("phnum_1")
        return caught.value

    return play(script, use, make)


async def get(client: PhoneNumberClient) -> object:
    return await client.get("phnum_1")


# Found


def test_a_number_is_found_with_one_request() -> None:
    number, outcome = play([found()], get)
    assert number == NUMBER
    assert outcome.transport.urls == ["https://api.elevenlabs.io/v1/convai/phone-numbers/phnum_1"]
    assert (outcome.stats.requests, outcome.stats.retries, outcome.lasted) == (1, 0, 0.0)


PASSING: dict[str, Step] = {
    "connection": ConnectionFailedError("refused"),
    "timeout": Hang(),
    "cut": Response(200, {}, found().body[:40]),
    "408": refused(408),
    "425": refused(425),
    "429": refused(429, "too_many_concurrent_requests"),
    "429 of no known kind": refused(429),
    "busy": refused(429, "system_busy"),
    "500": refused(500),
    "502": Response(502, {"content-length": "6"}, b"<html>"),
    "503": refused(503),
    "529": refused(529),
}


@pytest.mark.parametrize("step", PASSING.values(), ids=list(PASSING))
def test_what_passes_is_retried_and_found(step: Step) -> None:
    number, outcome = play([step, found()], get)
    assert number == NUMBER
    assert outcome.stats.requests == 2
    assert outcome.stats.retries == 1
    assert outcome.stats.found == 1
    assert outcome.stats.failed == 0


LASTING: dict[str, tuple[Step, type[ElevenPhoneError]]] = {
    "302": (answer(302, headers={"location": "https://elsewhere.example"}), StatusError),
    "400": (refused(400), StatusError),
    "401": (refused(401, "invalid_api_key"), AuthenticationError),
    "401 quota": (refused(401, "quota_exceeded"), AuthenticationError),
    "403": (refused(403), PermissionDeniedError),
    "404": (refused(404, "phone_number_not_found"), NotFoundError),
    "422": (refused(422), UnprocessableEntityError),
    "429 quota": (refused(429, "quota_exceeded"), RateLimitError),
    "501": (refused(501), ServerError),
    "no HTTP": (ProtocolError("garbage"), ProtocolError),
    "too large": (ResponseTooLargeError("too large"), ResponseTooLargeError),
    "null": (answer(200, None)._replace(body=b"null"), DecodeError),
    "not a number": (answer(200, {"provider": "twilio"}), DecodeError),
    "204": (answer(204), DecodeError),
}


@pytest.mark.parametrize(("step", "kind"), LASTING.values(), ids=list(LASTING))
def test_what_lasts_is_raised_after_one_request(step: Step, kind: type[ElevenPhoneError]) -> None:
    error, outcome = fail([step])
    assert type(error) is kind
    assert outcome.stats.requests == 1
    assert outcome.stats.failed == 1
    assert outcome.stats.retries == 0
    assert outcome.lasted == 0.0


def test_a_401_from_retries_on_ends_them() -> None:
    error, outcome = fail([refused(503), refused(401, "invalid_api_key")])
    assert isinstance(error, AuthenticationError)
    assert outcome.stats.requests == 2


def test_the_last_error_is_raised_after_three_tries() -> None:
    error, outcome = fail([refused(503), ConnectionFailedError("refused"), refused(500, "internal", "Oops")])
    assert isinstance(error, ServerError)
    assert (error.status, error.message) == (500, "Oops")
    assert outcome.stats.requests == 3


def test_a_body_that_is_cut_each_time_is_raised_after_three_tries() -> None:
    error, outcome = fail([Response(200, {}, found().body[:40])] * 3)
    assert isinstance(error, DecodeError)
    assert error.truncated
    assert error.status == 200
    assert outcome.stats.requests == 3


# Waits


@given(attempts=st.integers(1, 8), initial=st.floats(0.01, 5), longest=st.floats(0.01, 5))
def test_each_wait_is_within_its_bound(attempts: int, initial: float, longest: float) -> None:
    policy = RetryPolicy(attempts=attempts, wait_initial=initial, wait_max=longest)
    _, outcome = fail(
        [refused(503)] * attempts,
        make=lambda transport: PhoneNumberClient(retry=policy, transport=transport),
    )
    assert len(outcome.waits) == attempts - 1
    for n, wait in enumerate(outcome.waits):
        assert 0 <= wait <= min(longest, initial * 2**n) + 1e-9


def test_waits_differ_from_client_to_client() -> None:
    waits = [fail([refused(503)] * 3)[1].waits[0] for _ in range(5)]
    assert len(set(waits)) == 5


@pytest.mark.parametrize(
    ("headers", "least"),
    [({"retry_after": "7"}, 7.0), ({"retry_after": "0.5"}, 0.5), ({"retry_after_ms": "1500"}, 1.5)],
    ids=str,
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_is_the_one_that_the_server_asked_for(
    status: int, headers: dict[str, str], least: float
) -> None:
    number, outcome = play([refused(status, "system_busy", "", **headers), found()], get)
    assert number == NUMBER
    assert least <= outcome.waits[0] <= least + 0.1 + 1e-9


@pytest.mark.parametrize("wish", ["-1", "nan", "inf", "soon", "Fri, 15 Jan 2021 08:00:00 GMT"])
def test_a_senseless_wish_is_ignored(wish: str) -> None:
    number, outcome = play([refused(503, retry_after=wish), found()], get)
    assert number == NUMBER
    assert outcome.waits[0] <= 0.1


@pytest.mark.parametrize("status", [429, 503])
def test_a_wish_of_an_hour_is_raised_at_once(status: int) -> None:
    error, outcome = fail([refused(status, retry_after="3600")])
    assert isinstance(error, StatusError)
    assert error.status == status
    assert error.retry_after == 3600.0
    assert (outcome.stats.requests, outcome.lasted) == (1, 0.0)


# Timeout and deadline


def test_an_attempt_ends_at_the_timeout() -> None:
    error, outcome = fail(
        [Hang()],
        make=lambda transport: PhoneNumberClient(timeout=4.0, retry=RetryPolicy.none(), transport=transport),
    )
    assert type(error) is RequestTimeoutError
    assert isinstance(error, TimeoutError)
    assert "4 s" in str(error)
    assert outcome.lasted == 4.0
    assert outcome.transport.in_flight == 0


def test_each_attempt_has_the_whole_timeout() -> None:
    number, outcome = play(
        [After(3.9, refused(503)), After(3.9, refused(503)), After(3.9, found())],
        get,
        lambda transport: PhoneNumberClient(timeout=4.0, retry=AT_ONCE, transport=transport),
    )
    assert number == NUMBER
    assert outcome.lasted == pytest.approx(11.7)


def test_an_attempt_cut_by_the_deadline_is_told_apart_from_a_timeout() -> None:
    error, outcome = fail(
        [Hang()], make=lambda transport: PhoneNumberClient(timeout=10.0, deadline=3.0, transport=transport)
    )
    assert type(error) is DeadlineExceededError
    assert error.last_error is None
    assert outcome.lasted == 3.0
    assert outcome.stats.failed == 1


def test_a_deadline_tells_what_the_attempt_before_ended_with() -> None:
    error, outcome = fail(
        [refused(503, "unavailable", "Back soon"), Hang()],
        make=lambda transport: PhoneNumberClient(timeout=10.0, deadline=3.0, transport=transport),
    )
    assert isinstance(error, DeadlineExceededError)
    assert isinstance(error.last_error, ServerError)
    assert error.last_error.message == "Back soon"
    assert "Back soon" in str(error)
    assert outcome.lasted == pytest.approx(3.0)
    assert outcome.stats.requests == 2


def test_the_deadline_counts_from_the_first_attempt() -> None:
    async def use(client: PhoneNumberClient) -> float:
        await asyncio.sleep(100)
        with pytest.raises(DeadlineExceededError):
            await client.get("phnum_1")
        return asyncio.get_running_loop().time() - START

    ended, _ = play([Hang()], use, lambda transport: PhoneNumberClient(deadline=3.0, transport=transport))
    assert ended == 103.0


def test_the_time_in_the_queue_counts_for_neither_timeout_nor_deadline() -> None:
    async def use(client: PhoneNumberClient) -> list[object]:
        return await asyncio.gather(*(client.get("phnum_1") for _ in range(20)))

    numbers, outcome = play(
        lambda _url: After(0.9, found()),
        use,
        lambda transport: PhoneNumberClient(timeout=1.0, deadline=1.0, concurrency=2, transport=transport),
    )
    assert numbers == [NUMBER] * 20
    assert outcome.transport.peak_in_flight == 2
    assert outcome.lasted == pytest.approx(9.0)


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_would_pass_the_deadline_is_raised_at_once_instead(status: int) -> None:
    error, outcome = fail(
        [refused(status, "word", "Later", retry_after="20")],
        make=lambda transport: PhoneNumberClient(deadline=15.0, transport=transport),
    )
    assert isinstance(error, StatusError)
    assert (error.status, error.retry_after, error.message) == (status, 20.0, "Later")
    assert (outcome.stats.requests, outcome.lasted) == (1, 0.0)


@given(
    timeout=st.floats(0.1, 20),
    deadline=st.none() | st.floats(0.1, 20),
    steps=st.lists(
        st.sampled_from(
            [Hang(), refused(503), refused(429, retry_after="2"), ConnectionFailedError("reset"), found()]
        )
        | st.builds(After, st.floats(0, 20), st.sampled_from([refused(503), found(), refused(404)])),
        min_size=3,
        max_size=3,
    ),
)
def test_no_lookup_outlives_its_deadline_nor_an_attempt_its_timeout(
    timeout: float, deadline: float | None, steps: list[Step]
) -> None:
    async def use(client: PhoneNumberClient) -> ElevenPhoneError | None:
        try:
            await client.get("phnum_1")
        except ElevenPhoneError as error:
            return error
        return None

    error, outcome = play(
        steps,
        use,
        lambda transport: PhoneNumberClient(timeout=timeout, deadline=deadline, transport=transport),
    )
    assert outcome.lasted <= (deadline or 1e9) + 1e-6
    assert outcome.lasted <= 3 * timeout + 2 * 2.1 + 1e-6
    assert 1 <= outcome.stats.requests <= 3
    assert outcome.stats.in_flight == outcome.transport.in_flight == 0
    if isinstance(error, DeadlineExceededError):
        assert outcome.lasted == pytest.approx(deadline)
        assert (error.last_error is None) == (outcome.stats.requests == 1)
    if deadline is not None and deadline < timeout and steps[0] == Hang():
        assert isinstance(error, DeadlineExceededError)


def test_without_a_deadline_only_the_tries_end_a_lookup() -> None:
    error, outcome = fail(
        [Hang(), Hang(), Hang()],
        make=lambda transport: PhoneNumberClient(timeout=1_000.0, deadline=None, transport=transport),
    )
    assert type(error) is RequestTimeoutError
    assert 3_000 <= outcome.lasted < 3_001


# The quota of retries


def test_retries_of_a_broken_server_end_with_the_quota() -> None:
    async def use(client: PhoneNumberClient) -> None:
        for _ in range(200):
            with pytest.raises(ServerError):
                await client.get("phnum_1")

    _, outcome = play(
        lambda _url: refused(500),
        use,
        lambda transport: PhoneNumberClient(retry=AT_ONCE, transport=transport),
    )
    assert outcome.stats.retries == 100
    assert outcome.stats.requests == 300
    assert outcome.stats.failed == 200


def test_successes_earn_the_quota_back() -> None:
    broken = True

    async def use(client: PhoneNumberClient) -> int:
        nonlocal broken
        for _ in range(100):
            with pytest.raises(ServerError):
                await client.get("phnum_1")
        broken = False
        for _ in range(10):
            await client.get("phnum_1")
        broken = True
        before = client.stats.requests
        with pytest.raises(ServerError):
            await client.get("phnum_1")
        return client.stats.requests - before

    tries, _ = play(
        lambda _url: refused(500) if broken else found(),
        use,
        lambda transport: PhoneNumberClient(retry=AT_ONCE, transport=transport),
    )
    assert tries == 3


# Settings of one call


def test_a_call_may_have_a_timeout_of_its_own() -> None:
    async def use(client: PhoneNumberClient) -> float:
        with pytest.raises(RequestTimeoutError, match="2 s"):
            await client.get("phnum_1", timeout=2.0, retry=RetryPolicy.none())
        return asyncio.get_running_loop().time() - START

    assert play([Hang()], use)[0] == 2.0


def test_a_call_may_have_a_deadline_of_its_own_or_none() -> None:
    async def use(client: PhoneNumberClient) -> float:
        with pytest.raises(DeadlineExceededError):
            await client.get("phnum_1", deadline=2.0)
        await client.get("phnum_1", deadline=None)
        return asyncio.get_running_loop().time() - START

    lasted, _ = play(
        [Hang(), After(9.0, found())],
        use,
        lambda transport: PhoneNumberClient(deadline=5.0, transport=transport),
    )
    assert lasted == 11.0


def test_a_call_may_have_a_policy_of_its_own() -> None:
    async def use(client: PhoneNumberClient) -> None:
        with pytest.raises(ServerError):
            await client.get("phnum_1", retry=RetryPolicy(attempts=5))
        with pytest.raises(ServerError):
            await client.get("phnum_1", retry=RetryPolicy.none())
        with pytest.raises(ServerError):
            await client.get("phnum_1")

    _, outcome = play(
        lambda _url: refused(500),
        use,
        lambda transport: PhoneNumberClient(retry=RetryPolicy(attempts=2), transport=transport),
    )
    assert outcome.stats.requests == 5 + 1 + 2


# The raw answer


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 405, 422, 501])
def test_a_raw_answer_of_any_status_is_returned_as_it_came(status: int) -> None:
    body = b'{"any": "thing"}'
    step = Response(status, {"X-Trace-Id": "trace_1", "content-length": str(len(body))}, body)
    raw, outcome = play([step], lambda client: client.get_raw("phnum_1"))
    assert (raw.status, raw.body, raw.request_id, raw.attempts) == (status, body, "trace_1", 1)
    assert raw.headers == {"x-trace-id": "trace_1", "content-length": str(len(body))}
    assert outcome.stats.requests == 1


def test_a_raw_answer_has_had_the_same_retries() -> None:
    raw, outcome = play(
        [After(1.0, refused(503)), ConnectionFailedError("reset"), After(1.0, found())],
        lambda client: client.get_raw("phnum_1"),
    )
    assert raw.decode() == NUMBER
    assert raw.attempts == outcome.stats.requests == 3
    assert 2.0 <= raw.elapsed == pytest.approx(outcome.lasted)


def test_the_last_of_several_raw_answers_is_returned() -> None:
    raw, _ = play([refused(500), refused(502), refused(503)], lambda client: client.get_raw("phnum_1"))
    assert (raw.status, raw.attempts) == (503, 3)
    with pytest.raises(ServerError) as caught:
        raw.decode()
    assert caught.value.status == 503


def test_a_raw_answer_that_asks_for_an_hour_is_returned_at_once() -> None:
    raw, outcome = play([refused(429, retry_after="3600")], lambda client: client.get_raw("phnum_1"))
    assert (raw.status, raw.headers["retry-after"], outcome.lasted) == (429, "3600", 0.0)
    with pytest.raises(RateLimitError) as caught:
        raw.decode()
    assert caught.value.retry_after == 3600.0


def test_a_raw_body_that_is_no_number_is_returned() -> None:
    raw, _ = play([answer(200, ["not", "a", "number"])], lambda client: client.get_raw("phnum_1"))
    assert raw.body == b'["not", "a", "number"]'
    with pytest.raises(DecodeError):
        raw.decode()


@pytest.mark.parametrize(
    "steps",
    [[ConnectionFailedError("refused")] * 3, [refused(503), ConnectionFailedError("refused"), Hang()]],
    ids=["no answer ever", "an answer at first"],
)
def test_where_the_last_attempt_has_no_answer_there_is_no_raw_one(steps: list[Step]) -> None:
    async def use(client: PhoneNumberClient) -> None:
        with pytest.raises((ConnectionFailedError, RequestTimeoutError)):
            await client.get_raw("phnum_1")

    _, outcome = play(steps, use)
    assert outcome.stats.requests == 3


# Refused before anything is sent


@pytest.mark.parametrize(
    "phone_number_id", ["", " ", ".", "..", "a\nb", "a" * 257, "\ud800", None, 5, b"phnum_1"]
)
def test_an_id_that_cannot_be_one_sends_nothing(phone_number_id: str) -> None:
    async def use(client: PhoneNumberClient) -> None:
        for look_up in (client.get, client.get_raw):
            with pytest.raises(InvalidPhoneNumberIdError):
                await look_up(phone_number_id)

    _, outcome = play([], use)
    assert outcome.stats.requests == 0


def test_a_closed_client_says_so_and_sends_nothing() -> None:
    async def main() -> StubTransport:
        transport = StubTransport([found()])
        client = PhoneNumberClient(transport=transport)
        await client.get("phnum_1")
        await client.aclose()
        await client.aclose()
        for look_up in (client.get, client.get_raw):
            with pytest.raises(ConfigurationError, match="closed"):
                await look_up("phnum_1")
        return transport

    transport = virtual_time.run(main())
    assert transport.requests == 1
    assert transport.closed >= 1


def test_a_client_is_closed_when_its_block_is_left_by_an_exception() -> None:
    async def main() -> StubTransport:
        transport = StubTransport([])
        with pytest.raises(LookupError):
            async with PhoneNumberClient(transport=transport):
                raise LookupError
        return transport

    assert virtual_time.run(main()).closed == 1


def test_a_client_says_that_it_belongs_to_another_event_loop() -> None:
    transport = StubTransport([found()])
    client = PhoneNumberClient(transport=transport)

    async def use() -> object:
        return await client.get("phnum_1")

    assert virtual_time.run(use()) == NUMBER
    with pytest.raises(ConfigurationError, match=r"another event loop.*one client in each"):
        virtual_time.run(use())
    assert transport.requests == 1
    virtual_time.run(client.aclose())


def test_a_client_may_be_made_before_there_is_an_event_loop() -> None:
    client = PhoneNumberClient(transport=StubTransport([found()]))

    async def use() -> object:
        async with client:
            return await client.get("phnum_1")

    assert virtual_time.run(use()) == NUMBER


# Counters, and cancellation


def test_the_counters_tell_what_was_done() -> None:
    async def use(client: PhoneNumberClient) -> None:
        await client.get("phnum_1")
        with pytest.raises(NotFoundError):
            await client.get("phnum_2")
        await client.get("phnum_3")

    _, outcome = play([found(), refused(404), refused(429, "system_busy"), refused(503), found()], use)
    stats = outcome.stats
    assert (stats.requests, stats.retries, stats.found, stats.failed, stats.throttled) == (5, 2, 2, 1, 1)
    assert stats.in_flight == 0
    assert stats.connections_opened == 0


def test_the_counters_are_a_snapshot() -> None:
    async def use(client: PhoneNumberClient) -> tuple[int, int, int]:
        before = client.stats
        task = asyncio.ensure_future(client.get("phnum_1"))
        await asyncio.sleep(1)
        during = client.stats
        await task
        return before.requests, before.in_flight, during.in_flight

    (requests, before, during), outcome = play([After(2.0, found())], use)
    assert (requests, before, during) == (0, 0, 1)
    assert outcome.stats.in_flight == 0


def test_the_concurrency_limit_is_shown() -> None:
    _, outcome = play([found()], get, lambda transport: PhoneNumberClient(concurrency=7, transport=transport))
    assert outcome.stats.concurrency_limit == 7


@pytest.mark.parametrize(
    "script",
    [[Hang()], [refused(503, retry_after="30")]],
    ids=["while it is answered", "while it waits to ask again"],
)
def test_a_cancelled_lookup_leaves_nothing_behind(script: list[Step]) -> None:
    async def use(client: PhoneNumberClient) -> int:
        task = asyncio.ensure_future(client.get("phnum_1"))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(asyncio.all_tasks())

    tasks, outcome = play(script, use)
    assert tasks == 1
    assert outcome.stats.in_flight == outcome.transport.in_flight == 0
    assert outcome.lasted == 1.0


def test_a_lookup_cancelled_in_the_queue_leaves_its_place_to_the_next() -> None:
    async def use(client: PhoneNumberClient) -> object:
        first = asyncio.ensure_future(client.get("first"))
        second = asyncio.ensure_future(client.get("second"))
        third = asyncio.ensure_future(client.get("third"))
        await asyncio.sleep(1)
        second.cancel()
        await asyncio.gather(first, third)
        return second.cancelled()

    cancelled, outcome = play(
        lambda _url: After(2.0, found()),
        use,
        lambda transport: PhoneNumberClient(concurrency=1, transport=transport),
    )
    assert cancelled is True
    assert [url.rpartition("/")[2] for url in outcome.transport.urls] == ["first", "third"]
    assert outcome.lasted == 4.0


def test_the_caller_s_own_timeout_is_not_mistaken_for_the_client_s() -> None:
    async def use(client: PhoneNumberClient) -> None:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(2):
                await client.get("phnum_1")
        assert not isinstance(caught.value, ElevenPhoneError)

    _, outcome = play([Hang()], use)
    assert outcome.stats.requests == 1
    assert outcome.lasted == 2.0


def test_the_log_tells_of_attempts_that_failed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "elevenphone")
    play([refused(503, "unavailable", "Back soon"), found()], get)
    assert any("attempt 1" in message and "Back soon" in message for message in caplog.messages)
