"""How long the server asks the client to wait."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Read how long the server asks the client to wait.

    `retry-after-ms` takes precedence over `retry-after`, which holds seconds (with or
    without a fraction) or an HTTP date. A date is compared with the answer's own
    `date`, so that a wrong clock on either side does no harm (RFC 9110, 10.2.3).

    Args:
        headers: The headers of the answer.
        now: Seconds since the epoch; default: the system's clock.

    Returns:
        Seconds from 0 up; `None` if the headers have no such value, or one without meaning.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    if value is None:
        return None
    if (seconds := _number(value)) is not None:
        return seconds
    moment = _http_date(value)
    if moment is None:
        return None
    reference = _http_date(headers.get("date")) or (time.time() if now is None else now)
    return moment - reference if moment >= reference else None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


def _http_date(text: str | None) -> float | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    # The asctime form has no zone; all HTTP dates are UTC (RFC 9110, 5.6.7).
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
