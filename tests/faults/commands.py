"""Running `elevenphone` against a server of the tests, with the tests' key."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest
from fault_helpers import KEY

ONCE_FOR_COMMANDS = pytest.mark.parametrize("http", ["auto"])
"""Runs a test once, not once for each form of HTTP: commands choose their form by themselves."""

_PACKAGE = Path(__file__).parents[2]


class Ended(NamedTuple):
    """How a command ended, and what it printed, errors included."""

    code: int | None
    shown: str


async def start(
    base_url: str,
    folder: Path,
    *arguments: str,
    stdout: int = asyncio.subprocess.PIPE,
    largest_file: int = 0,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> asyncio.subprocess.Process:
    """Start the command; a file that it writes cannot become larger than so many bytes, where given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ELEVENLABS_")}
    given = {
        "ELEVENLABS_API_KEY": KEY,
        "ELEVENLABS_BASE_URL": base_url,
        "PYTHONASYNCIODEBUG": "1",
        "PYTHONMALLOC": "pymalloc",  # the slow one of -X dev looks for errors of C code
        "PYTHONPATH": str(_PACKAGE),
        "COLUMNS": "4000",
    }

    def limit() -> None:
        import resource  # noqa: PLC0415 - not on every system

        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "dev", "-m", "elevenphone", *arguments),
        stdout=stdout,
        stderr=asyncio.subprocess.STDOUT if stdout == asyncio.subprocess.PIPE else asyncio.subprocess.PIPE,
        cwd=folder,
        env={**kept, **given, **variables},
        preexec_fn=limit if largest_file else None,
    )


async def ended(process: asyncio.subprocess.Process) -> Ended:
    """Wait for a command's end."""
    output, errors = await process.communicate()
    return Ended(process.returncode, ((output or b"") + (errors or b"")).decode())


async def run(base_url: str, folder: Path, *arguments: str, **variables: str) -> Ended:
    """Run the command to its end."""
    return await ended(await start(base_url, folder, *arguments, variables=variables))
