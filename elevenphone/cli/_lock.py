"""One writer to a file."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from elevenphone.cli._exit_codes import OutputError


def locked(file: BinaryIO, path: Path) -> contextlib.AbstractContextManager[None]:
    """Lock an open file for this process alone.

    Args:
        file: The file.
        path: Where it is.

    Returns:
        A context manager that has the lock inside.
    """
    return file_beside(path) if sys.platform == "win32" else system_lock(file, path)


@contextlib.contextmanager
def system_lock(file: BinaryIO, path: Path) -> Generator[None]:
    """Lock a file by the system, for as long as it is open: it ends with the process, however that ends.

    Raises:
        OutputError: Another process has it.
    """
    import fcntl  # noqa: PLC0415 - not on Windows

    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputError(f"'{path}'", "another run of elevenphone writes it") from None
    except OSError:
        pass  # a file system without locks, such as some that are mounted from afar
    if not os.fstat(file.fileno()).st_nlink:
        raise OutputError(f"'{path}'", "another run of elevenphone has just finished it")
    yield


@contextlib.contextmanager
def file_beside(path: Path) -> Generator[None]:
    """Let a second file say that one is in use; it outlives a crash, so the message says what to do.

    Raises:
        OutputError: It is there.
    """
    beside = path.with_name(f"{path.name}.lock")
    try:
        beside.open("x").close()
    except FileExistsError:
        reason = f"another run of elevenphone writes it; if there is none, delete '{beside}'"
        raise OutputError(f"'{path}'", reason) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
