"""The course of `elevenphone fetch`: into a journal and a file, or as a stream."""

from __future__ import annotations

import contextlib
import shlex
import signal
import time
from collections.abc import Generator
from typing import NoReturn

from elevenphone import ClientStats
from elevenphone.cli.access import Access, ClientSettings
from elevenphone.cli.errors import ExitCode, OutputError, Refusal, exit_code_of
from elevenphone.cli.fetch.fetching import Fetching
from elevenphone.cli.fetch.journal import Header, Journal
from elevenphone.cli.fetch.order import Order, check_places, files_of, finished, refuse_existing
from elevenphone.cli.fetch.sinks import FileSink, Sink, StreamSink
from elevenphone.cli.formats.rows import require
from elevenphone.cli.shell import run
from elevenphone.cli.show.results import Tally
from elevenphone.cli.show.runs import (
    RunProgress,
    print_outcome,
    run_progress,
    write_summary,
)
from elevenphone.cli.show.terminal import error_console
from elevenphone.cli.text import counted, without_password
from elevenphone.errors import ElevenPhoneError


def run_fetch(access: Access, settings: ClientSettings, order: Order) -> ExitCode:
    """Look all ids up, and write what became of each.

    Args:
        access: How the API is reached.
        settings: The client's other arguments.
        order: What to do.

    Returns:
        The exit code.

    Raises:
        Refusal: Something is in the way that the user has to decide about.
        OutputError: Something cannot be written.
        ElevenPhoneError: An error that ended the run early; the answers are kept.
        KeyboardInterrupt: A signal ended it.
    """
    access.refuse_same(**files_of(order))
    # Outside of the event loop both signals do the same too.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    fetch = _Fetch(access, settings, order)
    try:
        code = fetch.run()
    except (Exception, KeyboardInterrupt) as error:
        try:
            fetch.write_summary(exit_code_of(error))
        except OutputError as another:  # what ended the run is more important
            if str(another) != str(error):
                error.add_note(f"elevenphone: {another}")
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    fetch.write_summary(code)
    return code


class _Fetch:
    """One call of the command."""

    def __init__(self, access: Access, settings: ClientSettings, order: Order) -> None:
        self._shell = access.shell
        self._access = access
        self._settings = settings
        self._order = order
        # The answers so far, those of earlier runs too.
        self._tally = Tally()
        self._stats: ClientStats | None = None
        self._seconds = 0.0

    def run(self) -> ExitCode:
        """Do what was ordered."""
        check_places(self._order)
        self._access.check(**self._settings)
        return self._to_stream() if self._order.target.is_stream else self._to_file()

    def write_summary(self, code: ExitCode) -> None:
        """Write the summary as JSON, where it was asked for."""
        if (place := self._order.summary) is not None:
            write_summary(self._shell, place, code, self._tally, self._stats, self._seconds)

    def _to_file(self) -> ExitCode:
        """Fetch into a journal, and make the file of that."""
        order = self._order
        require(order.target.format)
        if (counts := finished(order)) is not None:
            tally = self._tally
            tally.found, tally.not_found, tally.failed = (
                counts[each] for each in ("found", "not_found", "failed")
            )
            tally.before = tally.done
            text = f"{tally.found:,} found, {tally.not_found:,} not found, {tally.failed:,} failed"
            self._say(f"'{order.target.path}' is finished: {text}. --force starts over.")
            return tally.exit_code
        survey = order.source.survey()
        header = Header(self._access.address, self._access.key(), *survey)
        journal = Journal(order.target.journal, order.target.file, start_over=order.force)
        with contextlib.closing(journal):
            self._open(journal, header)
            with (
                self._saying_what_is_kept(journal),
                contextlib.closing(FileSink(journal, order.target, order.selection, order.failures)) as sink,
            ):
                try:
                    fetching = self._fetch(sink, survey.size)
                finally:
                    sink.finish()
                if not fetching.is_complete:
                    self._end_early(fetching)
                sink.complete(fetching.count)
            if not self._tally.passing:
                journal.remove()
        self._show()
        if self._tally.passing:
            self._say(
                f"{counted(self._tally.passing, 'id')} failed for a reason that may pass. To ask again:\n"
                f"  {self._resume_command()}"
            )
        return self._tally.exit_code

    def _to_stream(self) -> ExitCode:
        """Fetch, and write as the answers come."""
        order = self._order
        survey = order.source.survey()
        with StreamSink(self._shell, order.target, order.selection, order.failures) as sink:
            fetching = self._fetch(sink, survey.size)
        self._show()
        if not fetching.is_complete:
            self._end_early(fetching)
        return self._tally.exit_code

    def _open(self, journal: Journal, header: Header) -> None:
        order = self._order
        if order.force or not journal.has_answers:
            replaced = order.outputs
            if not order.force:
                refuse_existing(order, journal)
                # Those of a run with --force that was killed before its first answer.
                replaced = [path for path in replaced if order.resume and journal.may_replace(path)]
            journal.begin(header, order.outputs, replaced)
            return
        if not order.resume:
            raise Refusal(
                f"'{journal.path}' holds the answers of a run that did not end: "
                "go on with --resume, or start over with --force."
            )
        refuse_existing(order, journal)
        for lookup in journal.resume(header):
            self._tally.add(lookup)
        self._tally.before = self._tally.done
        if not journal.has_key(header.key):
            self._shell.say(
                "elevenphone: the run was begun with another key; the answers found then are kept."
            )
        if journal.damaged:
            self._shell.say(
                f"elevenphone: {counted(journal.damaged, 'group')} of answers in '{journal.path}' changed "
                "on the disk: asked for again."
            )

    def _fetch(self, sink: Sink, total: int | None) -> Fetching:
        fetching = run(self._run(sink, total))
        if fetching.left_at_once:
            raise KeyboardInterrupt
        return fetching

    async def _run(self, sink: Sink, total: int | None) -> Fetching:
        order = self._order
        progress = RunProgress()
        if not (order.quiet or (order.target.is_stream and self._shell.output_is_terminal)):
            console = error_console(self._shell)
            progress = run_progress(console, total, self._tally.before, live=not self._access.verbose)
        async with self._access.client(**self._settings) as client:
            fetching = Fetching(
                client,
                order.source,
                sink,
                self._tally,
                progress,
                deadline=self._access.deadline,
                grace=self._access.timeout,
            )
            started = time.perf_counter()
            try:
                await fetching.run()
            finally:
                self._seconds = time.perf_counter() - started
                self._stats = client.stats
            return fetching

    def _end_early(self, fetching: Fetching) -> NoReturn:
        if fetching.interrupted or fetching.ended_by is None:
            raise KeyboardInterrupt
        raise fetching.ended_by

    @contextlib.contextmanager
    def _saying_what_is_kept(self, journal: Journal) -> Generator[None]:
        """Add to an error that ends the run where its answers are, and how to go on."""
        try:
            yield
        except (KeyboardInterrupt, OutputError, Refusal, ElevenPhoneError) as error:
            if journal.kept:
                error.add_note(
                    f"{counted(journal.kept, 'answer')} {'is' if journal.kept == 1 else 'are'} kept in "
                    f"'{journal.path}'. To go on:\n  {self._resume_command()}"
                )
            else:
                journal.remove()
            raise

    def _show(self) -> None:
        if self._order.quiet:
            return
        if self._tally.done and self._stats is not None:
            console = error_console(self._shell)
            print_outcome(console, self._tally, self._stats, self._seconds)
        else:
            self._say(f"There are no ids in {self._order.source.name}.")
        for complaint in self._tally.complaints():
            self._say(complaint)
        if not self._order.target.is_stream:
            self._say(f"Written to {self._order.target.path}")

    def _say(self, text: str) -> None:
        if not self._order.quiet:
            self._shell.say(text)

    def _resume_command(self) -> str:
        given = [argument for argument in self._shell.arguments if argument not in ("--force", "--resume")]
        command = shlex.join(["elevenphone", *map(without_password, given), "--resume"])
        return f"{command}   (with the same ids)" if self._order.source.path is None else command
