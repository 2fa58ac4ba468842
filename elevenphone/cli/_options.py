"""The options that say how the API is reached, and the client they make."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

if TYPE_CHECKING:
    from elevenphone.client import PhoneNumberClient
    from elevenphone.retry import RetryPolicy

_REGIONS = ("global", "us", "eu", "in", "sg")
# Far more than any key: a wrong path, to a device or a recording, must not fill the memory.
_LONGEST_KEY_FILE = 10_000


class ClientOptions(TypedDict, total=False):
    """Arguments of the client that not all commands have."""

    concurrency: int | None
    rate: float | None
    retry: RetryPolicy


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How the API is reached.

    Attributes:
        api_key_file: Where the key is; `None` for `ELEVENLABS_API_KEY`.
        region: A name of a `Region`, in lower case.
        base_url: Any other host.
        timeout: Seconds for one attempt.
        deadline: Seconds for one lookup.
    """

    api_key_file: Path | None
    region: str | None
    base_url: str | None
    timeout: float
    deadline: float

    def key(self) -> str:
        """Find the key.

        Raises:
            click.UsageError: There is none that is usable.
        """
        return _key_of_environment() if self.api_key_file is None else _key_of_file(self.api_key_file)

    def client(self, **more: Unpack[ClientOptions]) -> PhoneNumberClient:
        """Make the client.

        Args:
            **more: Arguments of the client that not all commands have.

        Raises:
            click.UsageError: There is no usable key, or two hosts.
            ConfigurationError: Another option cannot be.
        """
        if self.region is not None and self.base_url is not None:
            raise click.UsageError("--region and --base-url both name a host: give one of them.")
        key = self.key()
        from elevenphone import PhoneNumberClient, Region  # noqa: PLC0415 - after the cheap checks

        return PhoneNumberClient(
            key,
            region=None if self.region is None else Region[self.region.upper()],
            base_url=self.base_url,
            timeout=self.timeout,
            deadline=self.deadline,
            **more,
        )

    def address(self) -> str:
        """Say whom the client asks: the start of every URL."""
        if self.region is None and (url := self.base_url or os.environ.get("ELEVENLABS_BASE_URL")):
            return url.rstrip("/")
        from elevenphone import Region  # noqa: PLC0415 - start-up is for everybody

        return f"https://{Region[(self.region or 'global').upper()].value}"


def _key_of_environment() -> str:
    key = os.environ.get("ELEVENLABS_API_KEY", "").strip()
    if not key:
        raise click.UsageError(
            "no API key: set ELEVENLABS_API_KEY, or give --api-key-file FILE. "
            "Without a key there is `elevenphone demo`."
        )
    return _checked(key, "ELEVENLABS_API_KEY")


def _key_of_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_KEY_FILE + 1)
    except OSError as error:
        raise click.UsageError(f"cannot read the key from '{path}': {error.strerror}.") from None
    key = content.decode("utf-8-sig", errors="replace").strip()
    if not key:
        raise click.UsageError(f"the key file '{path}' is empty.")
    return _checked(key, f"'{path}'")


def _checked(key: str, origin: str) -> str:
    if not (key.isascii() and key.isprintable() and " " not in key and len(key) <= _LONGEST_KEY_FILE):
        raise click.UsageError(f"what {origin} holds is not an API key: expected the key alone, on one line.")
    return key


_OPTIONS = (
    click.option(
        "--api-key-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Read the key from FILE rather than from ELEVENLABS_API_KEY.",
    ),
    click.option(
        "--region",
        type=click.Choice(_REGIONS),
        help="The workspace's region; each data residency region has keys of its own.  [default: global]",
    ),
    click.option(
        "--base-url",
        metavar="URL",
        help="Any other host, such as an emulator's (or set ELEVENLABS_BASE_URL).",
    ),
    click.option(
        "--timeout", default=10.0, show_default=True, metavar="SECONDS", help="How long one attempt may take."
    ),
)


def connection_options(*, deadline: float) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Give a command the options that say how the API is reached, as one `Connection`.

    The command's function takes that first.

    Args:
        deadline: Seconds for one lookup where the user says nothing.
    """
    deadline_option = click.option(
        "--deadline",
        default=deadline,
        show_default=True,
        metavar="SECONDS",
        help="How long one lookup may take, retries and waits included.",
    )

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(function)
        def packed(
            api_key_file: Path | None,
            region: str | None,
            base_url: str | None,
            timeout: float,
            deadline: float,
            **others: object,
        ) -> int:
            connection = Connection(
                api_key_file=api_key_file,
                region=region,
                base_url=base_url,
                timeout=timeout,
                deadline=deadline,
            )
            return function(connection, **others)

        command: Callable[..., int] = packed
        for option in reversed((*_OPTIONS, deadline_option)):
            command = option(command)
        return command

    return decorate
