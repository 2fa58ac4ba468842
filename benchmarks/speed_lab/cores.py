"""Which core runs what: the client on one, the server on the other."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

_DESCRIPTORS = 8_192
_CAN_PIN = hasattr(os, "sched_setaffinity")
_ALLOWED = sorted(os.sched_getaffinity(0)) if _CAN_PIN else []

CLIENT_CORE = _ALLOWED[-1] if _ALLOWED else None
SERVER_CORE = _ALLOWED[0] if _ALLOWED else None


@contextmanager
def on(core: int | None) -> Iterator[None]:
    """Run what is inside on one core; a process started inside stays there.

    Args:
        core: `CLIENT_CORE`, `SERVER_CORE`, or `None` for any.
    """
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def allow_many_connections() -> None:
    """Raise the bound on open files as far as it may be, for this process and those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def placement() -> str:
    """Say how client and server share the machine."""
    if not _CAN_PIN:
        return "client and server not pinned: this system does not allow it"
    if CLIENT_CORE == SERVER_CORE:
        return "client and server on the same core: there is only one"
    return "client pinned to one core, server to another"
