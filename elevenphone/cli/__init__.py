"""The command line, `elevenphone`; needs the extra `cli`."""

from __future__ import annotations

import sys

_NEEDED = ("click", "rich")


def main() -> int:
    """Run the command line on `sys.argv`.

    Returns:
        The exit code; see `elevenphone --help`.
    """
    if missing := _missing():
        sys.stderr.write(f"elevenphone: needs {' and '.join(missing)}: pip install 'elevenphone[cli]'\n")
        return 2
    try:
        from elevenphone.cli.main import run  # noqa: PLC0415 - only now is click known to be there
        from elevenphone.cli.shell import Shell  # noqa: PLC0415 - as above

        return run(Shell.of_process())
    except KeyboardInterrupt:  # while it starts, or a second one while the first is being reported
        sys.stderr.write("elevenphone: interrupted\n")
        return 130


def _missing() -> list[str]:
    from importlib.util import find_spec  # noqa: PLC0415 - importing rich, rather than finding it, takes its time

    return [name for name in _NEEDED if find_spec(name) is None]
