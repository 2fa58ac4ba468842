"""The work of `elevenphone fetch`."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click

from elevenphone import PhoneNumberClient
from elevenphone.cli._event_loop import run
from elevenphone.cli._exit_codes import ExitCode, OutputError, Refusal
from elevenphone.cli._explanations import Complaints
from elevenphone.cli._export import export
from elevenphone.cli._fetching import Fetching, Sink
from elevenphone.cli._ids import IdSource
from elevenphone.cli._journal import ChangedError, Header, Journal
from elevenphone.cli._options import Connection
from elevenphone.cli._output import require_directory
from elevenphone.cli._progress import RunProgress, run_progress
from elevenphone.cli._rendering import error_console
from elevenphone.cli._stream import StreamSink
from elevenphone.cli._summary import headline, outcome_table
from elevenphone.cli._tally import Tally
from elevenphone.cli._target import Target, rows_of
from elevenphone.cli._text import counted, printable
from elevenphone.errors import ElevenPhoneError


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to fetch, and where to.

    Attributes:
        source: The ids.
        target: Where the answers go.
        failures: Where what failed goes too, as JSONL; `None` for nowhere.
        resume: Whether to go on with a journal.
        force: Whether to start over, and overwrite.
        quiet: Whether to show neither progress nor summary.
    """

    source: IdSource
    target: Target
    failures: Path | None
    resume: bool
    force: bool
    quiet: bool


def run_fetch(connection: Connection, client: PhoneNumberClient, order: Order) -> int:
    """Look all ids up, and write what became of each.

    Args:
        connection: How the client was made.
        client: Closed afterwards.
        order: What to do.

    Returns:
        The exit code.

    Raises:
        Refusal: Something stands in the way that the user has to decide.
        OutputError: Something cannot be written.
        ElevenPhoneError: What ended the run before its end; what was answered is kept.
        KeyboardInterrupt: A signal did.
    """
    # Outside of the event loop both signals are the same too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _check_places(order)
    session = _Session(connection, client, order)
    return session.to_stream() if order.target.path is None or order.target.is_stream else session.to_file()


def _check_places(order: Order) -> None:
    """Refuse to overwrite what was not said to be overwritten."""
    target, force = order.target, order.force
    if target.is_stream:
        if order.resume:
            raise Refusal("a stream cannot be gone on with: give a file, or leave --resume out.")
    elif target.path is not None and target.path.exists() and not force:
        if not order.resume:
            again = "; --resume asks again for what failed" if target.journal.exists() else ""
            raise Refusal(f"'{target.path}' exists: give --force to overwrite it{again}.")
        if not target.journal.exists():
            raise Refusal(f"nothing to resume: '{target.path}' is finished. --force starts over.")
    if order.failures is not None:
        require_directory(order.failures)
        if order.failures.exists() and not order.failures.is_file():
            raise Refusal(f"'{order.failures}' is no file: --failures needs one.")
        if order.failures.exists() and not (force or order.resume):
            raise Refusal(f"'{order.failures}' exists: give --force to overwrite it.")


class _Session:
    """One call of the command.

    Attributes:
        tally: What has been answered, in earlier runs too.
    """

    def __init__(self, connection: Connection, client: PhoneNumberClient, order: Order) -> None:
        self.tally = Tally()
        self._connection = connection
        self._client = client
        self._order = order
        self._before = 0
        self._seconds = 0.0

    def to_file(self) -> int:
        """Fetch into a journal, and make the file of that."""
        target = self._order.target
        make_rows = rows_of(target.format)
        survey = self._order.source.survey() if self._order.source.is_file() else None
        header = Header.of(self._connection.address(), survey)
        journal = Journal(target.journal)
        try:
            self._open(journal, header)
            with self._telling_what_is_kept(journal):
                try:
                    fetching = self._fetch(journal, None if survey is None else survey.size)
                finally:
                    journal.finish()
                if not fetching.is_complete:
                    self._end_early(fetching)
                if journal.count > fetching.count:
                    raise ChangedError("the input has changed: it has fewer ids than when the run was begun.")
                results = export(
                    journal, fetching.count, Path(target.path or ""), make_rows, self._order.failures
                )
            if not results.passing:
                journal.remove()
        finally:
            journal.close()
        self._show(results.tally, results.complaints)
        if results.passing:
            self._say(
                f"{counted(results.passing, 'id')} failed for a reason that may pass. To ask again:\n"
                f"  {_resume_command()}"
            )
        return ExitCode.ALL_FOUND if results.tally.found == results.tally.done else ExitCode.SOME_FAILED

    def to_stream(self) -> int:
        """Fetch, and write as the answers come."""
        order = self._order
        survey = order.source.survey() if order.source.is_file() else None
        with StreamSink(order.target.path, order.failures) as sink:
            fetching = self._fetch(sink, None if survey is None else survey.size)
        self._show(self.tally, sink.complaints)
        if not fetching.is_complete:
            self._end_early(fetching)
        return ExitCode.ALL_FOUND if self.tally.found == self.tally.done else ExitCode.SOME_FAILED

    def _open(self, journal: Journal, header: Header) -> None:
        if journal.is_empty or self._order.force:
            journal.begin(header)
        elif self._order.resume:
            for lookup in journal.resume(header):
                self.tally.add(lookup)
            self._before = self.tally.done
        else:
            raise Refusal(
                f"'{journal.path}' holds the answers of a run that did not end: "
                "go on with --resume, or start over with --force."
            )

    def _fetch(self, sink: Sink, total: int | None) -> Fetching:
        fetching = run(self._run(sink, total))
        if fetching.left_at_once:
            raise KeyboardInterrupt
        return fetching

    async def _run(self, sink: Sink, total: int | None) -> Fetching:
        silent = self._order.quiet or (self._order.target.is_stream and sys.stdout.isatty())
        progress = RunProgress() if silent else run_progress(error_console(), total, self._before)
        async with self._client as client:
            fetching = Fetching(
                client,
                self._order.source,
                sink,
                self.tally,
                progress,
                deadline=self._connection.deadline,
                grace=self._connection.timeout,
            )
            started = time.perf_counter()
            try:
                await fetching.run()
            finally:
                self._seconds = time.perf_counter() - started
            return fetching

    def _end_early(self, fetching: Fetching) -> NoReturn:
        if fetching.interrupted or fetching.ended_by is None:
            raise KeyboardInterrupt
        raise fetching.ended_by

    @contextlib.contextmanager
    def _telling_what_is_kept(self, journal: Journal) -> Generator[None]:
        """Add to whatever ends the run early where its answers are, and how to go on."""
        try:
            yield
        except (KeyboardInterrupt, OutputError, Refusal, ElevenPhoneError) as error:
            if self.tally.done:
                error.add_note(
                    f"{counted(self.tally.done, 'answer')} {'is' if self.tally.done == 1 else 'are'} kept in "
                    f"'{journal.path}'. To go on:\n  {_resume_command()}"
                )
            else:
                journal.remove()
            raise

    def _show(self, tally: Tally, complaints: Complaints) -> None:
        if self._order.quiet:
            return
        if tally.done:
            console = error_console()
            console.print(headline(tally, self._seconds, self._before))
            console.print(outcome_table(tally, self._client.stats))
        else:
            self._say(f"There are no ids in {self._order.source.name}.")
        for complaint in complaints.lines():
            self._say(complaint)
        if not self._order.target.is_stream:
            self._say(f"Written to {self._order.target.path}")

    def _say(self, text: str) -> None:
        if not self._order.quiet:
            click.echo(text, err=True)


def _resume_command() -> str:
    arguments = [argument for argument in sys.argv[1:] if argument not in ("--force", "--resume")]
    command = shlex.join(["elevenphone", *arguments, "--resume"])
    return printable(f"{command}   (with the same ids)" if "-" in arguments else command)
