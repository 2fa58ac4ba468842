"""The regions of the API."""

from __future__ import annotations

from enum import Enum


class Region(Enum):
    """Where a workspace lives; its value is the host that serves it.

    Each but `GLOBAL` and `US` is a data residency host with workspaces and keys
    of its own.
    """

    GLOBAL = "api.elevenlabs.io"
    US = "api.us.elevenlabs.io"
    EU = "api.eu.residency.elevenlabs.io"
    IN = "api.in.residency.elevenlabs.io"
    SG = "api.sg.residency.elevenlabs.io"
