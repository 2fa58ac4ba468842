"""The fixtures of the plugin, in separate runs of pytest like those of users."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

# The same as the installed entry point, but it needs no new installation of the package.
LOAD = ("-p", "elevenphone.pytest_plugin")
STRICT = ("-W", "error", "-p", "no:cacheprovider")
# Plugins that have nothing to do with these runs, and are slow to load.
WITHOUT = ("-p", "no:hypothesispytest", "-p", "no:xdist", "-p", "no:xdist.looponfail")
# pytest-asyncio warns if this is not set.
LOOPS = ("-o", "asyncio_default_fixture_loop_scope=function")

A_LOOKUP = """
    import pytest
    from elevenphone import NotFoundError, PhoneNumberClient
    from elevenphone.emulator import Emulator

    {marker}
    async def test_a_lookup(elevenphone_emulator: Emulator, elevenphone_client: PhoneNumberClient) -> None:
        phone_number_id = elevenphone_emulator.ids[0]
        assert await elevenphone_client.get(phone_number_id) == elevenphone_emulator.number(phone_number_id)
        with pytest.raises(NotFoundError):
            await elevenphone_client.get(elevenphone_emulator.unknown_ids[0])
        assert [request.status for request in elevenphone_emulator.requests] == [200, 404]

    {marker}
    async def test_each_test_has_an_emulator_of_its_own(elevenphone_emulator: Emulator) -> None:
        assert elevenphone_emulator.stats.requests == 0
"""
IN_STRICT_MODE = A_LOOKUP.format(marker="@pytest.mark.asyncio")
UNMARKED = A_LOOKUP.format(marker="")


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run pytest in a separate process, with the plugin loaded once however it is installed."""
    installed = any(each.value == LOAD[1] for each in entry_points(group="pytest11"))
    load = () if installed else LOAD
    loops = () if "no:asyncio" in arguments else LOOPS
    return pytester.runpytest_subprocess(*STRICT, *WITHOUT, *load, *loops, *arguments)


def test_fixtures_in_strict_mode(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(IN_STRICT_MODE)
    run(pytester, "-o", "asyncio_mode=strict").assert_outcomes(passed=2)


def test_fixtures_in_auto_mode(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(UNMARKED)
    run(pytester, "-o", "asyncio_mode=auto").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("fixture_loop", "test_loop"), [("function", "session"), ("session", "function"), ("session", "session")]
)
def test_fixtures_in_every_scope_of_loops(
    pytester: pytest.Pytester, fixture_loop: str, test_loop: str
) -> None:
    pytester.makepyfile(UNMARKED)
    run(
        pytester,
        "-o",
        "asyncio_mode=auto",
        "-o",
        f"asyncio_default_fixture_loop_scope={fixture_loop}",
        "-o",
        f"asyncio_default_test_loop_scope={test_loop}",
    ).assert_outcomes(passed=2)


def test_fixtures_with_anyio_instead_of_pytest_asyncio(pytester: pytest.Pytester) -> None:
    pytest.importorskip("anyio")
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n")
    pytester.makepyfile(A_LOOKUP.format(marker="@pytest.mark.anyio"))
    run(pytester, "-p", "no:asyncio", "-p", "anyio").assert_outcomes(passed=2)


def test_the_emulator_serves_a_test_that_blocks(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        look_up="""
        import asyncio, sys
        from elevenphone import PhoneNumberClient

        async def main() -> None:
            async with PhoneNumberClient() as client:
                print((await client.get(sys.argv[1])).phone_number_id)

        asyncio.run(main())
        """,
        test_blocking="""
        import subprocess, sys

        def test_another_process(elevenphone_emulator, monkeypatch):
            monkeypatch.setenv("ELEVENLABS_BASE_URL", elevenphone_emulator.base_url)
            monkeypatch.setenv("ELEVENLABS_API_KEY", elevenphone_emulator.api_key)
            phone_number_id = elevenphone_emulator.ids[0]
            done = subprocess.run(
                [sys.executable, "look_up.py", phone_number_id], capture_output=True, text=True, timeout=30
            )
            assert (done.stdout.strip(), done.stderr) == (phone_number_id, "")
        """,
    )
    run(pytester, "-p", "no:asyncio").assert_outcomes(passed=1)


def test_faults_are_switched_on_from_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from elevenphone import ConnectionFailedError, ServerError

        async def test_faults(elevenphone_emulator, elevenphone_client):
            phone_number_id = elevenphone_emulator.ids[0]
            elevenphone_emulator.outage = True
            with pytest.raises(ServerError):
                await elevenphone_client.get(phone_number_id)
            elevenphone_emulator.outage_kind = "refused"
            with pytest.raises(ConnectionFailedError):
                await elevenphone_client.get(phone_number_id)
            elevenphone_emulator.outage = False
            assert (await elevenphone_client.get(phone_number_id)).phone_number_id == phone_number_id
            assert elevenphone_client.stats.retries == 4
            with pytest.raises(ValueError, match="busy must be a probability"):
                elevenphone_emulator.busy = 2.0
        """
    )
    run(pytester, "-o", "asyncio_mode=auto").assert_outcomes(passed=1)


def test_without_an_asyncio_plugin_the_client_fixture_says_what_to_install(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_client(elevenphone_client): pass\n")
    done = run(pytester, "-p", "no:asyncio", "-p", "no:anyio")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*requested an async fixture 'elevenphone_client'*"])


def test_the_fixtures_are_listed_with_what_they_are(pytester: pytest.Pytester) -> None:
    done = run(pytester, "--fixtures", "-v")
    done.stdout.fnmatch_lines_random(["elevenphone_emulator*", "*An emulator of the API with 100 numbers*"])
    done.stdout.fnmatch_lines_random(["elevenphone_client*", "*A client for the emulator of this test*"])


def test_a_run_that_asks_for_no_fixture_loads_neither_asyncio_nor_aiohttp(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_modules():
            assert "elevenphone.pytest_plugin" in sys.modules
            assert not {"aiohttp", "asyncio", "msgspec", "elevenphone.client"} & sys.modules.keys()
        """
    )
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", "-q", *STRICT, *LOAD, str(Path(pytester.path))],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
