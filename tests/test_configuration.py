from __future__ import annotations

import math
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import virtual_time
from stub_transport import StubTransport, found

from elevenphone import ConfigurationError, ElevenPhoneError, PhoneNumberClient, Region
from elevenphone._configuration import Secret, resolve_api_key, resolve_base_url
from elevenphone._values import shown

KEY = "sk_0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELEVENLABS_API_KEY", raising=False)
    monkeypatch.delenv("ELEVENLABS_BASE_URL", raising=False)


def address_asked_for(make: Callable[[StubTransport], PhoneNumberClient]) -> str:
    """Return the URL to which a client sends the lookup of `phnum_1`."""

    async def main() -> str:
        transport = StubTransport([found()])
        async with make(transport) as client:
            await client.get("phnum_1")
        return transport.urls[0]

    return virtual_time.run(main())


# The key


def test_the_key_is_the_argument_or_the_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_api_key(Secret(KEY)) == KEY
    monkeypatch.setenv("ELEVENLABS_API_KEY", "sk_from_the_environment")
    assert resolve_api_key(Secret(None)) == "sk_from_the_environment"
    assert resolve_api_key(Secret(KEY)) == KEY


async def test_the_variable_is_read_when_a_client_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="pass api_key, or set ELEVENLABS_API_KEY"):
        PhoneNumberClient()
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    async with PhoneNumberClient() as client:
        assert client.stats.requests == 0


@pytest.mark.parametrize(
    "bad",
    [
        f"{KEY}\n",
        f"{KEY}\r\nX-Injected: 1",
        f" {KEY}",
        f"{KEY[:9]} {KEY[9:]}",
        f"{KEY}\x00",
        f"{KEY}\t",
        f"{KEY}\x7f",
        f"{KEY}\ud800",
        f"{KEY}é",
        f"{KEY}\u200b",
        f"“{KEY}”",
        f"{KEY}\u0661",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("origin", ["api_key", "ELEVENLABS_API_KEY"])
def test_a_malformed_key_is_refused_and_never_shown(
    bad: str, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if origin == "ELEVENLABS_API_KEY":
        if "\x00" in bad:
            pytest.skip("a variable cannot hold NUL")
        if "\ud800" in bad:
            pytest.skip("a variable cannot hold that surrogate")
        monkeypatch.setenv(origin, bad)
        argument = None
    else:
        argument = bad
    with pytest.raises(ConfigurationError, match=origin) as caught:
        PhoneNumberClient(argument)
    assert KEY[4:] not in f"{caught.value} {caught.value!r} {caught.value.args}"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert KEY[4:] not in shown_with_locals(caught.value)


def shown_with_locals(error: BaseException) -> str:
    """Render a traceback as error reporters do, its locals included, but for this file's frames."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in report.stack if frame.filename != __file__]
    assert frames
    return "\n".join(f"{frame.filename} {frame.lineno} {frame.locals}" for frame in frames)


@pytest.mark.parametrize(
    "make",
    [
        lambda: PhoneNumberClient(KEY, base_url="http://api.elevenlabs.io"),
        lambda: PhoneNumberClient(KEY, region=Region.EU, base_url="https://api.elevenlabs.io"),
        lambda: PhoneNumberClient(KEY, timeout=-1),
        lambda: PhoneNumberClient(KEY, concurrency=0),
    ],
    ids=["base_url", "region", "timeout", "concurrency"],
)
def test_an_error_about_another_argument_does_not_show_the_key(
    make: Callable[[], PhoneNumberClient],
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert KEY not in shown_with_locals(caught.value)


@pytest.mark.parametrize("origin", ["api_key", "ELEVENLABS_API_KEY"])
def test_an_empty_key_is_refused(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if origin == "ELEVENLABS_API_KEY":
        monkeypatch.setenv(origin, "")
    with pytest.raises(ConfigurationError, match=f"{origin} is empty"):
        PhoneNumberClient("" if origin == "api_key" else None)


def test_an_empty_key_is_not_replaced_by_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    with pytest.raises(ConfigurationError, match="api_key is empty"):
        PhoneNumberClient("")


@pytest.mark.parametrize("key", [5, b"sk_0123456789", ["sk_0123456789"]])
def test_a_key_that_is_not_a_string_is_refused_and_not_shown(key: object) -> None:
    with pytest.raises(ConfigurationError, match=f"must be a str, not {type(key).__name__}") as caught:
        PhoneNumberClient(key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert "0123456789" not in str(caught.value)
    assert "0123456789" not in shown_with_locals(caught.value)


async def test_a_client_does_not_show_its_key() -> None:
    async with PhoneNumberClient(KEY) as client:
        assert KEY not in f"{client!r} {client} {client.stats}"


# The address


@pytest.mark.parametrize(
    ("region", "host"),
    [
        (Region.GLOBAL, "api.elevenlabs.io"),
        (Region.US, "api.us.elevenlabs.io"),
        (Region.EU, "api.eu.residency.elevenlabs.io"),
        (Region.IN, "api.in.residency.elevenlabs.io"),
        (Region.SG, "api.sg.residency.elevenlabs.io"),
    ],
)
def test_a_region_selects_the_host(region: Region, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_BASE_URL", "https://elsewhere.example")
    url = address_asked_for(lambda transport: PhoneNumberClient(region=region, transport=transport))
    assert url == f"https://{host}/v1/convai/phone-numbers/phnum_1"


def test_there_are_no_other_regions() -> None:
    assert [region.name for region in Region] == ["GLOBAL", "US", "EU", "IN", "SG"]


@pytest.mark.parametrize("variable", [None, ""])
def test_the_default_is_the_global_host(variable: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if variable is not None:
        monkeypatch.setenv("ELEVENLABS_BASE_URL", variable)
    url = address_asked_for(lambda transport: PhoneNumberClient(transport=transport))
    assert url == "https://api.elevenlabs.io/v1/convai/phone-numbers/phnum_1"


def test_the_variable_sets_the_address_and_is_read_when_a_client_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ELEVENLABS_BASE_URL", "https://gateway.example/labs/")
    url = address_asked_for(lambda transport: PhoneNumberClient(transport=transport))
    assert url == "https://gateway.example/labs/v1/convai/phone-numbers/phnum_1"


def test_an_argument_overrides_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_BASE_URL", "https://elsewhere.example")
    url = address_asked_for(
        lambda transport: PhoneNumberClient(base_url="https://gateway.example", transport=transport)
    )
    assert url.startswith("https://gateway.example/v1/")


def test_the_error_names_an_invalid_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEVENLABS_BASE_URL", "gateway.example")
    with pytest.raises(ConfigurationError, match=r"^ELEVENLABS_BASE_URL: 'gateway\.example'"):
        PhoneNumberClient(KEY)


def test_a_region_and_an_address_exclude_each_other() -> None:
    with pytest.raises(ConfigurationError, match="region and base_url"):
        PhoneNumberClient(KEY, region=Region.EU, base_url="https://gateway.example")


@pytest.mark.parametrize("region", ["EU", "eu", "mars", 5])
def test_an_unknown_region_is_refused(region: object) -> None:
    with pytest.raises(ConfigurationError, match="region"):
        PhoneNumberClient(KEY, region=region)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "base_url",
    [
        "https://gateway.example",
        "https://gateway.example:8443",
        "https://gateway.example/a/b",
        "https://203.0.113.1",
        "https://[2001:db8::1]:8443",
        "HTTPS://Gateway.Example",
        "http://localhost",
        "http://localhost:8000",
        "http://LOCALHOST:8000",
        "http://127.0.0.1:8000/prefix",
        "http://127.1.2.3",
        "http://[::1]",
        "http://[::1]:8000/prefix",
    ],
)
@pytest.mark.parametrize("slashes", ["", "/", "//"])
def test_an_address_is_kept_with_its_prefix(base_url: str, slashes: str) -> None:
    assert resolve_base_url(None, base_url + slashes) == base_url


@pytest.mark.parametrize(
    ("base_url", "problem"),
    [
        ("http://api.elevenlabs.io", "in the clear"),
        ("http://127.0.0.1.evil.example", "in the clear"),
        ("http://localhost.evil.example", "in the clear"),
        ("http://evil.example/127.0.0.1", "in the clear"),
        ("http://0.0.0.0", "in the clear"),
        ("http://10.0.0.1", "in the clear"),
        ("http://[::2]", "in the clear"),
        ("http://[::ffff:127.0.0.1]", "in the clear"),
        ("HTTP://api.elevenlabs.io", "in the clear"),
        ("https://gateway.example?a=1", "query"),
        ("https://gateway.example/#a", "fragment"),
        ("api.elevenlabs.io", "is not an address"),
        ("//api.elevenlabs.io", "is not an address"),
        ("https://", "is not an address"),
        ("https:///path", "is not an address"),
        ("https://:443", "is not an address"),
        ("ftp://gateway.example", "is not an address"),
        ("file:///etc/passwd", "is not an address"),
        ("https://gateway.example:0", "is not an address"),
        ("https://gateway.example:99999", "."),
        ("https://gateway.example:port", "."),
        ("https://[::1", "."),
        ("https://gateway .example", "characters"),
        ("https://gateway.example/ü", "characters"),
        ("https://gateway.example\\\\path", "characters"),
        ("https:\\\\\\\\gateway.example", "characters"),
        ("https://gateway.example/{id}", "characters"),
        ("https://gateway.example/<a>", "characters"),
        ("https://[::1]]", "is not an address"),
        ("https://[gateway.example]", "is not an address"),
        ("https://gateway.example:" + "9" * 5_000, "is not an address"),
        ("https://gäteway.example", "characters"),
    ],
)
def test_a_bad_address_is_refused_with_the_reason(base_url: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        PhoneNumberClient(KEY, base_url=base_url)
    assert str(caught.value).startswith("base_url: ")


@pytest.mark.parametrize(
    "base_url",
    [
        "https://gateway.example\n",
        "https://gateway.example\r\n",
        "https://gate\nway.example",
        "https://gateway.example/\tprefix",
        " https://gateway.example",
        "\x00https://gateway.example",
        "https://gateway.example?",
        "https://gateway.example/?",
        "https://gateway.example#",
        "https://gateway.example/#",
    ],
    ids=ascii,
)
def test_characters_that_a_url_parser_drops_are_refused_or_dropped(base_url: str) -> None:
    """Such a character is refused, or dropped from the address."""
    try:
        resolved = resolve_base_url(None, base_url)
    except ConfigurationError:
        return
    assert resolved in ("https://gateway.example", "https://gateway.example/prefix")


@pytest.mark.parametrize(
    "base_url",
    ["https://user:s3cret@gateway.example", "https://s3cret@gateway.example", "http://user:s3cret@localhost"],
)
def test_credentials_in_an_address_are_refused_and_not_shown(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="user name or a password") as caught:
        PhoneNumberClient(KEY, base_url=base_url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("base_url", [5, b"https://gateway.example", object()])
def test_an_address_that_is_not_a_string_is_refused(base_url: object) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        PhoneNumberClient(KEY, base_url=base_url)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# Numbers

# The longest ints fit no float, and Python refuses to print them.
NO_DURATIONS = [0, 0.0, -1, -0.5, math.nan, math.inf, -math.inf, 10**400, 10**5_000, True]


@pytest.mark.parametrize("name", ["timeout", "deadline", "rate"])
@pytest.mark.parametrize("value", NO_DURATIONS, ids=shown)
def test_a_duration_that_is_not_positive_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be a positive number"):
        PhoneNumberClient(KEY, **{name: value})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", ["timeout", "deadline", "rate"])
@pytest.mark.parametrize("value", ["10", [10], b"10"])
def test_a_setting_of_another_type_is_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=name):
        PhoneNumberClient(KEY, **{name: value})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_the_timeout_cannot_be_none() -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        PhoneNumberClient(KEY, timeout=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "concurrency", [0, -1, 1.5, "5", math.inf, math.nan, 1_000_001, 10**400, 10**5_000, True], ids=shown
)
def test_a_concurrency_that_is_not_a_positive_integer_is_refused(concurrency: object) -> None:
    with pytest.raises(ConfigurationError, match="concurrency must be a whole number"):
        PhoneNumberClient(KEY, concurrency=concurrency)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", ["timeout", "deadline"])
@pytest.mark.parametrize("value", [*NO_DURATIONS, "10"], ids=shown)
async def test_an_invalid_duration_of_one_call_is_refused(name: str, value: object) -> None:
    transport = StubTransport([])
    async with PhoneNumberClient(transport=transport) as client:
        for look_up in (client.get, client.get_raw):
            with pytest.raises(ConfigurationError, match=name):
                await look_up("phnum_1", **{name: value})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert transport.requests == 0


async def test_settings_can_be_ints_or_left_out() -> None:
    async with PhoneNumberClient(KEY, timeout=5, deadline=None, rate=None, concurrency=None) as client:
        assert client.stats.requests == 0


def test_a_configuration_error_is_also_a_value_error() -> None:
    with pytest.raises(ElevenPhoneError):
        PhoneNumberClient(KEY, timeout=0)
    with pytest.raises(ValueError, match="timeout"):
        PhoneNumberClient(KEY, timeout=0)


def test_a_hook_that_nobody_would_await_is_refused() -> None:
    async def hook(*_: object) -> None: ...

    class Hook:
        async def __call__(self, *_: object) -> None: ...

    for each in (hook, Hook()):
        with pytest.raises(ConfigurationError, match="on_retry must be an ordinary function"):
            PhoneNumberClient(KEY, on_retry=each)


@pytest.mark.parametrize("name", ["retry", "on_retry"])
def test_a_number_with_too_many_digits_to_print_is_refused_with_a_clear_error(name: str) -> None:
    setting: Any = {name: 10**5000}
    with pytest.raises(ConfigurationError, match=f"{name} must be"):
        PhoneNumberClient(KEY, **setting)
