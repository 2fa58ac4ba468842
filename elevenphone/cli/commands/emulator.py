"""`elevenphone emulator`: the API on loopback, until Ctrl-C."""

from __future__ import annotations

import contextlib
import math
import shlex
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, cast

import click

from elevenphone.cli.errors import ExitCode, OutputError, Refusal
from elevenphone.cli.shell import Shell, run
from elevenphone.cli.text import counted, printable

if TYPE_CHECKING:
    import asyncio
    import ssl

    from elevenphone.emulator import Emulator, Latency, RecordedRequest

_SECONDS_BETWEEN_LOOKS = 0.05
# Longer than anybody waits for an answer: by then the connection was closed instead.
_UNANSWERED_SECONDS = 30.0


def _latency(text: str) -> Latency:
    from elevenphone.emulator import Latency  # noqa: PLC0415 - slow

    kind, _, rest = text.rpartition(":")
    try:
        times = [float(part) for part in rest.split(",")]
    except ValueError:
        times = []
    try:
        match kind, times:
            case "" | "constant", [seconds]:
                return Latency.constant(seconds)
            case "uniform", [low, high]:
                return Latency.uniform(low, high)
            case "lognormal", [median, sigma]:
                return Latency.lognormal(median, sigma)
            case _:
                forms = "SECONDS, uniform:LOW,HIGH and lognormal:MEDIAN,SIGMA"
                raise click.BadParameter(f"{text!r} is none of {forms}.")
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


def _outage(text: str) -> tuple[float, float]:
    try:
        start, duration = (float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not START,SECONDS.") from None
    if not (0 <= start < math.inf and 0 <= duration < math.inf):
        raise click.BadParameter(f"{text!r} has a time that is negative or infinite.")
    return start, duration


_P = click.FloatRange(0, 1)
# The options named as the arguments of `Emulator` are: name, type, placeholder and help.
# One that is not given keeps the emulator's own default.
_SETTINGS: tuple[tuple[str, object, str | None, str], ...] = (
    ("--numbers", int, "N", "How many phone numbers there are.  [default: 1000]"),
    ("--seed", int, "N", "Another seed makes other numbers and faults.  [default: 0]"),
    ("--api-key", str, "TEXT", "The key it accepts; opens nothing else."),
    ("--host", str, "HOST", "Address to listen on.  [default: 127.0.0.1]"),
    ("--port", click.IntRange(0, 65_535), "PORT", "Port to listen on.  [default: any that is free]"),
    (
        *("--latency", _latency, "TIME"),
        "Time of an answer: SECONDS, uniform:LOW,HIGH or lognormal:MEDIAN,SIGMA.  [default: 0]",
    ),
    ("--concurrency-limit", int, "N", "Most requests at once; more get a 429."),
    ("--queue", int, "N", "Requests above that limit that wait instead of getting a 429."),
    ("--concurrency-hint", bool, None, "State that limit in the headers."),
    ("--rate-limit", float, "N", "Most requests a second; more get a 429."),
    ("--rate-burst", float, "N", "Requests that may come at once under --rate-limit."),
    ("--quota", int, "N", "Answers after which the quota is used up."),
    ("--missing-permission", bool, None, "The key lacks the permission."),
    ("--retry-after", str, "VALUE", "Header retry-after of every 429 and 503."),
    ("--retry-after-ms", str, "VALUE", "Header retry-after-ms of every 429 and 503."),
    ("--busy", _P, "P", "Probability of 429 system_busy."),
    ("--server-errors", _P, "P", "Probability of a server error."),
    ("--server-error-status", int, "STATUS", "Its status.  [default: 503]"),
    ("--outage", bool, None, "Be away from the start; see --outage-kind."),
    ("--outages", _outage, "START,SECONDS", "An outage to come; may be given again."),
    (
        *("--outage-kind", click.Choice(["unavailable", "refused"]), None),
        "Answer 503, or refuse connections.  [default: unavailable]",
    ),
    ("--drops", _P, "P", "Probability of a connection closed unanswered."),
    ("--resets", _P, "P", "Probability of a connection reset."),
    ("--truncated", _P, "P", "Probability of a body cut short."),
    ("--slow-bodies", _P, "P", "Probability of a body byte by byte."),
    ("--slow-body-seconds", float, "SECONDS", "Time of such a body.  [default: 1]"),
    ("--malformed", _P, "P", "Probability of broken JSON."),
    ("--html-errors", _P, "P", "Probability of a 502 page in HTML."),
    ("--redirects", _P, "P", "Probability of a redirect."),
    ("--expired-cursors", _P, "P", "Probability of a cursor that expired."),
    ("--repeated-cursors", _P, "P", "Probability of a repeated cursor."),
    ("--missing-cursors", _P, "P", "Probability of a page without a cursor."),
    ("--empty-pages", _P, "P", "Probability of an empty page."),
    ("--faulty-elements", _P, "P", "Probability of a faulty number."),
    ("--redirect-location", str, "URL", "Its target.  [default: the same path]"),
    ("--requests-per-connection", int, "N", "Requests after which a connection is closed."),
)


def _settings(function: Callable[..., int]) -> Callable[..., int]:
    for name, kind, placeholder, what in reversed(_SETTINGS):
        if kind is bool:
            option = click.option(name, is_flag=True, default=None, help=what)
        else:
            option = click.option(name, type=kind, metavar=placeholder, multiple=kind is _outage, help=what)
        function = option(function)
    return function


@click.command("emulator")
@_settings
@click.option(
    "--tls-certificate", type=click.Path(path_type=Path), metavar="FILE", help="PEM file: speak HTTPS."
)
@click.option(
    "--tls-key", type=click.Path(path_type=Path), metavar="FILE", help="Its key, if in another file."
)
@click.option(
    "--ids-file", type=click.Path(path_type=Path), metavar="FILE", help="Write every id, one a line."
)
@click.option("--force", is_flag=True, help="Overwrite that file.")
@click.option("--with-unknown", is_flag=True, help="Mix ids that no number has (2 %) into that file.")
@click.option(
    "--log", is_flag=True, help="Print each request to standard error: seconds, method, path, status or `-`."
)
@click.pass_obj
def command(
    shell: Shell,
    /,
    *,
    tls_certificate: Path | None,
    tls_key: Path | None,
    ids_file: Path | None,
    force: bool,
    with_unknown: bool,
    log: bool,
    **settings: object,
) -> int:
    """Run the API on this machine, until Ctrl-C.

    ElevenLabs has no sandbox; this is one to try programs against.

    A shell can read its standard output: the two variables that point elevenphone
    and the client at it, and comments. Ctrl-C or SIGTERM ends it with exit code 0.
    Probabilities go from 0 to 1.

    \b
    Examples:
      elevenphone emulator --port 8011 --concurrency-limit 12 --log
      elevenphone emulator --latency lognormal:0.06,0.5 --server-errors 0.01
      elevenphone emulator --rate-limit 100 --retry-after 1
      elevenphone emulator --outages 10,5 --outages 60,2 --outage-kind refused
      elevenphone emulator --numbers 100000 --ids-file ids.txt --with-unknown
    """  # noqa: D301 - click wants the character itself
    if tls_key is not None and tls_certificate is None:
        raise click.UsageError("--tls-key needs --tls-certificate.")
    if (with_unknown or force) and ids_file is None:
        raise click.UsageError(f"--{'force' if force else 'with-unknown'} needs --ids-file.")
    # Names and types are those of the options, which a test holds against the emulator's arguments.
    given = cast("dict[str, Any]", {name: each for name, each in settings.items() if each not in (None, ())})
    if tls_certificate is not None:
        given["ssl_context"] = _ssl_context(tls_certificate, tls_key)
    emulator = _make(given, record=log)
    if ids_file is not None:
        _write_ids(emulator, ids_file, with_unknown=with_unknown, force=force)
    run(_serve(shell, emulator, ids_file, log=log))
    return ExitCode.ALL_FOUND


def _ssl_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    import ssl  # noqa: PLC0415 - slow

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise click.UsageError(f"cannot use the certificate: {error.strerror or error}.") from None
    return context


def _make(settings: dict[str, Any], *, record: bool) -> Emulator:
    from elevenphone.emulator import Emulator  # noqa: PLC0415 - slow

    try:
        return Emulator(**settings, record=record)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None


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
    import asyncio  # noqa: PLC0415 - slow

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


def _announcement(emulator: Emulator, ids_file: Path | None) -> Iterator[str]:
    yield f"export ELEVENLABS_BASE_URL={shlex.quote(emulator.base_url)}"
    yield f"export ELEVENLABS_API_KEY={shlex.quote(emulator.api_key)}"
    yield f"# {counted(emulator.numbers, 'number')}. With these two variables, in another terminal:"
    for known in emulator.ids[:2]:
        yield f"#   elevenphone get {known}"
    yield f"#   elevenphone get {emulator.unknown_ids[0]}  (answered 404)"
    yield f"# Every id: {'start it with --ids-file FILE' if ids_file is None else printable(str(ids_file))}"
    yield "# Ctrl-C ends it."


async def _log_until(shell: Shell, ended: asyncio.Event, emulator: Emulator) -> None:
    """Print each request once it is answered; the emulator keeps them until then."""
    import asyncio  # noqa: PLC0415 - slow

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
