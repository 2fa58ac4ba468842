"""Where results go: a file that appears when it is whole, or a stream; and no file of anybody else."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import click
import msgspec

from elevenphone.cli.errors import OutputError, Refusal
from elevenphone.cli.formats.ids import IdSource, InputError
from elevenphone.cli.formats.rows import ENDINGS, Format

_DESCRIPTOR = re.compile(r"/dev/(stdin|stdout|stderr|fd/\d+)|/proc/(self|\d+)/fd/\d+")


class Target(NamedTuple):
    """Where the results go.

    Attributes:
        path: A file; `None` for standard output.
        format: What is written there.
        is_stream: Whether it is written as answers come, and kept nowhere else.
    """

    path: Path | None
    format: Format
    is_stream: bool

    @property
    def file(self) -> Path:
        """The file of a target that is not a stream."""
        assert self.path is not None  # noqa: S101 - a file has a path
        return self.path

    @property
    def journal(self) -> Path:
        """Where the answers are kept until the file is made of them."""
        return self.file.with_name(f"{self.file.name}.journal")


def target_of(output: str, given: Format | None) -> Target:
    """Understand `--output` and `--format`.

    Raises:
        click.UsageError: They do not fit.
        OutputError: There is a directory in its place.
    """
    if output in {"-", "/dev/stdout"}:
        return _stream(None, given)
    path = Path(output)
    if os.path.isdir(path):  # noqa: PTH112 - raises nothing
        raise OutputError(f"'{output}'", "it is a directory")
    if is_stream(path):
        return _stream(path, given)
    if path.is_symlink():
        path = Path(os.path.realpath(path))  # what is beside the file belongs to its place
    chosen = given or ENDINGS.get(path.suffix.lower())
    if chosen is None:
        raise click.UsageError(
            f"cannot tell the format of '{output}': end it in .jsonl, .csv, .parquet or .db, "
            "or give --format."
        )
    return Target(path, chosen, is_stream=False)


def require_place(target: Target) -> None:
    """See that the output can be put in its place, before the work for it is done.

    Raises:
        OutputError: There is no directory for it.
        Refusal: It is a database that is open.
    """
    if target.is_stream:
        return
    require_directory(target.file)
    if target.format == "db":
        _refuse_open_database(target.file)


def _stream(path: Path | None, given: Format | None) -> Target:
    if given not in {None, "jsonl", "csv"}:
        raise click.UsageError(f"{given} cannot be written as answers come: give a file, or --format csv.")
    return Target(path, given or "jsonl", is_stream=True)


def is_stream(path: Path) -> bool:
    """Tell whether a path names something to write into, such as a pipe, rather than a file to replace."""
    if _DESCRIPTOR.fullmatch(str(path)):
        return True
    # What does not exist yet will be a file; if it cannot be made, opening it says why.
    return os.path.exists(path) and not os.path.isfile(path)  # noqa: PTH110, PTH113 - raise nothing


def _refuse_open_database(path: Path) -> None:
    for beside in beside_a_database(path):
        if beside.exists():
            raise Refusal(
                f"'{beside}' exists: another program has '{path}' open, or did not close it. "
                "Close it there, or choose another name."
            )


def beside_a_database(path: Path) -> list[Path]:
    """Return what programs of SQLite leave beside a database that is open, or was not closed."""
    return [path.with_name(path.name + suffix) for suffix in ("-journal", "-wal", "-shm")]


def read_back(target: Target) -> Iterator[tuple[str | None, ...]]:
    """Read a file that `fetch` wrote.

    Yields:
        The names of its columns, and then the id and the status of each row.

    Raises:
        Refusal: It is not such a file.
    """
    path, columns = target.file, ("phone_number_id", "status")
    try:
        if target.format == "db":
            from elevenphone.cli.formats import database  # noqa: PLC0415 - only where it is asked for

            yield tuple(database.column_names(path))
            yield from database.read_columns(path, *columns)
        elif target.format == "parquet":
            from elevenphone.cli.formats import parquet  # noqa: PLC0415 - pyarrow is an extra, and slow

            yield tuple(parquet.column_names(path))
            yield from parquet.read_columns(path, *columns)
        else:
            yield _names_of_text(path, target.format)
            yield from zip(*(IdSource(path, None, column).ids() for column in columns), strict=True)
    except (InputError, ValueError, OSError, msgspec.MsgspecError):
        raise Refusal(
            f"'{target.path}' exists, and is not a {target.format} file that `fetch` wrote: "
            "give --force to overwrite it."
        ) from None


def _names_of_text(path: Path, format_: Format) -> tuple[str, ...]:
    with path.open(encoding="utf-8", errors="replace") as file:
        first = file.readline()
    if format_ == "jsonl":
        return tuple(msgspec.json.decode(first or "{}", type=dict[str, msgspec.Raw]))
    if first.startswith("{"):
        raise ValueError("it is JSON")
    return tuple(first.rstrip("\n").split(","))


def require_directory(path: Path) -> None:
    """See that there is a directory for a file, before the work for it is done.

    Raises:
        OutputError: There is none.
    """
    try:
        path.parent.stat()
    except FileNotFoundError:
        raise OutputError(f"'{path}'", f"there is no directory '{path.parent}'") from None
    except OSError:
        pass  # whatever it is shows when the file is opened


@contextlib.contextmanager
def whole_file(path: Path, *, replace: bool, mark: str | None = None) -> Generator[BinaryIO]:
    """Write a file beside its place, and move it there when it is whole and on the disk.

    It keeps the mode of the file that it replaces.

    Args:
        path: Its place.
        replace: Whether a file that is there may be replaced.
        mark: Tells the unfinished file of this run from all others; default a random one.

    Raises:
        OutputError: It cannot be written; a file that was in its place is still there.
        Refusal: A file is in its place that may not be replaced.
    """
    place = _place_of(path)
    part = unfinished_file(path, mark or secrets.token_hex(4))
    try:
        part.unlink(missing_ok=True)  # of a run with the same mark, which did not end
        create(part, like=place)
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _move(part, place, replace=replace)
        sync_directory(place)
    except OSError as error:
        raise OutputError(f"'{path}'", error) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def unfinished_file(path: Path, mark: str) -> Path:
    """Return where `whole_file` writes until the file is whole."""
    place = _place_of(path)
    return place.with_name(f"{place.name}.{mark}.part")


def _place_of(path: Path) -> Path:
    # A file moved into a link's place would take the link away.
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _move(part: Path, path: Path, *, replace: bool) -> None:
    if not replace:
        try:
            os.link(part, path)
        except (OSError, NotImplementedError):  # something is there, or the file system has no links
            if os.path.lexists(path):
                raise Refusal(f"'{path}' has appeared in the meantime, and is not overwritten.") from None
        else:
            return
    part.replace(path)


def create(path: Path, *, like: Path) -> None:
    """Make an empty file with the permissions of another one, if that is there.

    Raises:
        FileExistsError: There is a file already.
    """
    try:
        mode = stat.S_IMODE(like.stat().st_mode)
    except OSError:
        path.touch(exist_ok=False)
    else:
        path.touch(mode, exist_ok=False)
        path.chmod(mode)  # whatever the process takes away from new files


def sync_directory(path: Path) -> None:
    """Write to the disk that a file is in its directory, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
