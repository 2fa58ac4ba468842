"""`Listing`: the numbers of a workspace, as `client.list` returns them."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import cast

from msgspec.structs import replace

from elevenphone._bulk.caller import BulkCaller
from elevenphone._json import SNIPPET_BYTES
from elevenphone._lookup.dispatcher import Dispatcher
from elevenphone._lookup.job import Job, Terms
from elevenphone._protocol.pages import Page, decode_element, decode_page, next_query
from elevenphone.errors import DecodeError, ElevenPhoneError
from elevenphone.models import PhoneNumber
from elevenphone.transport import Response


class Listing(AsyncIterator[PhoneNumber]):
    """The numbers of a workspace: an async iterator that requests a page when it needs one.

    `PhoneNumberClient.list` returns it. It holds one page and has no task of its own, so
    you may stop at any number, and there is nothing to close. If an iteration is cancelled
    while it waits for a page, the next step requests the same page.

    Example:
        ```python
        async for number in client.list(provider="twilio"):
            print(number.phone_number_id, number.phone_number)
        ```
    """

    def __init__(self, dispatcher: Dispatcher, terms: Terms, query: str) -> None:
        self._dispatcher = dispatcher
        self._terms = terms
        if terms.retry.attempts > 1:
            # There is no next page without this one, so it gets as many attempts as its deadline allows.
            self._terms = terms._replace(retry=replace(terms.retry, attempts=sys.maxsize))
        self._query = query
        self._page: Page | None = None
        self._status = 0
        self._snippet = b""
        self._asked = 0.0  # the moment at which the page was requested
        self._taken = 0  # elements of the page
        self._cursors: set[str | None] = set()  # the cursors of all pages so far
        self._is_over = self._is_busy = False

    async def __anext__(self) -> PhoneNumber:
        """Return the next number, after a request for the next page if necessary.

        All errors except for `FaultyElementError` end the listing.

        Raises:
            StopAsyncIteration: There are no more numbers, or an error has ended the listing.
            FaultyElementError: One element is not a phone number; the next step returns the
                next number.
            StatusError: The server refused the page, or failed until the deadline.
            TransportError: No complete answer arrived.
            DecodeError: The answer is not a page, or the listing would never end: a cursor
                repeats or is missing, or a page is empty although more are to follow.
            DeadlineExceededError: The page's deadline passed.
            ConfigurationError: The client is closed, or belongs to another event loop.
            RuntimeError: Another task is waiting for the next number.
        """
        if self._is_busy:
            raise RuntimeError(
                "another task waits for a number of this listing: make one listing for each task"
            )
        while (page := self._page) is None or self._taken == len(page.phone_numbers):
            if self._is_over or (page is not None and not page.has_more):
                raise StopAsyncIteration
            self._is_busy = True
            try:
                await self._turn_page()
            except ElevenPhoneError:
                self._is_over = True
                raise
            finally:
                self._is_busy = False
        self._taken += 1
        number = decode_element(page, self._taken - 1, self._status)
        if (store := self._dispatcher.store) is not None:
            store.refresh(number.phone_number_id, number, self._asked)
        return number

    async def _turn_page(self) -> None:
        """Replace the page, whose numbers have all been returned, by the next one."""
        cursor = None if self._page is None else self._cursor_after(self._page)
        job = await self._request(self._query if cursor is None else next_query(self._query, cursor))
        self._page = job.outcome()
        response = cast("Response", job.response)
        self._status, self._snippet = response.status, response.body[:SNIPPET_BYTES]
        self._asked, self._taken = job.asked, 0
        self._cursors.add(cursor)

    def _cursor_after(self, page: Page) -> str:
        """Return the cursor of the next page, unless the listing would never end."""
        path = "$.next_cursor"
        if not page.phone_numbers:
            path, problem = "$.phone_numbers", "the page is empty, but has_more is true"
        elif not page.next_cursor:
            problem = "there is no next_cursor, but has_more is true"
        elif page.next_cursor in self._cursors:
            problem = "next_cursor leads back to a page that this listing has had before"
        else:
            return page.next_cursor
        raise DecodeError(f"{problem}, so the listing cannot go on", path, self._status, self._snippet)

    async def _request(self, query: str) -> Job[Page]:
        """Look one page up, in a lane that is closed afterwards."""
        dispatcher = self._dispatcher
        dispatcher.bind()
        prefix, timeout, deadline, retry = self._terms
        lane = dispatcher.slots.open_lane(())
        job = Job(BulkCaller(dispatcher, lane), None, prefix + query, decode_page, timeout, deadline, retry)
        try:
            await dispatcher.look_up(job)
        finally:
            dispatcher.slots.close_lane(lane)
        return job

    def __repr__(self) -> str:
        return f"<Listing {self._query}, {'over' if self._is_over else 'under way'}>"
