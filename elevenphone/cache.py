"""`Cache`: for how long a client may answer from memory."""

from __future__ import annotations

import msgspec

from elevenphone._values import is_finite, shown
from elevenphone.errors import ConfigurationError


class Cache(msgspec.Struct, frozen=True, kw_only=True):
    """For how long `get` may answer from memory, in the terms of RFC 9111 and RFC 5861.

    The age of an answer counts from the start of its request. The other two times begin
    when `max_age` ends.

    Attributes:
        max_age: Seconds for which an answer is fresh: `get` returns it and sends nothing.
            With 0, calls only share lookups that are under way.
        stale_while_revalidate: Seconds for which `get` returns an older answer at once,
            while a lookup in the background refreshes it.
        stale_if_error: Seconds for which `get` returns an older answer instead of an error
            that a retry may help: no connection, a timeout, a 429, a 5xx, the deadline.
            After three failed attempts in a row it returns that answer at once.
        entries: The most answers to remember. The least recently used is forgotten first.

    Raises:
        ConfigurationError: A time is negative or not a number, or `entries` is not a
            whole number from 1 up.

    Example:
        ```python
        cache = Cache(max_age=60.0, stale_while_revalidate=60.0, stale_if_error=3600.0)
        async with PhoneNumberClient(cache=cache) as client:
            number = await client.get("phnum_01jxaeyg3feh3tmx39d4ky63rd")
        ```
    """

    max_age: float = 60.0
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    entries: int = 10_000

    def __post_init__(self) -> None:
        for name in ("max_age", "stale_while_revalidate", "stale_if_error"):
            seconds: object = getattr(self, name)
            if not is_finite(seconds) or seconds < 0:
                raise ConfigurationError(
                    f"{name} must be a number of seconds from 0 up, not {shown(seconds)}"
                )
        if not isinstance(self.entries, int) or isinstance(self.entries, bool) or self.entries < 1:
            raise ConfigurationError(f"entries must be a whole number from 1 up, not {shown(self.entries)}")
