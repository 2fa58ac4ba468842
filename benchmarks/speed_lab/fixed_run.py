"""One client looks a fixed number of ids up, says how much memory it had at most, and ends.

python -m speed_lab.fixed_run PEER BASE_URL IN_FLIGHT LOOKUPS [LOOP]
"""

from __future__ import annotations

import asyncio
import sys

from speed_lab.bodies import ids
from speed_lab.clients import Settings
from speed_lab.peak import peak_bytes
from speed_lab.peers import MEMORY, PEERS


async def _run(peer: str, base_url: str, in_flight: int, lookups: int) -> int:
    async with {**PEERS, **MEMORY}[peer](Settings(base_url, in_flight)) as client:
        return await client.run(ids(0, lookups))


def main() -> int:
    """Look up, and say 1 where not all were found."""
    peer, base_url, in_flight, lookups, *loop = sys.argv[1:]
    factory = None
    if loop == ["uvloop"]:
        import uvloop  # noqa: PLC0415 - optional

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        found = runner.run(_run(peer, base_url, int(in_flight), int(lookups)))
    print(peak_bytes())
    return int(found != int(lookups))


if __name__ == "__main__":
    sys.exit(main())
