"""The work of `elevenphone doctor`."""

from __future__ import annotations

import asyncio
import importlib.util
import platform
import re
import ssl
import textwrap
import time
from collections.abc import Awaitable, Mapping
from importlib.metadata import version
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from elevenphone import RawResponse, RetryPolicy, __version__
from elevenphone.cli.access import Access
from elevenphone.cli.event_loop import run
from elevenphone.cli.exit_codes import ExitCode, Refusal
from elevenphone.cli.show.verdicts import exit_code_of_error, explained
from elevenphone.errors import (
    ElevenPhoneError,
    InvalidPhoneNumberIdError,
    NotFoundError,
    RateLimitError,
)

# Looks like an id, and belongs to no number.
_MADE_UP_ID = "phnum_00000000000000000000000000"
_SECONDS_TO_CONNECT = 10.0
_PORTS = {"https": 443}
_USUAL_KEY = re.compile(r"sk_[0-9a-f]{48}|[0-9a-f]{32}|sk_emulator\w*")
_LIMIT_HEADERS = re.compile(r"(current|maximum)-concurrent-requests|retry-after(-ms)?|(x-)?ratelimit.*")
Mark: TypeAlias = Literal["ok", "note", "fail"]


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        mark: `ok`, `note` (it works, but look at it) or `fail`.
        subject: The thing examined.
        text: The observation.
        what_to_do: Advice; empty where there is none.
        code: The exit code if this is the first failure.
    """

    mark: Mark
    subject: str
    text: str
    what_to_do: str = ""
    code: ExitCode = ExitCode.ALL_FOUND


def run_doctor(access: Access, phone_number_id: str | None) -> ExitCode:
    """Examine one thing after another, and report each.

    Args:
        access: How the API is reached.
        phone_number_id: The id to look up; `None` for one that no number has.

    Returns:
        The exit code.
    """
    doctor = _Doctor(access)
    run(doctor.examine(phone_number_id))
    return doctor.code


class _Doctor:
    """Prints findings as they come, and remembers the exit code of the first failure.

    Attributes:
        code: The exit code.
    """

    def __init__(self, access: Access) -> None:
        self.code = ExitCode.ALL_FOUND
        self._access = access

    def tell(self, finding: Finding) -> None:
        """Print a finding."""
        self.code = self.code or finding.code
        self._print(f"{finding.mark:<5} {finding.subject:<8} {finding.text}")
        if finding.what_to_do:
            self._print(f"{'':<15}{finding.what_to_do}")

    def _print(self, line: str) -> None:
        shell = self._access.shell
        if shell.output_is_terminal:
            indent = " " * min(15, shell.width // 3)
            pieces = textwrap.wrap(
                line, shell.width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
            )
            line = "\n".join(pieces)
        for each in line.split("\n"):
            shell.print(each)

    def _has_key(self) -> bool:
        """Look at the key's form."""
        file = self._access.api_key_file
        origin = "ELEVENLABS_API_KEY" if file is None else f"'{file}'"
        try:
            key = self._access.key()
        except Refusal as error:
            self.tell(Finding("fail", "key", error.message, code=ExitCode.USAGE))
            return False
        if _USUAL_KEY.fullmatch(key):
            self.tell(Finding("ok", "key", f"from {origin}, of the usual form (not shown)"))
        else:
            what_to_do = "Most keys are sk_ and 48 hexadecimal digits: check that it is complete."
            self.tell(Finding("note", "key", f"from {origin}, of an unusual form", what_to_do))
        return True

    async def examine(self, phone_number_id: str | None) -> None:
        """Go as far towards a lookup as possible."""
        self.tell(Finding("ok", "version", _versions()))
        has_key = self._has_key()
        if has_key:
            self._access.check()
        url = urlsplit(self._access.address)
        if await (self._reach_proxy(url) if self._proxy(url) else self._reach(url)) and has_key:
            await self._look_up(phone_number_id)

    def _proxy(self, url: SplitResult) -> str | None:
        """Find the proxy that requests go through."""
        if self._access.proxy is not None or not self._access.trust_env:
            return self._access.proxy
        return None if proxy_bypass(url.hostname or "") else getproxies().get(url.scheme)

    async def _reach_proxy(self, url: SplitResult) -> bool:
        proxy = urlsplit(self._proxy(url) or "")
        host, port = proxy.hostname or "", proxy.port or _PORTS.get(proxy.scheme, 80)
        what_to_do = "Check --proxy, or HTTPS_PROXY and NO_PROXY."
        return await self._connect("proxy", f"{host} port {port}", what_to_do, _open(host, port, None))

    async def _reach(self, url: SplitResult) -> bool:
        host, port = url.hostname or "", url.port or _PORTS.get(url.scheme, 80)
        network = "Check the network, and --region, --base-url or ELEVENLABS_BASE_URL."
        if getproxies().get(url.scheme):
            network += " The environment names a proxy: --trust-env uses it."
        if not await self._connect("host", f"{host} port {port}", network, _open(host, port, None)):
            return False
        if url.scheme == "https":
            tls = "Does the port speak TLS? If a proxy answers, trust its authority with --ca-file."
            opened = _open(host, port, self._access.tls_context())
            return await self._connect("TLS", "", tls, opened)
        self.tell(Finding("ok", "TLS", "none: plain HTTP, which only this machine sees"))
        return True

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
        text = f"{what}: {problem}" if what else problem
        self.tell(Finding("fail", subject, text, what_to_do, ExitCode.SERVER_AWAY))
        return False

    async def _look_up(self, phone_number_id: str | None) -> None:
        async with self._access.client(retry=RetryPolicy.none()) as client:
            self.tell(_form(repr(client)))
            try:
                answer = await client.get_raw(phone_number_id or _MADE_UP_ID)
            except InvalidPhoneNumberIdError:
                raise
            except ElevenPhoneError as error:
                self.tell(Finding("fail", "lookup", explained(error), code=exit_code_of_error(error)))
                return
        self.tell(_judged(answer, made_up=phone_number_id is None))
        self.tell(_limits(answer.headers))


def _versions() -> str:
    loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    names = ["aiohttp", "msgspec", *([] if loop == "asyncio" else [loop])]
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    return f"elevenphone {__version__}, Python {platform.python_version()}, {packages}, {platform.system()}"


def _form(client: str) -> Finding:
    """Say what sends the requests of a client, which stands in its `repr`."""
    over = re.search(r"over (\w+)", client)
    name = over[1] if over is not None else "another transport"
    if name == "httptools":
        return Finding("ok", "HTTP", f"over httptools {version(name)}")
    is_there = importlib.util.find_spec("httptools") is not None
    faster = "" if is_there else "; httptools is faster: pip install 'elevenphone[speed]'"
    return Finding("ok", "HTTP", f"over {name}{faster}")


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
        return Finding("fail", "lookup", f"the key works, but: {explained(error)}", code=ExitCode.NOT_FOUND)
    except RateLimitError as error:
        mark: Mark = "note" if (code := exit_code_of_error(error)) is ExitCode.SOME_FAILED else "fail"
        return Finding(mark, "lookup", explained(error), code=code if mark == "fail" else ExitCode.ALL_FOUND)
    except ElevenPhoneError as error:
        return Finding("fail", "lookup", explained(error), code=exit_code_of_error(error))
    return Finding("ok", "lookup", f"{number.phone_number} ({number.provider}), {took}: the key works")


def _limits(headers: Mapping[str, str]) -> Finding:
    """Say what the server states about its limits."""
    stated = [f"{name}: {value}" for name, value in headers.items() if _LIMIT_HEADERS.fullmatch(name)]
    text = ", ".join(stated) or "the server states none, as usual: bulk runs find them by trying"
    return Finding("ok", "limits", text)
