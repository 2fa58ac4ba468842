"""The settings of the emulator, and their checks."""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from enum import Enum
from typing import Literal

from elevenphone.emulator._latency import Latency


class Fault(Enum):
    """One way for a request to go wrong.

    The value names the setting that is its probability. The order matters: a
    new fault goes to the end, so that it changes no run that does not use it.
    """

    BUSY = "busy"
    SERVER_ERROR = "server_errors"
    DROP = "drops"
    RESET = "resets"
    TRUNCATE = "truncated"
    SLOW_BODY = "slow_bodies"
    MALFORM = "malformed"
    HTML = "html_errors"
    REDIRECT = "redirects"
    EXPIRED_CURSOR = "expired_cursors"
    REPEATED_CURSOR = "repeated_cursors"
    MISSING_CURSOR = "missing_cursors"
    EMPTY_PAGE = "empty_pages"
    FAULTY_ELEMENT = "faulty_elements"


_PROBABILITIES = tuple(fault.value for fault in Fault)
# Sums such as 0.1 + 0.2 + 0.7 come out a little above one.
_ROUNDING = 1e-9


@dataclass(eq=False, repr=False)
class Settings:
    """The settings of an emulator, checked whenever they are set."""

    numbers: int = 1_000
    _: KW_ONLY
    seed: int = 0
    api_key: str = "sk_emulator_this_key_opens_nothing"
    host: str = "127.0.0.1"
    port: int = 0
    ssl_context: ssl.SSLContext | None = None
    record: bool = False
    latency: float | Latency = 0.0
    concurrency_limit: int | None = None
    queue: float = 0
    concurrency_hint: bool = False
    rate_limit: float | None = None
    rate_burst: float | None = None
    quota: int | None = None
    missing_permission: bool = False
    retry_after: float | str | None = None
    retry_after_ms: float | str | None = None
    busy: float = 0.0
    server_errors: float = 0.0
    server_error_status: int = 503
    outage: bool = False
    outages: Sequence[tuple[float, float]] = ()
    outage_kind: Literal["unavailable", "refused"] = "unavailable"
    drops: float = 0.0
    resets: float = 0.0
    truncated: float = 0.0
    slow_bodies: float = 0.0
    slow_body_seconds: float = 1.0
    malformed: float = 0.0
    html_errors: float = 0.0
    redirects: float = 0.0
    redirect_location: str | None = None
    expired_cursors: float = 0.0
    repeated_cursors: float = 0.0
    missing_cursors: float = 0.0
    empty_pages: float = 0.0
    faulty_elements: float = 0.0
    requests_per_connection: int | None = None

    def __setattr__(self, name: str, value: object) -> None:
        if name in _CHECKS:
            problem, holds = _CHECKS[name]
            if not holds(value):
                raise ValueError(f"{name} must be {problem}, got {value!r}")
        if name in _PROBABILITIES:
            self._refuse_more_than_certain(name, value)
        super().__setattr__(name, value)

    def _refuse_more_than_certain(self, name: str, value: object) -> None:
        total = sum(vars(self).get(other, 0.0) for other in _PROBABILITIES if other != name)
        if isinstance(value, int | float) and total + value > 1 + _ROUNDING:
            raise ValueError(f"{name}={value!r} makes the probabilities of all faults add up to more than 1")


def _number(value: object, low: float, high: float = math.inf) -> bool:
    return isinstance(value, int | float) and low <= value <= high


def _is_probability(value: object) -> bool:
    return _number(value, 0, 1)


def _is_optional_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and value >= 0)


def _is_queue(value: object) -> bool:
    return isinstance(value, int | float) and value >= 0 and (value == math.inf or value % 1 == 0)


def _is_optional_rate(value: object) -> bool:
    return value is None or (_number(value, 0) and value != 0)


def _is_duration(value: object) -> bool:
    return _number(value, 0) and value != math.inf


def _is_header(value: object) -> bool:
    return not isinstance(value, str) or (value.isascii() and value.isprintable())


def _is_key(value: object) -> bool:
    return isinstance(value, str) and value != "" and _is_header(value) and " " not in value


def _is_latency(value: object) -> bool:
    return isinstance(value, Latency) or _is_duration(value)


_CHECKS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "numbers": ("an int of at least 1", lambda value: isinstance(value, int) and value >= 1),
    "api_key": ("printable ASCII without a space, and not empty", _is_key),
    "retry_after": ("a value that a header can have", _is_header),
    "retry_after_ms": ("a value that a header can have", _is_header),
    "latency": ("a Latency, or seconds that are finite and not negative", _is_latency),
    "concurrency_limit": ("None or an int that is not negative", _is_optional_count),
    "queue": ("a whole number that is not negative, or math.inf", _is_queue),
    "quota": ("None or an int that is not negative", _is_optional_count),
    "rate_limit": ("None or above 0", _is_optional_rate),
    "rate_burst": ("None or at least 1", lambda value: value is None or _number(value, 1)),
    "server_error_status": (
        "from 500 to 599",
        lambda value: isinstance(value, int) and _number(value, 500, 599),
    ),
    "outage_kind": ("'unavailable' or 'refused'", lambda value: value in {"unavailable", "refused"}),
    "slow_body_seconds": ("finite and not negative", _is_duration),
    "requests_per_connection": (
        "None or an int of at least 1",
        lambda value: value is None or (isinstance(value, int) and value >= 1),
    ),
    **dict.fromkeys(_PROBABILITIES, ("a probability from 0 to 1", _is_probability)),
}
