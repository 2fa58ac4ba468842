"""One bulk run: ids in, answers kept, with somebody watching."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Generator
from typing import Protocol

import msgspec

from elevenphone import PhoneNumberClient
from elevenphone.cli._background import BackgroundIds
from elevenphone.cli._explanations import short_name
from elevenphone.cli._ids import IdSource
from elevenphone.cli._progress import RunProgress
from elevenphone.cli._tally import Tally
from elevenphone.errors import (
    AuthenticationError,
    DeadlineExceededError,
    ElevenPhoneError,
    InvalidPhoneNumberIdError,
    TransportError,
)
from elevenphone.lookups import Failed, Lookup

_SECONDS_BETWEEN_TICKS = 0.1
# Seconds without an answer from which on that is told.
_SILENCE = 3.0


class Sink(Protocol):
    """Keeps answers."""

    @property
    def is_full(self) -> bool:
        """Whether more must wait for `flush`."""
        ...

    def has(self, index: int, phone_number_id: str) -> bool:
        """Tell whether an id was answered in an earlier run."""
        ...

    def add(self, lookup: Lookup) -> None:
        """Keep an answer, in memory until the next `flush`."""
        ...

    async def flush(self) -> None:
        """Write what is kept, if that is due; called several times a second."""
        ...


class Fetching:
    """Asks for every id of a source that has no answer yet.

    Args:
        client: Used, not closed.
        source: The ids.
        sink: Gets the answers, in the order in which they come.
        tally: Counts them.
        progress: Shows how far it is.
        deadline: Seconds for each lookup.
        grace: Seconds that those in flight get to end when no more are to start.

    Attributes:
        count: Ids read.
        is_complete: Whether every id there is has its answer.
        interrupted: Whether a signal came.
        left_at_once: Whether a second one did, while those in flight were waited for.
        ended_by: What ended it before that, such as a key that is refused.
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
        self._source = source
        self._sink = sink
        self._tally = tally
        self._progress = progress
        self._deadline = deadline
        self._grace = grace
        self._ids: BackgroundIds | None = None
        # The position in the stream of what is being asked, to that in the input.
        self._asked: dict[int, int] = {}
        self._knocking = False
        self._heard = time.monotonic()
        # What the first id met with, until another is answered.
        self._trouble = ""
        self._stopped_at: float | None = None

    async def run(self) -> None:
        """Run to the end, or until a signal, or until it makes no sense to go on.

        Raises:
            ElevenPhoneError: The server does not answer even the first id, or refuses the key.
            InputError: The ids cannot be read.
            OutputError: The answers cannot be written.
        """
        self._ids = BackgroundIds(self._source)
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
        with contextlib.suppress(NotImplementedError):  # Windows: there Ctrl-C cancels the whole
            for number in before:
                loop.add_signal_handler(number, signalled)
        try:
            yield leaving
        finally:
            leaving.cancel()
            with contextlib.suppress(NotImplementedError):
                for number, handler in before.items():
                    loop.remove_signal_handler(number)
                    signal.signal(number, handler)

    def stop(self) -> None:
        """Start no more, and end when those in flight have."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
        if self._ids is not None:
            self._ids.stop()

    async def _consume(self) -> None:
        async with self._client.stream(self._left_to_ask(), deadline=self._deadline) as lookups:
            async for lookup in lookups:
                self._heard = time.monotonic()
                self._trouble = ""
                index = self._asked.pop(lookup.index)
                if isinstance(lookup, Failed) and _ends_run(lookup, lookups.stopped_by):
                    self.ended_by = self.ended_by or lookup.error
                    self.stop()
                    continue
                placed = msgspec.structs.replace(lookup, index=index)
                self._tally.add(placed)
                self._sink.add(placed)
                if self._sink.is_full:
                    await self._sink.flush()

    async def _left_to_ask(self) -> AsyncIterator[str]:
        assert self._ids is not None  # noqa: S101 - made before this is asked for
        position = 0
        knocked = False
        async for phone_number_id in self._ids:
            index = self.count
            self.count += 1
            if self._sink.has(index, phone_number_id):
                continue
            knocked = knocked or await self._knock(phone_number_id)
            self._asked[position] = index
            position += 1
            yield phone_number_id

    async def _knock(self, phone_number_id: str) -> bool:
        """Ask for one id as `get` does, so that a wrong host or key shows at once.

        A bulk run would sit an outage out until the deadline.
        """
        self._knocking = True
        try:
            await self._client.get(phone_number_id)
        except InvalidPhoneNumberIdError:
            return False
        except AuthenticationError:
            raise
        except (TransportError, DeadlineExceededError) as error:
            error.add_note("Not even the first id was answered; `elevenphone doctor` looks closer.")
            raise
        except ElevenPhoneError as error:
            self._trouble = f": {short_name(error)}"  # somebody is there, and will be asked again
        finally:
            self._knocking = False
        return True

    async def _tick(self) -> None:
        """Show and write what there is, until those in flight have had time to end."""
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_TICKS)
            self._progress.update(self._tally, lambda: self._client.stats, self._note())
            await self._sink.flush()
            if self._stopped_at is not None:
                in_flight = self._client.stats.in_flight
                if not in_flight or time.monotonic() - self._stopped_at > self._grace:
                    return

    def _note(self) -> str:
        if self.interrupted:
            return "finishing what is in flight; Ctrl-C again leaves at once"
        if not self._asked and not self._knocking:
            self._heard = time.monotonic()
        silence = time.monotonic() - self._heard
        return f"no lookup has been answered for {silence:.0f} s{self._trouble}" if silence > _SILENCE else ""


def _ends_run(failed: Failed, stopped_by: ElevenPhoneError | None) -> bool:
    """Tell whether this failure is every other id's too: the key's, or of a run that had ended."""
    if isinstance(failed.error, InvalidPhoneNumberIdError):
        return False
    return not failed.attempts or (stopped_by is not None and failed.error.scope == "account")
