"""`elevenphone doctor`: see what works, and what to do about the rest."""

from __future__ import annotations

import platform
import re
import textwrap
import time
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal
from urllib.parse import SplitResult, urlsplit

import click

import elevenphone
from elevenphone.cli.access import Access
from elevenphone.cli.commands import access_options
from elevenphone.cli.errors import ExitCode, Refusal, exit_code_of, explained
from elevenphone.cli.shell import run
from elevenphone.errors import (
    ElevenPhoneError,
    InvalidPhoneNumberIdError,
    NotFoundError,
    RateLimitError,
)

if TYPE_CHECKING:
    import asyncio
    import ssl

    from elevenphone import RawResponse

# Looks like an id, and belongs to no number.
_MADE_UP_ID = "phnum_00000000000000000000000000"
_SECONDS_TO_CONNECT = 10.0
_USUAL_KEY = re.compile(r"sk_[0-9a-f]{48}|[0-9a-f]{32}|sk_emulator\w*")
_LIMIT_HEADERS = re.compile(r"(current|maximum)-concurrent-requests|retry-after(-ms)?|(x-)?ratelimit.*")


@click.command("doctor")
@click.argument("phone_number_id", metavar="[ID]", required=False)
@access_options(deadline=15.0)
def command(access: Access, *, phone_number_id: str | None) -> int:
    """Check the key, the way to the server, and one lookup.

    Without an ID one is made up: the answer "not found" shows that the key works.
    Each line that is not `ok` says what to do.

    \b
    Examples:
      elevenphone doctor
      elevenphone doctor --region eu phnum_01jxaeyg3feh3tmx39d4ky63rd
    """  # noqa: D301 - click wants the character itself
    return run(_Doctor(access).examine(phone_number_id))


class _Doctor:
    """Prints findings as they come, and remembers the exit code of the first failure."""

    def __init__(self, access: Access) -> None:
        self._code = ExitCode.ALL_FOUND
        self._access = access

    async def examine(self, phone_number_id: str | None) -> ExitCode:
        """Go as far towards a lookup as possible."""
        self._tell("ok", "version", _versions())
        if has_key := self._has_key():
            self._access.check()
        url = _split(self._access.address)
        proxy = self._access.proxy_address()
        if proxy is None:
            reached = await self._reach(url)
        else:
            reached = await self._connect("proxy", proxy, "Check --proxy, or HTTPS_PROXY and NO_PROXY.")
        if reached and has_key:
            await self._look_up(phone_number_id)
        return self._code

    def _tell(
        self,
        mark: Literal["ok", "note", "fail"],
        subject: str,
        text: str,
        what_to_do: str = "",
        code: ExitCode = ExitCode.ALL_FOUND,
    ) -> None:
        """Print a finding; `code` is the exit code if this is the first failure."""
        self._code = self._code or code
        self._print(f"{mark:<5} {subject:<8} {text}")
        if what_to_do:
            self._print(f"{'':<15}{what_to_do}")

    def _print(self, line: str) -> None:
        shell = self._access.shell
        if not shell.output_is_terminal:
            shell.print(line)
            return
        indent = " " * min(15, shell.width // 3)
        for piece in textwrap.wrap(
            line, shell.width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
        ):
            shell.print(piece)

    def _has_key(self) -> bool:
        """Look at the key's form."""
        file = self._access.api_key_file
        origin = "ELEVENLABS_API_KEY" if file is None else f"'{file}'"
        try:
            key = self._access.key()
        except Refusal as error:
            self._tell("fail", "key", error.message, code=ExitCode.USAGE)
            return False
        if _USUAL_KEY.fullmatch(key):
            self._tell("ok", "key", f"from {origin}, of the usual form (not shown)")
        else:
            what_to_do = "Most keys are sk_ and 48 hexadecimal digits: check that it is complete."
            self._tell("note", "key", f"from {origin}, of an unusual form", what_to_do)
        return True

    async def _reach(self, url: SplitResult) -> bool:
        network = "Check the network, and --region, --base-url or ELEVENLABS_BASE_URL."
        if self._access.proxy_of_environment():
            network += " The environment names a proxy: --trust-env uses it."
        if not await self._connect("host", url, network):
            return False
        if url.scheme == "https":
            tls = "Does the port speak TLS? If a proxy answers, trust its authority with --ca-file."
            return await self._connect("TLS", url, tls, self._access.tls_context())
        self._tell("ok", "TLS", "none: plain HTTP, which only this machine sees")
        return True

    async def _connect(
        self, subject: str, url: SplitResult, what_to_do: str, context: ssl.SSLContext | None = None
    ) -> bool:
        import asyncio  # noqa: PLC0415 - slow, as below
        import ssl  # noqa: PLC0415

        host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        what = f"{host} port {port}" if context is None else ""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(_SECONDS_TO_CONNECT):
                _, writer = await asyncio.open_connection(host, port, ssl=context)
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
            self._tell("ok", subject, f"{what} {_peer(writer)}, {milliseconds:.0f} ms".lstrip())
            writer.close()
            return True
        text = f"{what}: {problem}" if what else problem
        self._tell("fail", subject, text, what_to_do, ExitCode.SERVER_AWAY)
        return False

    async def _look_up(self, phone_number_id: str | None) -> None:
        async with self._access.client(retry=elevenphone.RetryPolicy.none()) as client:
            self._tell("ok", "HTTP", _form(repr(client)))
            try:
                answer = await client.get_raw(phone_number_id or _MADE_UP_ID)
            except InvalidPhoneNumberIdError:
                raise
            except ElevenPhoneError as error:
                self._tell("fail", "lookup", explained(error), code=exit_code_of(error))
                return
        self._judge(answer, made_up=phone_number_id is None)
        self._tell("ok", "limits", _limits(answer.headers))

    def _judge(self, answer: RawResponse, *, made_up: bool) -> None:
        """Say what an answer shows."""
        took = f"{answer.elapsed * 1000:.0f} ms"
        try:
            number = answer.decode()
        except NotFoundError as error:
            if made_up:
                self._tell("ok", "lookup", f"404 for an id that nobody has, {took}: the key works")
            else:
                text = f"the key works, but: {explained(error)}"
                self._tell("fail", "lookup", text, code=ExitCode.NOT_FOUND)
        except ElevenPhoneError as error:
            code = exit_code_of(error)
            if isinstance(error, RateLimitError) and code is ExitCode.SOME_FAILED:
                self._tell("note", "lookup", explained(error))
            else:
                self._tell("fail", "lookup", explained(error), code=code)
        else:
            self._tell("ok", "lookup", f"{number.phone_number} ({number.provider}), {took}: the key works")


def _versions() -> str:
    import asyncio  # noqa: PLC0415 - slow, as below
    from importlib.metadata import version  # noqa: PLC0415

    loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    names = ["aiohttp", "msgspec", *([] if loop == "asyncio" else [loop])]
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"elevenphone {elevenphone.__version__}, Python {platform.python_version()}, {packages}, "
        f"{platform.system()}"
    )


def _split(address: str) -> SplitResult:
    """Take an address apart, which no client has checked if there is no key."""
    try:
        url = urlsplit(address)
        _ = url.port
    except ValueError:
        raise click.UsageError("the base URL is not an address such as https://api.elevenlabs.io.") from None
    return url


def _peer(writer: asyncio.StreamWriter) -> str:
    """Say what is at the other end of a connection."""
    session: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    if session is None:
        return f"at {writer.get_extra_info('peername')[0]}"
    certificate = session.getpeercert() or {}
    return f"{session.version()}, certificate good until {certificate.get('notAfter', 'some day')}"


def _form(client: str) -> str:
    """Say what sends the requests of a client, which stands in its `repr`."""
    from importlib.metadata import version  # noqa: PLC0415 - slow

    over = re.search(r"over (\w+)", client)
    name = over[1] if over is not None else "another transport"
    if name == "httptools":
        return f"over httptools {version(name)}"
    is_there = find_spec("httptools") is not None
    faster = "" if is_there else "; httptools is faster: pip install 'elevenphone[speed]'"
    return f"over {name}{faster}"


def _limits(headers: Mapping[str, str]) -> str:
    """Say what the server states about its limits."""
    stated = [f"{name}: {value}" for name, value in headers.items() if _LIMIT_HEADERS.fullmatch(name)]
    return ", ".join(stated) or "the server states none, as usual: bulk runs find them by trying"
