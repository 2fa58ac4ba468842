"""One bulk run: ids in, answers kept, progress shown."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Generator

import msgspec

from elevenphone import PhoneNumberClient
from elevenphone.cli.errors import ends_run, short_name, telephone_number_error
from elevenphone.cli.fetch.background import BackgroundIds
from elevenphone.cli.fetch.sinks import Sink
from elevenphone.cli.formats.ids import IdSource
from elevenphone.cli.show.results import Tally, look_up
from elevenphone.cli.show.runs import RunProgress
from elevenphone.errors import ElevenPhoneError, StatusError
from elevenphone.lookups import Failed, Lookup

_SECONDS_BETWEEN_TICKS = 0.1
_SECONDS_BETWEEN_ANSWERS, _SECONDS_BUSY = 0.005, 0.001
# Seconds without an answer before the progress says so.
_SILENCE = 3.0


class Fetching:
    """Asks for every id of a source that has no answer yet; made within the event loop.

    Args:
        client: Used, not closed.
        source: The ids.
        sink: Gets the answers, in the order in which they come.
        tally: Counts them.
        progress: Shows the counts.
        deadline: Seconds for each lookup.
        grace: Seconds that requests in flight get to end once no more are to start.

    Attributes:
        count: Ids read.
        is_complete: Whether every id has its answer.
        interrupted: Whether a signal came.
        left_at_once: Whether a second signal came while requests in flight were waited for.
        ended_by: The error that ended the run early, such as a refused key.
    """

    def __init__(
        self,
        client: PhoneNumberClient,
        source: IdSource,
        sink: Sink,
        tally: Tally,
        progress: RunProgress,
        *,
        deadline: float,
        grace: float,
    ) -> None:
        self.count = 0
        self.is_complete = False
        self.interrupted = False
        self.left_at_once = False
        self.ended_by: ElevenPhoneError | None = None
        self._client = client
        self._sink = sink
        self._tally = tally
        self._progress = progress
        self._deadline = deadline
        self._grace = grace
        self._ids = BackgroundIds(source)
        # The position in the stream of each id in flight, to that in the input.
        self._asked: dict[int, int] = {}
        self._first: Lookup | None = None
        self._has_asked = False
        self._heard = time.monotonic()
        # The failure of the first id, until another is answered.
        self._trouble = ""
        self._stopped_at: float | None = None

    async def run(self) -> None:
        """Run to the end, or until a signal or an error ends it.

        Raises:
            ElevenPhoneError: The server does not answer even the first id, or refuses the key.
            InputError: The ids cannot be read.
            OutputError: The answers cannot be written.
        """
        with self._signals() as leaving, self._progress:
            tasks = {asyncio.create_task(self._consume()), asyncio.create_task(self._tick())}
            try:
                await asyncio.wait({*tasks, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome
        self.is_complete = self._ids.ended and not self._asked and self.ended_by is None

    @contextlib.contextmanager
    def _signals(self) -> Generator[asyncio.Future[None]]:
        """Let the first signal stop the run, and the second end it at once."""
        loop = asyncio.get_running_loop()
        leaving = loop.create_future()

        def signalled() -> None:
            if not self.interrupted:
                self.interrupted = True
                self.stop()
            elif not leaving.done():
                self.left_at_once = True
                leaving.set_result(None)

        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        with contextlib.suppress(NotImplementedError):  # Windows: there Ctrl-C cancels the main task
            for number in before:
                loop.add_signal_handler(number, signalled)
        try:
            yield leaving
        finally:
            leaving.cancel()
            with contextlib.suppress(NotImplementedError):
                for number, handler in before.items():
                    loop.remove_signal_handler(number)
                    # What is left of an interrupted run is to keep the last answers, and to say how to go on.
                    is_brief = self.left_at_once or (self.interrupted and not self._sink.may_block)
                    signal.signal(number, signal.SIG_IGN if is_brief else handler)

    def stop(self) -> None:
        """Start no more, and end when the requests in flight have ended."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
            self._ids.stop()

    async def _consume(self) -> None:
        busy_until = 0.0
        async with self._client.stream(self._left_to_ask(), deadline=self._deadline) as lookups:
            async for lookup in lookups:
                self._heard = time.monotonic()
                if self._heard > busy_until:
                    # To be woken for each answer would take a fifth of the run's time.
                    await asyncio.sleep(_SECONDS_BETWEEN_ANSWERS)
                    busy_until = time.monotonic() + _SECONDS_BUSY
                self._trouble = ""
                index = self._asked.pop(lookup.index)
                if isinstance(lookup, Failed) and ends_run(lookup, lookups.stopped_by):
                    self.ended_by = self.ended_by or lookup.error
                    self.stop()
                    continue
                self._keep(lookup if lookup.index == index else msgspec.structs.replace(lookup, index=index))
                if self._sink.is_full:
                    await self._sink.flush()

    def _keep(self, lookup: Lookup) -> None:
        self._tally.add(lookup)
        self._sink.add(lookup)

    async def _left_to_ask(self) -> AsyncIterator[str]:
        position = 0
        async for batch in self._ids.batches():
            for phone_number_id in batch:
                if self._stopped_at is not None:
                    return
                index = self.count
                self.count += 1
                if self._sink.has(index, phone_number_id):
                    continue
                if (known := self._known(phone_number_id)) is not None:
                    self._keep(msgspec.structs.replace(known, index=index))
                    continue
                self._asked[position] = index
                if not self._has_asked and await self._ask_first(phone_number_id, index):
                    del self._asked[position]
                    continue
                position += 1
                yield phone_number_id

    def _known(self, phone_number_id: str) -> Lookup | None:
        """Return the answer to an id that need not be asked for, if it is one."""
        if (error := telephone_number_error(phone_number_id)) is not None:
            return Failed(0, phone_number_id, 0, 0.0, error)
        if self._first is not None and self._first.phone_number_id == phone_number_id:
            return self._first
        return None

    async def _ask_first(self, phone_number_id: str, index: int) -> bool:
        """Ask for one id as `get` does, so that a wrong host or key shows at once.

        A bulk run would wait for an outage to end until the deadline.

        Returns:
            Whether the answer stands; else the bulk run asks again.

        Raises:
            ElevenPhoneError: There was no answer, or one that every other id would get.
        """
        self._has_asked = True
        first = await look_up(self._client, phone_number_id, index)
        if isinstance(first, Failed):
            error = first.error
            if error.retryable and not isinstance(error, StatusError):
                error.add_note("Not even the first id was answered; `elevenphone doctor` looks closer.")
                raise error
            if error.scope == "account":
                raise error
            if error.retryable:
                self._trouble = f": {short_name(error)}"  # the server is there, and is asked again
                return False
            self._has_asked = first.attempts > 0  # nothing was sent for an id that cannot be one
        self._first = first
        self._keep(first)
        return True

    async def _tick(self) -> None:
        """Show and write what there is, until those in flight have had time to end."""
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_TICKS)
            self._progress.update(self._tally, self._client.stats, self._note())
            await self._sink.flush()
            if self._stopped_at is not None:
                in_flight = self._client.stats.in_flight
                if not in_flight or time.monotonic() - self._stopped_at > self._grace:
                    return

    def _note(self) -> str:
        if self.interrupted:
            return "finishing the requests in flight; Ctrl-C again leaves at once"
        if not self._asked:
            self._heard = time.monotonic()
        silence = time.monotonic() - self._heard
        if silence > _SILENCE:
            return f"no lookup has been answered for {silence:.0f} s{self._trouble}"
        if self._client.stats.held_by_queue:
            limit = self._client.stats.concurrency_limit
            return f"the server works on about {limit} at once; more would only wait there"
        return ""
