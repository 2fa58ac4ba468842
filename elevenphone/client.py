"""`PhoneNumberClient`: looks phone numbers up, and lists them."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterable, Awaitable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, cast

from msgspec import UNSET, UnsetType

from elevenphone._configuration import (
    Secret,
    check_cache,
    check_concurrency,
    check_on_retry,
    check_retry,
    check_seconds,
    check_transport,
    resolve_api_key,
    resolve_base_url,
)
from elevenphone._limits.limits import Limits
from elevenphone._lookup.dispatcher import Dispatcher, OnRetry
from elevenphone._lookup.job import Job, Terms
from elevenphone._lookup.single import SingleCaller
from elevenphone._memory.memory import Memory
from elevenphone._protocol.pages import PAGES_PATH, first_query
from elevenphone._protocol.requests import PATH, path_segment
from elevenphone.cache import Cache
from elevenphone.errors import ConfigurationError, DecodeError, StatusError
from elevenphone.listing import Listing
from elevenphone.lookups import Lookup, RawResponse, raw_response
from elevenphone.models import PhoneNumber, decode
from elevenphone.region import Region
from elevenphone.retry import RetryPolicy
from elevenphone.run import REMEMBERED, WINDOW, Run
from elevenphone.stats import ClientStats
from elevenphone.transport import Response, Transport

if TYPE_CHECKING:
    import aiohttp


class PhoneNumberClient:
    """Looks phone numbers up by id, one at a time or in bulk, and lists them.

    One client belongs to one event loop and serves any number of tasks. Make it once,
    for the life of the service. It opens connections when it needs them, and `aclose`
    or `async with` closes them.

    Args:
        api_key: The API key; default: the environment variable `ELEVENLABS_API_KEY`,
            read now.
        region: Selects the host; default: `Region.GLOBAL`.
        base_url: Another address, such as a gateway's, perhaps with a path; default: the
            environment variable `ELEVENLABS_BASE_URL`. Plain `http` is accepted for
            loopback addresses only.
        timeout: Seconds for one attempt, including its body. The wait for a slot does
            not count.
        deadline: Seconds for one lookup from the start of its first attempt, including
            retries and waits; `None` for no deadline.
        retry: How often to retry, and how long to wait before each retry.
        concurrency: The most requests in flight; `None` adapts to what the server accepts.
        rate: The most requests started per second; `None` for no such limit.
        session: Your own session, for proxies, TLS contexts, tracing or middlewares. The
            client uses it and never closes it.
        http: What speaks HTTP: `"httptools"` (needs the extra `speed`), `"aiohttp"`, or
            `"auto"`. With `"auto"`, each request uses httptools if it is installed, you
            have passed no session, and no mock or instrumentation has replaced a method
            of aiohttp's session. Otherwise it uses aiohttp.
        cache: For how long `get` may answer from memory; `None`: it always sends a
            request.
        on_retry: A function that the client calls before each retry. It gets the id
            (`None` for a page of a listing), the number of the attempt that failed, its
            error, and the wait in seconds. It must not block. If it raises an exception,
            the client logs it and goes on.
        transport: Sends the requests instead of aiohttp, for tests or another HTTP
            library. `api_key` and `session` are not used then.

    Raises:
        ConfigurationError: An argument is invalid or conflicts with another. The message
            does not show the key.

    Example:
        ```python
        async with PhoneNumberClient() as client:
            number = await client.get("phnum_01jxaeyg3feh3tmx39d4ky63rd")
            print(number.phone_number, number.label)
        ```
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
        http: Literal["auto", "httptools", "aiohttp"] = "auto",
        cache: Cache | None = None,
        on_retry: OnRetry | None = None,
        transport: Transport | None = None,
    ) -> None:
        key = Secret(api_key)
        del api_key  # from here on, no traceback that shows local variables shows it
        self._base_url = resolve_base_url(region, base_url)
        check_seconds("timeout", timeout, optional=False)
        check_seconds("deadline", deadline)
        check_retry(retry)
        check_concurrency(concurrency)
        check_seconds("rate", rate)
        check_cache(cache)
        check_on_retry(on_retry)
        check_transport(transport)
        self._terms = Terms(self._base_url + PATH, timeout, deadline, retry)
        if transport is None:
            # Not at the top: aiohttp takes longer to import than all the rest, and `decode` needs none of it.
            from elevenphone._http import make_transport  # noqa: PLC0415

            transport = make_transport(resolve_api_key(key), session=session, http=http)
        self._dispatcher = Dispatcher(transport, Limits(concurrency=concurrency, rate=rate), on_retry)
        self._single: SingleCaller | None = None
        self._memory = None if cache is None else Memory(cache, self._dispatcher, self._terms)

    async def get(
        self,
        phone_number_id: str,
        *,
        timeout: float | UnsetType = UNSET,  # noqa: ASYNC109 - bounds an attempt, not this call
        deadline: float | UnsetType | None = UNSET,
        retry: RetryPolicy | UnsetType = UNSET,
        fresh: bool = False,
    ) -> PhoneNumber:
        """Look one number up, or answer from memory if the client has a cache.

        With a cache, equal calls at the same time share one lookup. Each call keeps its
        own deadline, and the lookup goes on until the last of them. A call with its own
        `timeout` or `retry` shares no lookup.

        Args:
            phone_number_id: Its id, such as `phnum_01jxaeyg3feh3tmx39d4ky63rd`.
            timeout: Seconds for one attempt; default: the client's.
            deadline: Seconds for the lookup, `None` for no deadline; default: the client's.
            retry: The retry policy; default: the client's.
            fresh: Whether to send a request even if the client remembers an answer. The
                client remembers the new answer.

        Returns:
            The number.

        Raises:
            InvalidPhoneNumberIdError: The text cannot be an id; nothing was sent.
            StatusError: The server refused the request, or failed; the subclass says why.
            TransportError: No complete answer arrived.
            DecodeError: The answer is not a phone number.
            DeadlineExceededError: `deadline` passed before an answer arrived.
            ConfigurationError: The client is closed, or belongs to another event loop.

        Example:
            ```python
            number = await client.get(phone_number_id, timeout=1.0, deadline=2.0)
            ```
        """
        terms = self._terms_of_call(timeout, deadline, retry)
        if self._memory is not None:
            self._dispatcher.bind()
            if not fresh and (number := self._memory.answer(phone_number_id)) is not None:
                return number
            return await self._memory.ask(phone_number_id, terms, fresh=fresh)
        job = self._job(phone_number_id, terms)
        await self._look_up(job)
        return job.outcome()

    async def get_raw(
        self,
        phone_number_id: str,
        *,
        timeout: float | UnsetType = UNSET,  # noqa: ASYNC109 - bounds an attempt, not this call
        deadline: float | UnsetType | None = UNSET,
        retry: RetryPolicy | UnsetType = UNSET,
    ) -> RawResponse:
        """Look one number up, and return the answer undecoded, with any status.

        Retries are the same as in `get`.

        Args:
            phone_number_id: Its id.
            timeout: Seconds for one attempt; default: the client's.
            deadline: Seconds for the lookup, `None` for no deadline; default: the client's.
            retry: The retry policy; default: the client's.

        Returns:
            The last answer. Its `decode()` returns the number or raises the error of `get`.

        Raises:
            InvalidPhoneNumberIdError: The text cannot be an id; nothing was sent.
            TransportError: No complete answer arrived.
            DeadlineExceededError: `deadline` passed before an answer arrived.
            ConfigurationError: The client is closed, or belongs to another event loop.

        Example:
            ```python
            raw = await client.get_raw(phone_number_id)
            if raw.status == 200:
                archive.write(raw.body)
            ```
        """
        job = self._job(phone_number_id, self._terms_of_call(timeout, deadline, retry))
        await self._look_up(job)
        if job.response is None or not isinstance(job.error, StatusError | DecodeError | None):
            job.outcome()
        return raw_response(cast("Response", job.response), job.attempts, job.elapsed)

    async def gather(
        self, ids: Iterable[str] | AsyncIterable[str], *, deadline: float | None = 300.0
    ) -> builtins.list[Lookup]:
        """Look many numbers up, and return the result of each.

        A lookup that fails raises nothing; it is `Failed`. If the key is refused, the
        quota is used up, or the server is away for longer than `deadline`, the run stops.
        Then the remaining ids are `Failed` with that error, and nothing is sent for them.

        Args:
            ids: Any iterable or async iterable; the client reads it as needed. Equal ids
                take one request.
            deadline: Seconds for each lookup from the start of its first attempt; `None`
                for no deadline.

        Returns:
            One lookup for each id, in the same order.

        Raises:
            ConfigurationError: `ids` is a single id, `deadline` is not a positive number,
                the client is closed, or it belongs to another event loop.
            Exception: The exception that reading `ids` raised.

        Example:
            ```python
            lookups = await client.gather(ids)
            numbers = [lookup.number for lookup in lookups if isinstance(lookup, Found)]
            ```
        """
        async with self._run(ids, deadline, ordered=True, remembered=None, window=float("inf")) as run:
            return await run.collect()

    def stream(
        self,
        ids: Iterable[str] | AsyncIterable[str],
        *,
        ordered: bool = False,
        deadline: float | None = 300.0,
    ) -> Run:
        """Look many numbers up, and iterate over the results as they arrive.

        A stream holds at most 2,000 lookups, whatever the length of the input. If your
        loop is slow, the stream slows down with it.

        Args:
            ids: Any iterable or async iterable; the client reads it as needed. Equal ids
                take one request if they are within a thousand ids of each other.
            ordered: Whether the lookups come in the order of the input instead of the
                order in which they end.
            deadline: Seconds for each lookup from the start of its first attempt; `None`
                for no deadline.

        Returns:
            An async context manager and async iterator. When you leave its block, it
            cancels everything that is under way.

        Raises:
            ConfigurationError: `ids` is a single id, or `deadline` is not a positive number.

        Example:
            ```python
            async with client.stream(ids) as lookups:
                async for lookup in lookups:
                    print(lookup.phone_number_id, lookup.attempts)
            ```
        """
        return self._run(ids, deadline, ordered=ordered, remembered=REMEMBERED, window=WINDOW)

    def list(
        self,
        *,
        search: str | None = None,
        label: str | None = None,
        phone_number: str | None = None,
        provider: Literal["twilio", "exotel", "sip_trunk"] | str | None = None,
        supports_outbound: bool | None = None,
        agent_id: str | None = None,
        branch_id: str | None = None,
        sort_by: Literal["label", "phone_number"] | str | None = None,
        sort_direction: Literal["asc", "desc"] | None = None,
        page_size: int = 100,
        deadline: float = 60.0,
    ) -> Listing:
        """Iterate over the numbers of the key's workspace.

        The client requests a page when the iteration needs it, and retries until the
        page's deadline. Single lookups go first. A number has to match all filters; `None`
        leaves a filter out.

        Args:
            search: A whole id, or a part of the label or of the telephone number.
            label: A part of the label.
            phone_number: The telephone number, such as `+12125550100`.
            provider: The provider's name in the API, such as `twilio`.
            supports_outbound: Whether the number places calls.
            agent_id: The id of the agent that answers the number.
            branch_id: The id of the agent's branch.
            sort_by: The field to sort by; default: the server's own order.
            sort_direction: Ascending or descending; default: the server's choice.
            page_size: Numbers on a page, from 1 to 1,000.
            deadline: Seconds for each page from the start of its first attempt.

        Returns:
            An async iterator of numbers. You may stop early; there is nothing to close.

        Raises:
            ConfigurationError: An argument has a wrong type or is out of range.

        Example:
            ```python
            ids = [number.phone_number_id async for number in client.list()]
            ```
        """
        check_seconds("deadline", deadline, optional=False)
        query = first_query(
            page_size,
            search=search,
            label=label,
            phone_number=phone_number,
            provider=provider,
            supports_outbound=supports_outbound,
            agent_id=agent_id,
            branch_id=branch_id,
            sort_by=sort_by,
            sort_direction=sort_direction,
        )
        prefix = f"{self._base_url}{PAGES_PATH}?"
        return Listing(self._dispatcher, self._terms._replace(prefix=prefix, deadline=deadline), query)

    @property
    def stats(self) -> ClientStats:
        """A snapshot of the client's counters.

        Example:
            ```python
            print(client.stats.requests, client.stats.retries)
            ```
        """
        stats = self._dispatcher.stats()
        return stats if self._memory is None else self._memory.counted(stats)

    def forget(self, phone_number_id: str | UnsetType = UNSET) -> None:
        """Forget one answer, or all. Without a cache this does nothing.

        The client does not remember the answer of a lookup that is under way either, and
        later calls do not share that lookup.

        Args:
            phone_number_id: The id; default: all ids.

        Raises:
            InvalidPhoneNumberIdError: The text cannot be an id.

        Example:
            ```python
            client.forget(phone_number_id)  # your service has changed this number
            ```
        """
        if phone_number_id is not UNSET:
            path_segment(phone_number_id)
        if self._memory is not None:
            self._memory.forget(None if phone_number_id is UNSET else phone_number_id)

    async def aclose(self) -> None:
        """Close the client; a second call does nothing.

        Single lookups that are under way raise a `ConfigurationError` at once. In a run,
        the lookups that have not ended are `Failed` with that error; a run whose source has
        no id ready raises it. The client closes its connections, but not a session that you
        passed, and forgets all answers.
        """
        try:
            await self._dispatcher.aclose()
        finally:
            if self._memory is not None:
                await self._memory.aclose()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        await self.aclose()

    def __repr__(self) -> str:
        # A traceback may show a client whose arguments were refused.
        state = f"{self._base_url}, {self._dispatcher!r}" if hasattr(self, "_dispatcher") else "not made"
        return f"<PhoneNumberClient {state}>"

    def _terms_of_call(
        self,
        timeout: float | UnsetType,
        deadline: float | UnsetType | None,
        retry: RetryPolicy | UnsetType,
    ) -> Terms:
        """Check the arguments of one lookup; nothing has been sent when they are refused."""
        terms = self._terms
        if timeout is UNSET and deadline is UNSET and retry is UNSET:
            return terms
        if timeout is UNSET:
            timeout = terms.timeout
        else:
            check_seconds("timeout", timeout, optional=False)
        if deadline is UNSET:
            deadline = terms.deadline
        else:
            check_seconds("deadline", deadline)
        if retry is UNSET:
            retry = terms.retry
        else:
            check_retry(retry)
        return Terms(terms.prefix, timeout, deadline, retry)

    def _job(self, phone_number_id: str, terms: Terms) -> Job[PhoneNumber]:
        prefix, timeout, deadline, retry = terms
        url = prefix + path_segment(phone_number_id)
        self._dispatcher.bind()
        if self._single is None:
            self._single = SingleCaller(self._dispatcher)
        return Job(self._single, phone_number_id, url, decode, timeout, deadline, retry)

    def _look_up(self, job: Job[PhoneNumber]) -> Awaitable[None]:
        """Look a job up, in a slot that is free now if there is one; to be awaited at once."""
        slots = self._dispatcher.slots
        return self._dispatcher.look_up(job, slots.take_now(slots.singles, fresh=True))

    def _run(
        self,
        ids: Iterable[str] | AsyncIterable[str],
        deadline: float | None,
        *,
        ordered: bool,
        remembered: int | None,
        window: float,
    ) -> Run:
        check_seconds("deadline", deadline)
        if isinstance(ids, str | bytes):
            raise ConfigurationError("ids must be an iterable of ids; call get for a single one")
        terms = self._terms._replace(deadline=deadline)
        return Run(ids, self._dispatcher, terms, ordered=ordered, remembered=remembered, window=window)
