"""The work of `elevenphone emulator`."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
import ssl
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, cast

import click

from elevenphone.cli.event_loop import run
from elevenphone.cli.exit_codes import ExitCode, OutputError, Refusal
from elevenphone.cli.shell import Shell
from elevenphone.cli.text import counted, printable
from elevenphone.emulator import Emulator, Latency, RecordedRequest

_SECONDS_BETWEEN_LOOKS = 0.05
# Longer than anybody waits for an answer: by then the connection was closed instead.
_UNANSWERED_SECONDS = 30.0


def run_emulator(
    shell: Shell,
    settings: Mapping[str, object],
    certificate: tuple[Path, Path | None] | None,
    ids_file: Path | None,
    *,
    with_unknown: bool,
    force: bool,
    log: bool,
) -> ExitCode:
    """Run an emulator until a signal ends it.

    Args:
        shell: Where the command runs.
        settings: Arguments of `Emulator`, a latency as the name and the arguments
            of a constructor of `Latency`.
        certificate: PEM file, and that of its key if it is another.
        ids_file: Where to write the ids; `None` for nowhere.
        with_unknown: Whether unknown ids are mixed in there.
        force: Whether an existing file is overwritten.
        log: Whether to print a line for each request, `-` in place of the status
            where the connection was closed instead.

    Returns:
        The exit code.

    Raises:
        click.UsageError: A setting is out of its range, or the address cannot be listened on.
        Refusal: There is a file in the place of the ids.
        OutputError: The ids cannot be written.
    """
    emulator = _make(settings, certificate, record=log)
    if ids_file is not None:
        _write_ids(emulator, ids_file, with_unknown=with_unknown, force=force)
    run(_serve(shell, emulator, ids_file, log=log))
    return ExitCode.ALL_FOUND


def _make(
    settings: Mapping[str, object], certificate: tuple[Path, Path | None] | None, *, record: bool
) -> Emulator:
    # Names and types are those of the options, which a test holds against the emulator's arguments.
    arguments = cast("dict[str, Any]", dict(settings))
    try:
        if "latency" in arguments:
            arguments["latency"] = _latency(arguments["latency"])
        if certificate is not None:
            arguments["ssl_context"] = _ssl_context(certificate)
        return Emulator(**arguments, record=record)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None


def _latency(setting: tuple[str, tuple[float, ...]]) -> Latency:
    match setting:
        case "uniform", (low, high):
            return Latency.uniform(low, high)
        case "lognormal", (median, sigma):
            return Latency.lognormal(median, sigma)
        case _:
            return Latency.constant(*setting[1])


def _ssl_context(certificate: tuple[Path, Path | None]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(*certificate)
    except OSError as error:
        raise click.UsageError(f"cannot use the certificate: {error.strerror or error}.") from None
    return context


def _write_ids(emulator: Emulator, ids_file: Path, *, with_unknown: bool, force: bool) -> None:
    ids = list(emulator.ids)
    if with_unknown:
        ids += emulator.unknown_ids
        Random(emulator.seed).shuffle(ids)
    try:
        with ids_file.open("w" if force else "x", encoding="ascii", newline="\n") as file:
            file.writelines(f"{phone_number_id}\n" for phone_number_id in ids)
    except FileExistsError:
        raise Refusal(f"'{ids_file}' exists: give --force to overwrite it.") from None
    except OSError as error:
        raise OutputError(f"'{ids_file}'", error) from None


async def _serve(shell: Shell, emulator: Emulator, ids_file: Path | None, *, log: bool) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C comes as KeyboardInterrupt there
            loop.add_signal_handler(number, ended.set)
    try:
        await emulator.start()
    except OSError as error:
        where = f"{emulator.host} port {emulator.port}"
        raise click.UsageError(f"cannot listen on {where}: {error.strerror or error}.") from None
    try:
        for line in _announcement(emulator, ids_file):
            shell.print(line)  # flushes, so that a script can wait for it
        await _log_until(shell, ended, emulator) if log else await ended.wait()
    finally:
        await emulator.aclose()


def _announcement(emulator: Emulator, ids_file: Path | None) -> list[str]:
    samples = [*emulator.ids[:2], emulator.unknown_ids[0]]
    every_id = "start it with --ids-file FILE" if ids_file is None else str(ids_file)
    return [
        f"export ELEVENLABS_BASE_URL={shlex.quote(emulator.base_url)}",
        f"export ELEVENLABS_API_KEY={shlex.quote(emulator.api_key)}",
        f"# {counted(emulator.numbers, 'number')}. With these two variables, in another terminal:",
        *(f"#   elevenphone get {sample}" for sample in samples[:-1]),
        f"#   elevenphone get {samples[-1]}  (answered 404)",
        f"# Every id: {printable(every_id)}",
        "# Ctrl-C ends it.",
    ]


async def _log_until(shell: Shell, ended: asyncio.Event, emulator: Emulator) -> None:
    """Print each request once it is answered; the emulator keeps them until then."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    while not ended.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), _SECONDS_BETWEEN_LOOKS)
        idle = not emulator.stats.in_flight or ended.is_set()
        waiting: list[RecordedRequest] = []
        for request in emulator.requests:
            unanswered = idle or loop.time() - started - request.time > _UNANSWERED_SECONDS
            if request.status is None and not unanswered:
                waiting.append(request)
            else:
                shell.say(_log_line(request))
        emulator.requests[:] = waiting


def _log_line(request: RecordedRequest) -> str:
    status = "-" if request.status is None else request.status
    return f"{request.time:10.3f}  {printable(request.method)} {printable(request.path)}  {status}"
