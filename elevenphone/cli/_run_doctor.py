"""The work of `elevenphone doctor`."""

from __future__ import annotations

import asyncio
import platform
import re
import ssl
import time
from collections.abc import Awaitable, Mapping
from importlib.metadata import version
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit
from urllib.request import getproxies

import click

from elevenphone import PhoneNumberClient, RawResponse, RetryPolicy, __version__
from elevenphone.cli._event_loop import run
from elevenphone.cli._exit_codes import ExitCode
from elevenphone.cli._explanations import explained
from elevenphone.cli._options import Connection
from elevenphone.cli._text import printable
from elevenphone.errors import (
    AuthenticationError,
    ElevenPhoneError,
    InvalidPhoneNumberIdError,
    NotFoundError,
    RateLimitError,
)

# Of the looks of an id, and no number's.
_MADE_UP_ID = "phnum_00000000000000000000000000"
_SECONDS_TO_CONNECT = 10.0
_USUAL_KEY = re.compile(r"sk_[0-9a-f]{48}|[0-9a-f]{32}|sk_emulator\w*")
_LIMIT_HEADERS = re.compile(r"(current|maximum)-concurrent-requests|retry-after(-ms)?|(x-)?ratelimit.*")
Mark: TypeAlias = Literal["ok", "note", "fail"]


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        mark: `ok`; `note`: it works, but look; `fail`.
        subject: What was looked at.
        text: What was seen.
        what_to_do: About it; empty where there is nothing.
        code: What the command ends with, were this its worst.
    """

    mark: Mark
    subject: str
    text: str
    what_to_do: str = ""
    code: ExitCode = ExitCode.ALL_FOUND


def run_doctor(connection: Connection, phone_number_id: str | None) -> int:
    """Look at one thing after another, and tell what is seen.

    Args:
        connection: How the API is reached.
        phone_number_id: What is looked up; `None` for an id that no number has.

    Returns:
        The exit code.
    """
    doctor = _Doctor(connection)
    run(doctor.examine(phone_number_id))
    return doctor.code


class _Doctor:
    """Tells findings as they come, and remembers the first that is a failure.

    Attributes:
        code: The exit code.
    """

    def __init__(self, connection: Connection) -> None:
        self.code = ExitCode.ALL_FOUND
        self._connection = connection

    def tell(self, finding: Finding) -> None:
        """Print a finding."""
        self.code = self.code or finding.code
        click.echo(printable(f"{finding.mark:<5} {finding.subject:<8} {finding.text}"))
        if finding.what_to_do:
            click.echo(printable(f"{'':<15}{finding.what_to_do}"))

    def _client(self) -> PhoneNumberClient | None:
        """Make the client, which checks the key's form."""
        file = self._connection.api_key_file
        origin = "ELEVENLABS_API_KEY" if file is None else f"'{file}'"
        try:
            key = self._connection.key()
        except click.UsageError as error:
            self.tell(Finding("fail", "key", error.message, code=ExitCode.USAGE))
            return None
        if _USUAL_KEY.fullmatch(key):
            self.tell(Finding("ok", "key", f"from {origin}, of the usual form (not shown)"))
        else:
            what_to_do = "Most keys are sk_ and 48 hexadecimal digits: see that it is whole."
            self.tell(Finding("note", "key", f"from {origin}, of an unusual form", what_to_do))
        return self._connection.client(retry=RetryPolicy.none())

    async def examine(self, phone_number_id: str | None) -> None:
        """Go as far towards a lookup as there is a way."""
        self.tell(Finding("ok", "version", _versions()))
        client = self._client()
        url = urlsplit(self._connection.address())
        host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        network = "Check the network, and --region, --base-url or ELEVENLABS_BASE_URL."
        if getproxies().get(url.scheme):
            network += " The proxy that the environment names is not used."
        reached = await self._connect("host", f"{host} port {port}", network, _open(host, port, None))
        if reached and url.scheme == "https":
            proxy = "Does the port speak TLS? If a proxy opens it, point SSL_CERT_FILE at its certificate."
            reached = await self._connect("TLS", "", proxy, _open(host, port, ssl.create_default_context()))
        elif reached:
            self.tell(Finding("ok", "TLS", "none: plain HTTP, which nothing but this machine sees"))
        if reached and client is not None:
            await self._look_up(client, phone_number_id)

    async def _connect(self, subject: str, what: str, what_to_do: str, opened: Awaitable[str]) -> bool:
        started = time.perf_counter()
        try:
            seen = await asyncio.wait_for(opened, _SECONDS_TO_CONNECT)
        except TimeoutError:
            problem = f"no answer within {_SECONDS_TO_CONNECT:g} s"
        except ssl.SSLCertVerificationError as error:
            problem = f"the certificate is not trusted: {error.verify_message}"
        except OSError as error:
            problem = error.strerror or str(error)
        except UnicodeError:
            problem = "is not the name of a host"
        else:
            milliseconds = (time.perf_counter() - started) * 1000
            self.tell(Finding("ok", subject, f"{what} {seen}, {milliseconds:.0f} ms".lstrip()))
            return True
        told = f"{what}: {problem}" if what else problem
        self.tell(Finding("fail", subject, told, what_to_do, ExitCode.SOME_FAILED))
        return False

    async def _look_up(self, client: PhoneNumberClient, phone_number_id: str | None) -> None:
        async with client:
            try:
                answer = await client.get_raw(phone_number_id or _MADE_UP_ID)
            except InvalidPhoneNumberIdError:
                raise
            except ElevenPhoneError as error:
                self.tell(Finding("fail", "lookup", explained(error), code=ExitCode.SOME_FAILED))
                return
        self.tell(_judged(answer, made_up=phone_number_id is None))
        self.tell(_limits(answer.headers))


def _versions() -> str:
    loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    names = ["aiohttp", "msgspec", *([] if loop == "asyncio" else [loop])]
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    return f"elevenphone {__version__}, Python {platform.python_version()}, {packages}, {platform.system()}"


async def _open(host: str, port: int, context: ssl.SSLContext | None) -> str:
    """Open a connection, and say what is at the other end."""
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        session: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
        if session is None:
            return f"at {writer.get_extra_info('peername')[0]}"
        certificate = session.getpeercert() or {}
        return f"{session.version()}, certificate good until {certificate.get('notAfter', 'some day')}"
    finally:
        writer.close()


def _judged(answer: RawResponse, *, made_up: bool) -> Finding:
    """Say what an answer shows."""
    took = f"{answer.elapsed * 1000:.0f} ms"
    try:
        number = answer.decode()
    except NotFoundError as error:
        if made_up:
            return Finding("ok", "lookup", f"404 for an id that nobody has, {took}: the key works")
        return Finding("fail", "lookup", f"the key works, but: {explained(error)}", code=ExitCode.SOME_FAILED)
    except AuthenticationError as error:
        return Finding("fail", "lookup", explained(error), code=ExitCode.KEY_REFUSED)
    except RateLimitError as error:
        return Finding("note", "lookup", explained(error))
    except ElevenPhoneError as error:
        return Finding("fail", "lookup", explained(error), code=ExitCode.SOME_FAILED)
    return Finding("ok", "lookup", f"{number.phone_number} ({number.provider}), {took}: the key works")


def _limits(headers: Mapping[str, str]) -> Finding:
    """Say what the server tells of its limits."""
    told = [f"{name}: {value}" for name, value in headers.items() if _LIMIT_HEADERS.fullmatch(name)]
    text = ", ".join(told) or "the server tells none, as is usual: bulk runs find them by themselves"
    return Finding("ok", "limits", text)
