"""A base class for objects with the key or connections, which must stay in their process."""

from __future__ import annotations

from typing import NoReturn

from elevenphone.errors import ConfigurationError


class Uncopyable:
    """Refuses to be pickled or copied, because that would copy the key."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        """Refuse.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError(
            "a client holds a key and connections, and cannot be copied: make one in each process"
        )
