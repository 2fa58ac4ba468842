"""A client is closed in a loop that is not its own, as a fixture of another loop scope does."""

from __future__ import annotations

import asyncio

import pytest

from elevenphone import ConfigurationError, PhoneNumberClient
from elevenphone.emulator import Emulator
from elevenphone.pytest_plugin import elevenphone_emulator

__all__ = ["elevenphone_emulator"]  # a fixture, which must be a name of this module to be found


def test_closing_in_another_loop_says_so(elevenphone_emulator: Emulator) -> None:
    api = elevenphone_emulator
    with asyncio.Runner() as own, asyncio.Runner() as other:
        client = PhoneNumberClient(api.api_key, base_url=api.base_url)
        own.run(client.get(api.ids[0]))
        with pytest.raises(ConfigurationError, match="another event loop"):
            other.run(client.aclose())
        own.run(client.aclose())
