"""Writing files so that nothing is lost, and what cannot be written is told."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from elevenphone.cli._exit_codes import OutputError

# Lines that wait before whoever makes more has to.
_MOST_WAITING = 5_000


class LineWriter:
    """Appends lines to a file in batches; they may be written from any thread.

    Args:
        descriptor: Where to.
        name: What it is called in a message.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self._name = name
        self._waiting: deque[bytes] = deque()
        self._writing = threading.Lock()

    @property
    def is_full(self) -> bool:
        """Whether so many lines wait that they should be written first."""
        return len(self._waiting) >= _MOST_WAITING

    def add(self, line: bytes) -> None:
        """Let a line wait for the next batch."""
        self._waiting.append(line)

    def write(self, *, synced: bool = False) -> None:
        """Write all that waits, after what another thread may be writing.

        Args:
            synced: Whether to see to the disk what has been written.

        Raises:
            OutputError: That is not possible.
            BrokenPipeError: Nobody reads it any longer.
        """
        with self._writing:
            lines: list[bytes] = []
            while self._waiting:
                lines.append(self._waiting.popleft())
            rest = memoryview(b"".join(lines))
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
                if synced:
                    os.fsync(self._descriptor)
            except BrokenPipeError:
                raise
            except OSError as error:
                raise OutputError(self._name, error) from None


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
def whole_file(path: Path) -> Generator[BinaryIO]:
    """Write a file beside its place, and move it there when it is whole and on the disk.

    Raises:
        OutputError: It cannot be written; what was in its place is still there.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_directory(path)
    except OSError as error:
        raise OutputError(f"'{path}'", error) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def sync_directory(path: Path) -> None:
    """See to the disk that a file is in its directory, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
