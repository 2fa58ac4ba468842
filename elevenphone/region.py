"""The regions of the API."""

from __future__ import annotations

from enum import Enum


class Region(Enum):
    """The region of a workspace. The value is the region's host.

    `EU`, `IN` and `SG` are data residency regions, with their own workspaces and keys.

    Example:
        ```python
        client = PhoneNumberClient(region=Region.EU)
        ```
    """

    GLOBAL = "api.elevenlabs.io"
    US = "api.us.elevenlabs.io"
    EU = "api.eu.residency.elevenlabs.io"
    IN = "api.in.residency.elevenlabs.io"
    SG = "api.sg.residency.elevenlabs.io"
