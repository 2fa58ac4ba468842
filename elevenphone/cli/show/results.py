"""Results as they come: counted, shown as rows on a terminal, written to a pipe or a file."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Generator
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, TypeAlias

from elevenphone import PhoneNumberClient
from elevenphone._records import kind_of
from elevenphone.cli.errors import ExitCode, OutputError, explained, may_pass, telephone_number_error
from elevenphone.cli.formats.columns import Selection
from elevenphone.cli.formats.files import Target, whole_file
from elevenphone.cli.formats.rows import Format, require, rows_of, text_form
from elevenphone.cli.shell import Shell
from elevenphone.cli.text import printable
from elevenphone.errors import ConfigurationError, ElevenPhoneError, NotFoundError, StatusError
from elevenphone.lookups import Failed, Found, Lookup

Show: TypeAlias = Callable[[Lookup], None]
"""Shows or writes one result."""


async def look_up(client: PhoneNumberClient, phone_number_id: str, index: int = 0) -> Lookup:
    """Look one id up within the client's own deadline, where a bulk run would wait for an outage to end."""
    if (refusal := telephone_number_error(phone_number_id)) is not None:
        return Failed(index, phone_number_id, 0, 0.0, refusal)
    started = time.perf_counter()
    try:
        answer = await client.get_raw(phone_number_id)
    except ConfigurationError:
        raise
    except ElevenPhoneError as error:
        return Failed(index, phone_number_id, len(error.history), time.perf_counter() - started, error)
    try:
        return Found(index, phone_number_id, answer.attempts, answer.elapsed, answer.decode())
    except ElevenPhoneError as error:
        return Failed(index, phone_number_id, answer.attempts, answer.elapsed, error)


class Tally:
    """Counts lookups as they come.

    Attributes:
        found: Numbers found.
        not_found: Ids that the API does not know.
        failed: All other failures.
        passing: Failures for a reason that may pass.
        before: How many of all these are of earlier runs.
        providers: Numbers found, by provider.
        without_agent: Numbers without an agent, by provider.
        errors: Lookups that were not found or failed, by the kind of error.
    """

    def __init__(self) -> None:
        self.found = self.not_found = self.failed = self.passing = self.before = 0
        self.providers: Counter[str] = Counter()
        self.without_agent: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        # Of failures that are alike, the first of the input and their count.
        self._alike: dict[tuple[object, ...], tuple[Failed, int]] = {}

    @property
    def done(self) -> int:
        """Lookups counted."""
        return self.found + self.not_found + self.failed

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of a run that came to its end."""
        if self.failed:
            return ExitCode.SOME_FAILED
        return ExitCode.NOT_FOUND if self.not_found else ExitCode.ALL_FOUND

    def add(self, lookup: Lookup) -> None:
        """Count one."""
        if isinstance(lookup, Found):
            provider = lookup.number.provider
            self.found += 1
            self.providers[provider] += 1
            self.without_agent[provider] += lookup.number.assigned_agent is None
            return
        error = lookup.error
        self.errors[kind_of(type(error))] += 1
        self.passing += may_pass(lookup)
        if isinstance(error, NotFoundError):
            self.not_found += 1
        else:
            self.failed += 1
        # An empty id and a telephone number have explanations of their own.
        form = bool(lookup.phone_number_id), telephone_number_error(lookup.phone_number_id) is not None
        alike = type(error), error.code if isinstance(error, StatusError) else None, form
        first, count = self._alike.get(alike, (lookup, 0))
        self._alike[alike] = min(first, lookup, key=attrgetter("index")), count + 1

    def complaints(self) -> list[str]:
        """Say what failed and what to do: a line for failures that are alike, the most frequent first."""
        frequent = sorted(self._alike.values(), key=lambda each: (-each[1], each[0].index))
        return [printable(_complaint(first, count)) for first, count in frequent]


def _complaint(first: Failed, count: int) -> str:
    whose = first.phone_number_id or f"row {first.index + 1:,}"
    what = explained(first.error) if first.phone_number_id else "empty id."
    if count > 1:
        return f"{whose} and {count - 1:,} more: {what}"
    return what if what.startswith(repr(whose)) else f"{whose}: {what}"


def on_output(shell: Shell, selection: Selection, *, as_json: bool, is_one: bool = False) -> Show:
    """Show results as rows, or one as a card, to a person; to others, or with --json, as lines of JSON."""
    if as_json or not shell.output_is_terminal:
        return _on_pipe(shell, selection, "jsonl")
    from elevenphone.cli.show import terminal  # noqa: PLC0415 - rich only where a person looks

    if is_one and selection.columns is None:
        return partial(terminal.print_card, shell)
    return terminal.row_printer(shell, selection)


def _on_pipe(shell: Shell, selection: Selection, format_: Format) -> Show:
    form = text_form(format_, selection)
    shell.write(form.header)

    def write(lookup: Lookup) -> None:
        shell.write(form.encode(lookup))
        shell.flush()

    return write


@contextlib.contextmanager
def into(shell: Shell, target: Target, selection: Selection, *, replace: bool) -> Generator[Show]:
    """Write results to a file, in place when the block ends well, or to a stream.

    Raises:
        OutputError: It cannot be written.
        Refusal: The file exists, and may not be replaced.
    """
    require(target.format)
    if target.path is None:
        yield _on_pipe(shell, selection, target.format)
        return
    opened = _pipe(target.path) if target.is_stream else whole_file(target.path, replace=replace)
    with opened as file, rows_of(target.format, file, selection) as rows:
        yield lambda lookup: rows.add([(lookup, None)])


@contextlib.contextmanager
def _pipe(path: Path) -> Generator[BinaryIO]:
    try:
        with path.open("wb") as file:
            yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"'{path}'", error) from None
