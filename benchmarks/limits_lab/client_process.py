"""One client in a process of its own: reads a `Task`, says `ready`, waits for `go`, reports."""

from __future__ import annotations

import asyncio
import os
import sys
import threading

import msgspec

from limits_lab.peers import CLIENTS
from limits_lab.plans import Task


def main() -> None:
    """Do one task."""
    task = msgspec.json.decode(sys.stdin.readline(), type=Task)
    client = CLIENTS[task.client]()
    sys.stdout.write('"ready"\n')
    sys.stdout.flush()
    if sys.stdin.readline().strip() == "go":
        threading.Thread(target=_end_with_parent, daemon=True).start()
        report = asyncio.run(client(task))
        sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
