"""How the API is reached, as the options say it, and the client made of that."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack
from urllib.parse import SplitResult, urlsplit

import click

import elevenphone
from elevenphone.cli.errors import OutputError, Refusal
from elevenphone.cli.shell import Shell
from elevenphone.cli.text import printable

if TYPE_CHECKING:
    import ssl

    import aiohttp

    from elevenphone import PhoneNumberClient, RetryPolicy

# Far longer than any key: a wrong path, to a device or a recording, must not fill the memory.
_LONGEST_KEY_FILE = 10_000


class ClientSettings(TypedDict, total=False):
    """Arguments of the client that only some commands give."""

    concurrency: int | None
    rate: float | None
    retry: RetryPolicy


@dataclass(frozen=True, kw_only=True)
class Access:
    """How the API is reached: where the command runs, and its options of these names."""

    shell: Shell
    api_key_file: Path | None
    region: elevenphone.Region | None
    base_url: str | None
    timeout: float
    deadline: float
    proxy: str | None
    trust_env: bool
    ca_file: Path | None
    verbose: bool
    log_file: Path | None

    def refuse_same(self, **others: Path | None) -> None:
        """Refuse two files of one command that are the same; `others` are by what the user calls them."""
        own = {"--api-key-file": self.api_key_file, "--ca-file": self.ca_file, "--log-file": self.log_file}
        seen: dict[str, str] = {}
        for name, path in (others | own).items():
            if path is None or (os.path.exists(path) and not os.path.isfile(path)):  # noqa: PTH110, PTH113 - Path raises
                continue  # many may share a pipe or a terminal
            if (other := seen.setdefault(os.path.realpath(path), name)) != name:
                raise click.UsageError(
                    f"{other} and {name} are the same file, '{path}': give different ones."
                )

    def key(self) -> str:
        """Find the key, or refuse what cannot be one."""
        if self.api_key_file is not None:
            return _key_of_file(self.api_key_file)
        key = self.shell.environment.get("ELEVENLABS_API_KEY", "").strip()
        if not key:
            raise Refusal(
                "no API key: set ELEVENLABS_API_KEY, or give --api-key-file FILE. "
                "Without a key there is `elevenphone demo`."
            )
        return _checked(key, "ELEVENLABS_API_KEY")

    @property
    def address(self) -> str:
        """The start of every URL."""
        if self.region is not None and self.base_url is not None:
            raise click.UsageError("--region and --base-url both name a host: give one of them.")
        url = self.base_url or self.shell.environment.get("ELEVENLABS_BASE_URL")
        if self.region is None and url:
            return url.rstrip("/")
        return f"https://{(self.region or elevenphone.Region.GLOBAL).value}"

    def tls_context(self) -> ssl.SSLContext:
        """Make the TLS settings that `--ca-file` asks for, or refuse that file."""
        import ssl  # noqa: PLC0415 - `--help` needs no TLS

        context = ssl.create_default_context()
        if self.ca_file is not None:
            try:
                context.load_verify_locations(self.ca_file)
            except OSError as error:
                is_other = isinstance(error, ssl.SSLError)
                problem = "it holds no certificate in PEM form" if is_other else error.strerror
                raise Refusal(f"cannot use --ca-file '{self.ca_file}': {problem}.") from None
        return context

    def check(self, **settings: Unpack[ClientSettings]) -> None:
        """Make a client to see whether one can be made, before any work is done.

        Raises:
            Refusal: There is no usable key, or a file cannot be used.
            click.UsageError: Options contradict each other.
            ConfigurationError: Another option is wrong.
        """
        self.refuse_same()
        self._new_client(None, settings)
        if self.ca_file is not None:
            self.tls_context()
        self.proxy_address()

    def proxy_address(self) -> SplitResult | None:
        """Find the proxy that requests go through, if they do.

        Raises:
            click.UsageError: It is not an address.
        """
        if self.proxy is not None:
            return _proxy(self.proxy, "--proxy")
        named = self.proxy_of_environment() if self.trust_env else None
        return None if named is None else _proxy(named, "the proxy that the environment names")

    def proxy_of_environment(self) -> str | None:
        """Find the proxy that the environment names, whether it is used or not."""
        from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - slow

        url = urlsplit(self.address)
        return None if proxy_bypass(url.hostname or "") else getproxies().get(url.scheme)

    @contextlib.asynccontextmanager
    async def client(self, **settings: Unpack[ClientSettings]) -> AsyncGenerator[PhoneNumberClient]:
        """Open a client, and close it at the end of the block; `check` comes first."""
        async with contextlib.AsyncExitStack() as opened:
            opened.enter_context(self._logged())
            session = None
            if self.proxy is not None or self.trust_env or self.ca_file is not None:
                import aiohttp  # noqa: PLC0415 - only where a proxy or an authority asks for a session

                session = await opened.enter_async_context(
                    aiohttp.ClientSession(
                        connector=aiohttp.TCPConnector(limit=0, ssl=self.tls_context()),
                        cookie_jar=aiohttp.DummyCookieJar(),
                        proxy=self.proxy,
                        trust_env=self.trust_env,
                    )
                )
            yield await opened.enter_async_context(self._new_client(session, settings))

    def _new_client(
        self, session: aiohttp.ClientSession | None, settings: ClientSettings
    ) -> PhoneNumberClient:
        address, key = self.address, self.key()  # before what is slow to import
        return elevenphone.PhoneNumberClient(
            key,
            base_url=address,
            timeout=self.timeout,
            deadline=self.deadline,
            session=session,
            **settings,
        )

    @contextlib.contextmanager
    def _logged(self) -> Generator[None]:
        """Write the library's log, which has a line for each attempt, where the options say."""
        logger = logging.getLogger("elevenphone")
        handlers: list[logging.Handler] = [logging.StreamHandler(self.shell.errors)] if self.verbose else []
        if self.log_file is not None:
            try:
                handlers.append(_LogFile(self.log_file, self.shell))
            except OSError as error:
                raise OutputError(f"'{self.log_file}'", error) from None
        with contextlib.ExitStack() as undone:
            undone.callback(logger.setLevel, logger.level)
            for handler in handlers:
                undone.callback(handler.close)
                undone.callback(logger.removeHandler, handler)
                handler.setFormatter(_LogFormatter("%(asctime)s.%(msecs)03d %(message)s", "%H:%M:%S"))
                logger.addHandler(handler)
                logger.setLevel(logging.DEBUG)
            yield


class _LogFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _LogFile(logging.FileHandler):
    """Writes the log to a file; if the disk is full, it says so once, and the command goes on."""

    def __init__(self, path: Path, shell: Shell) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace")
        self._path = path
        self._shell = shell
        self._has_failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._has_failed:
            self._has_failed = True
            self._shell.say(f"elevenphone: cannot write '{self._path}': {error.strerror or error}")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


def _proxy(text: str, origin: str) -> SplitResult:
    with contextlib.suppress(ValueError):  # half an IPv6 address, or a port that is not a number
        url = urlsplit(text)
        if url.scheme in {"http", "https"} and url.hostname and url.port != 0:
            return url
    raise click.UsageError(f"{origin} is not an address such as http://proxy.example:3128.")


def _key_of_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_KEY_FILE + 1)
    except OSError as error:
        raise Refusal(f"cannot read the key from '{path}': {error.strerror}.") from None
    key = content.decode("utf-8-sig", errors="replace").strip()
    if not key:
        raise Refusal(f"the key file '{path}' is empty.")
    return _checked(key, f"'{path}'")


def _checked(key: str, origin: str) -> str:
    if not (key.isascii() and key.isprintable() and " " not in key and len(key) <= _LONGEST_KEY_FILE):
        raise Refusal(f"{origin} does not hold an API key: expected the key alone, on one line.")
    return key
