"""The command line, `elevenphone`; needs the extra `cli`."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

TYPE_CHECKING = False  # importing `typing` takes longer than this module
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_NEEDED = ("click", "rich")
_INTERRUPTED = b"elevenphone: interrupted\n"
_CODE_OF_INTERRUPTED = 130


def main() -> int:
    """Run the command line on `sys.argv`.

    Returns:
        The exit code; see `elevenphone --help`.
    """
    try:
        # In an import, an exception may be lost in a callback, or become another one.
        _at_ctrl_c(_leave)
        try:
            if missing := _missing():
                needed = " and ".join(missing)
                sys.stderr.write(f"elevenphone: needs {needed}: pip install 'elevenphone[cli]'\n")
                return 2
            from elevenphone.cli.main import run  # noqa: PLC0415 - only now is click known to be there
            from elevenphone.cli.shell import Shell  # noqa: PLC0415 - as above
        finally:
            _at_ctrl_c(signal.default_int_handler)
        return run(Shell.of_process())
    except KeyboardInterrupt:  # such as a second one while the first is being reported
        sys.stderr.write(_INTERRUPTED.decode())
        return _CODE_OF_INTERRUPTED


def _at_ctrl_c(handler: Callable[[int, FrameType | None], object]) -> None:
    """Set what Ctrl-C does, unless the caller ignores it, handles it or is another thread."""
    if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, _leave):
        with contextlib.suppress(ValueError):  # it is another thread
            signal.signal(signal.SIGINT, handler)


def _leave(*_: object) -> None:
    """End the process, in which nothing is open yet."""
    with contextlib.suppress(OSError):  # standard error is closed
        os.write(2, b"\n" * os.isatty(2) + _INTERRUPTED)  # after the ^C of a terminal
    os._exit(_CODE_OF_INTERRUPTED)


def _missing() -> list[str]:
    from importlib.util import find_spec  # noqa: PLC0415 - importing rich, rather than finding it, takes its time

    return [name for name in _NEEDED if find_spec(name) is None]
