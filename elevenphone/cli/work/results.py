"""Results as they come: rows on a terminal, text on a pipe, or a file that appears when it is whole."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import BinaryIO, TypeAlias

from elevenphone.cli.exit_codes import OutputError
from elevenphone.cli.formats.columns import Selection
from elevenphone.cli.formats.files import Target, whole_file
from elevenphone.cli.formats.rows import Format, require, rows_of, text_form
from elevenphone.cli.shell import Shell
from elevenphone.lookups import Lookup

Show: TypeAlias = Callable[[Lookup], None]
"""Shows or writes one result."""


def on_output(shell: Shell, selection: Selection, *, as_json: bool) -> Show:
    """Show results as rows where a person reads them, and else, or with --json, as lines of JSON."""
    if as_json or not shell.output_is_terminal:
        return on_pipe(shell, selection)
    # rich only where a person looks
    from elevenphone.cli.show import numbers  # noqa: PLC0415
    from elevenphone.cli.show.terminal import RowTable, output_console  # noqa: PLC0415

    if selection.columns is None:
        table = RowTable(output_console(shell), numbers.COLUMNS)
        return lambda lookup: table.add(numbers.lookup_cells(lookup))
    table = RowTable(output_console(shell), numbers.selected_columns(selection), keep_all=True)
    columns = numbers.columns_to_show(selection)
    return lambda lookup: table.add(numbers.selected_cells(selection, columns, lookup))


def on_pipe(shell: Shell, selection: Selection, format_: Format = "jsonl") -> Show:
    """Write each result to standard output as it comes."""
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
    if target.is_stream and target.path is None:
        yield on_pipe(shell, selection, target.format)
        return
    opened: contextlib.AbstractContextManager[BinaryIO] = (
        _pipe(target.path) if target.path and target.is_stream else whole_file(target.file, replace=replace)
    )
    with opened as file, rows_of(target.format, file, selection) as rows:
        yield rows.add


@contextlib.contextmanager
def _pipe(path: Path) -> Generator[BinaryIO]:
    try:
        with path.open("wb") as file:
            yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"'{path}'", error) from None
