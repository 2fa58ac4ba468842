"""`PhoneNumberClient`: the async session manager, as its users see it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from msgspec import UNSET, UnsetType

from elevenphone._attempts import Attempts, Job
from elevenphone._bulk import REMEMBERED, Run, Supervision
from elevenphone._configuration import (
    Secret,
    check_concurrency,
    check_seconds,
    resolve_api_key,
    resolve_base_url,
)
from elevenphone._limits import Limits
from elevenphone._protocol.answers import parse
from elevenphone._protocol.requests import PATH, path_segment
from elevenphone.errors import (
    AuthenticationError,
    ConfigurationError,
    DeadlineExceededError,
    DecodeError,
    ElevenPhoneError,
    InvalidPhoneNumberIdError,
    RateLimitError,
    ServerError,
    StatusError,
    TransportError,
)
from elevenphone.lookups import Failed, Found, Lookup, RawResponse, raw_response
from elevenphone.models import PhoneNumber
from elevenphone.region import Region
from elevenphone.retry import RetryPolicy
from elevenphone.stats import ClientStats
from elevenphone.transport import Response, Transport

if TYPE_CHECKING:
    import aiohttp


class PhoneNumberClient:
    """Looks phone numbers up by id, one at a time or in bulk.

    One client belongs to one event loop and serves any number of tasks; make it
    once, for the life of the service. It opens its connections at the first
    request, and `aclose` or `async with` closes them.

    Args:
        api_key: The `xi-api-key`; default the variable `ELEVENLABS_API_KEY`, read
            now.
        region: Picks the host; default `Region.GLOBAL`.
        base_url: Any other host, a path prefix kept; default the variable
            `ELEVENLABS_BASE_URL`. Plain `http` is for loopback alone.
        timeout: Seconds for one attempt, its body included, the wait for a place
            in flight excluded.
        deadline: Seconds for one lookup from its first attempt, retries and waits
            included; `None` for none.
        retry: What to try again, and when.
        concurrency: Most requests in flight; `None` adapts to what the server bears.
        rate: Most requests started a second; `None` for no such bound.
        session: Your own session, for proxies, TLS contexts, tracing or
            middlewares; used, never closed.
        http: What speaks HTTP: `"auto"` is httptools where the extra `speed` is
            installed, no session was given and nobody has replaced methods of
            aiohttp's, as mocks and instrumentations do; else aiohttp.
        transport: Sends the requests in place of aiohttp, for tests or another
            HTTP library; takes the place of `api_key` and `session`.

    Raises:
        ConfigurationError: Something here cannot be; the key is not shown.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        region: Region | None = None,
        base_url: str | None = None,
        timeout: float = 10.0,
        deadline: float | None = 60.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - a frozen value
        concurrency: int | None = None,
        rate: float | None = None,
        session: aiohttp.ClientSession | None = None,
        transport: Transport | None = None,
        http: Literal["auto", "httptools", "aiohttp"] = "auto",
    ) -> None:
        key = Secret(api_key)
        del api_key  # from here on, no traceback that shows locals shows it
        self._prefix = resolve_base_url(region, base_url) + PATH
        check_seconds("timeout", timeout, optional=False)
        check_seconds("deadline", deadline)
        check_seconds("rate", rate)
        check_concurrency(concurrency)
        self._timeout = timeout
        self._deadline = deadline
        self._retry = retry
        if transport is None:
            # Not at the top: aiohttp takes longer to import than all the rest, and `decode` needs none of it.
            from elevenphone._http import make_transport  # noqa: PLC0415

            transport = make_transport(resolve_api_key(key), session=session, http=http)
        self._attempts = Attempts(transport, Limits(concurrency=concurrency, rate=rate))

    async def get(
        self,
        phone_number_id: str,
        *,
        timeout: float | UnsetType = UNSET,  # noqa: ASYNC109 - bounds an attempt, not this call
        deadline: float | UnsetType | None = UNSET,
        retry: RetryPolicy | UnsetType = UNSET,
    ) -> PhoneNumber:
        """Look one number up.

        Args:
            phone_number_id: Its id, such as `phnum_01jxaeyg3feh3tmx39d4ky63rd`.
            timeout: Seconds for one attempt; default the client's.
            deadline: Seconds for the lookup, `None` for no bound; default the client's.
            retry: Default the client's.

        Returns:
            The number.

        Raises:
            InvalidPhoneNumberIdError: The id cannot be one; nothing was sent.
            StatusError: The server refused; its subclasses tell why.
            TransportError: No answer came.
            DecodeError: The answer is not a phone number.
            DeadlineExceededError: `deadline` passed during an attempt.
            ConfigurationError: The client is closed, or belongs to another event loop.
        """
        job = self._job(phone_number_id, timeout, deadline, retry)
        return await self._attempts.complete(job, parse)

    async def get_raw(
        self,
        phone_number_id: str,
        *,
        timeout: float | UnsetType = UNSET,  # noqa: ASYNC109 - bounds an attempt, not this call
        deadline: float | UnsetType | None = UNSET,
        retry: RetryPolicy | UnsetType = UNSET,
    ) -> RawResponse:
        """Look one number up, and return the answer's bytes whatever they are.

        Args:
            phone_number_id: Its id.
            timeout: Seconds for one attempt; default the client's.
            deadline: Seconds for the lookup, `None` for no bound; default the client's.
            retry: Default the client's; a passing error is retried as in `get`.

        Returns:
            The last answer. Its status may be any; `.decode()` does what `get` does.

        Raises:
            InvalidPhoneNumberIdError: The id cannot be one; nothing was sent.
            TransportError: No answer came.
            DeadlineExceededError: `deadline` passed during an attempt.
            ConfigurationError: The client is closed, or belongs to another event loop.
        """
        job = self._job(phone_number_id, timeout, deadline, retry)
        answers: list[Response] = []

        def keep_and_parse(response: Response) -> PhoneNumber:
            answers[:] = [response]
            return parse(response)

        with contextlib.suppress(StatusError, DecodeError):  # the caller reads the answer himself
            await self._attempts.complete(job, keep_and_parse)
        return raw_response(answers[0], job.attempts, job.elapsed)

    async def gather(
        self, ids: Iterable[str] | AsyncIterable[str], *, deadline: float | None = 300.0
    ) -> list[Lookup]:
        """Look many numbers up, and return what became of each.

        No lookup's failure is raised. A key that is refused, a quota that is used
        up, or a server that is away for longer than `deadline` ends the run: the
        rest are `Failed` with that error and were never sent.

        Args:
            ids: Any iterable or async iterable, pulled as needed. Equal ids are
                asked once.
            deadline: Seconds for each lookup from its first attempt; `None` for none.

        Returns:
            One lookup for each id, in their order.

        Raises:
            ConfigurationError: The client is closed, or belongs to another event loop.
            Exception: Whatever iterating over `ids` raised.
        """
        async with self._run(ids, deadline, remembered=None) as run:
            return await run.collect()

    def stream(
        self,
        ids: Iterable[str] | AsyncIterable[str],
        *,
        ordered: bool = False,
        deadline: float | None = 300.0,
    ) -> Run:
        """Look many numbers up, and iterate over what becomes of each as it does.

        Holds a bounded number of lookups, whatever the length of the input; a slow
        consumer slows the run down.

        Args:
            ids: Any iterable or async iterable, pulled as needed. Equal ids are
                asked once, as long as they stand within a thousand of each other.
            ordered: Whether to yield in the order of the input rather than as they
                complete.
            deadline: Seconds for each lookup from its first attempt; `None` for none.

        Returns:
            An async context manager around an async iterator. Leaving it ends all
            that is under way.
        """
        return self._run(ids, deadline, ordered=ordered)

    @property
    def stats(self) -> ClientStats:
        """A snapshot of the client's counters."""
        return self._attempts.stats()

    async def aclose(self) -> None:
        """Close the connections; a borrowed session is left open. A second call does nothing."""
        await self._attempts.aclose()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        await self.aclose()

    def _job(
        self,
        phone_number_id: str,
        timeout: float | UnsetType,
        deadline: float | UnsetType | None,
        retry: RetryPolicy | UnsetType,
    ) -> Job:
        if timeout is UNSET:
            timeout = self._timeout
        else:
            check_seconds("timeout", timeout, optional=False)
        if deadline is UNSET:
            deadline = self._deadline
        else:
            check_seconds("deadline", deadline)
        url = self._prefix + path_segment(phone_number_id)
        return Job(url, timeout, deadline, self._retry if retry is UNSET else retry)

    def _run(
        self,
        ids: Iterable[str] | AsyncIterable[str],
        deadline: float | None,
        *,
        ordered: bool = False,
        remembered: int | None = REMEMBERED,
    ) -> Run:
        check_seconds("deadline", deadline)
        if isinstance(ids, str | bytes):
            raise ConfigurationError("ids must be an iterable of ids; for a single one call get")

        async def look_up(index: int, phone_number_id: str, supervision: Supervision) -> Lookup:
            try:
                url = self._prefix + path_segment(phone_number_id)
            except InvalidPhoneNumberIdError as error:
                return Failed(index, str(phone_number_id), 0, 0.0, error.with_traceback(None))
            job = Job(url, self._timeout, deadline, self._retry, supervision)
            try:
                number = await self._attempts.complete(job, parse)
            except ConfigurationError:
                raise  # not this id's fault: closed, or in another event loop
            except ElevenPhoneError as error:
                # Without its traceback, whose frames would outlive the run in a list of a million.
                return Failed(index, phone_number_id, job.attempts, job.elapsed, error.with_traceback(None))
            return Found(index, phone_number_id, job.attempts, job.elapsed, number)

        def ends_run(error: ElevenPhoneError) -> bool:
            return _is_everybodys(error) or (
                # About a lookup's whole deadline without a sign of life: a million would take as many.
                isinstance(error, TransportError | ServerError | DeadlineExceededError)
                and self._attempts.outage_seconds() >= 0.9 * (deadline or math.inf)
            )

        return Run(ids, look_up, self._attempts.vacancy, ends_run, ordered=ordered, remembered=remembered)


def _is_everybodys(error: ElevenPhoneError) -> bool:
    """Tell whether every other id would end in the same error: a key refused, a quota used up."""
    return isinstance(error, AuthenticationError) or (
        isinstance(error, RateLimitError) and error.kind == "quota"
    )
