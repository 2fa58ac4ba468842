from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.metadata import version
from types import FunctionType, ModuleType

import pytest

import elevenphone
import elevenphone.emulator

PUBLIC = [
    "AssignedAgent",
    "AuthenticationError",
    "Cache",
    "ClientStats",
    "ConfigurationError",
    "ConnectionFailedError",
    "DeadlineExceededError",
    "DecodeError",
    "ElevenPhoneError",
    "ExotelPhoneNumber",
    "Failed",
    "FaultyElementError",
    "FieldError",
    "Found",
    "InboundTrunk",
    "InvalidPhoneNumberIdError",
    "Listing",
    "Lookup",
    "NotFoundError",
    "OtherPhoneNumber",
    "OutboundTrunk",
    "PermissionDeniedError",
    "PhoneNumber",
    "PhoneNumberClient",
    "ProtocolError",
    "RateLimitError",
    "RawResponse",
    "Region",
    "RequestTimeoutError",
    "Response",
    "ResponseTooLargeError",
    "RetryPolicy",
    "Run",
    "SIPTrunkPhoneNumber",
    "ServerError",
    "StatusError",
    "Transport",
    "TransportError",
    "TwilioPhoneNumber",
    "UnprocessableEntityError",
    "__version__",
    "decode",
    "encode",
]
EMULATOR = ["Emulator", "EmulatorStats", "Latency", "RecordedRequest"]
NAMES = [(elevenphone, name) for name in PUBLIC] + [(elevenphone.emulator, name) for name in EMULATOR]


def test_the_public_names_are_those_listed_here() -> None:
    assert sorted(elevenphone.__all__) == PUBLIC
    assert sorted(elevenphone.emulator.__all__) == EMULATOR


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_each_public_name_exists_and_is_listed(module: ModuleType, name: str) -> None:
    assert getattr(module, name) is not None
    assert name in dir(module)


def test_a_star_import_imports_the_public_names() -> None:
    namespace: dict[str, object] = {}
    exec("from elevenphone import *", namespace)  # noqa: S102
    assert set(PUBLIC) <= namespace.keys()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'elevenphone' has no attribute 'PhoneNumberCleint'"):
        _ = elevenphone.PhoneNumberCleint  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]


def test_the_version_is_that_of_the_distribution() -> None:
    assert elevenphone.__version__ == version("elevenphone")


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_every_public_name_is_documented(module: ModuleType, name: str) -> None:
    value: object = getattr(module, name)
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return
    assert value.__module__.startswith("elevenphone")
    assert vars(value).get("__doc__") if inspect.isclass(value) else inspect.getdoc(value)
    assert [f"{name}.{member}" for member in vars(value) if not is_documented(value, member)] == []


def is_documented(owner: object, member: str) -> bool:
    """Return whether a member has a docstring or needs none."""
    method: object = inspect.getattr_static(owner, member)
    kinds = (FunctionType, property, classmethod, staticmethod)
    return member.startswith("_") or not isinstance(method, kinds) or bool(method.__doc__)


def test_every_parameter_of_the_client_is_documented() -> None:
    text = inspect.getdoc(elevenphone.PhoneNumberClient) or ""
    for parameter in inspect.signature(elevenphone.PhoneNumberClient).parameters:
        assert f"    {parameter}: " in text


def imported_by(statement: str) -> set[str]:
    """Return the modules that a statement loads in a fresh interpreter."""
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True)  # noqa: S603
    return set(done.stdout.split())


BODY = b'{"phone_number_id": "phnum_1", "phone_number": "+1", "label": "", "provider": "twilio"}'


@pytest.mark.parametrize(
    "statement", ["import elevenphone", f"from elevenphone import decode; assert not decode({BODY!r}).label"]
)
def test_importing_the_package_loads_neither_aiohttp_nor_asyncio(statement: str) -> None:
    loaded = imported_by(statement)
    assert "elevenphone" in loaded
    assert not {"aiohttp", "asyncio", "yarl", "ssl", "click", "rich", "pytest"} & loaded


def test_importing_the_client_does_not_load_aiohttp() -> None:
    loaded = imported_by("from elevenphone import PhoneNumberClient")
    assert "elevenphone.client" in loaded
    assert "aiohttp" not in loaded


def test_importing_all_names_gives_no_warning() -> None:
    code = "import elevenphone, elevenphone.emulator; [getattr(elevenphone, n) for n in elevenphone.__all__]"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-I", "-W", "error", "-c", code], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
