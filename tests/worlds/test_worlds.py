"""The whole client in worlds drawn from seeds, on a virtual clock: no law may be broken in any of them.

`pytest --world-seed 17 tests/worlds` plays one of them and shows what happened, step by step.
"""

from __future__ import annotations

import pytest
from world_drawing import draw
from world_laws import judge
from world_playing import play
from world_trace import story

GROUP = 50
_SHOWN = 20


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each fifty seeds, or of the one that was asked for."""
    if "seeds" not in metafunc.fixturenames:
        return
    one: int | None = metafunc.config.getoption("--world-seed")
    most = int(metafunc.config.getoption("--worlds") or 0)
    groups = (
        [range(one, one + 1)]
        if one is not None
        else [range(first, min(first + GROUP, most + 1)) for first in range(1, most + 1, GROUP)]
    )
    metafunc.parametrize("seeds", groups, ids=[f"{seeds[0]}-{seeds[-1]}" for seeds in groups])


def test_no_law_is_broken_in_the_worlds(seeds: range, capsys: pytest.CaptureFixture[str]) -> None:
    broken: list[str] = []
    for seed in seeds:
        played = play(draw(seed))
        broken += [str(violation) for violation in judge(played)]
        if len(seeds) == 1:
            with capsys.disabled():
                print(f"\n{story(played)}")  # noqa: T201 - asked for
    if broken:
        more = len(broken) - _SHOWN
        pytest.fail("\n".join(broken[:_SHOWN] + [f"and {more} more"] * (more > 0)), pytrace=False)


def test_a_world_plays_the_same_way_again() -> None:
    def log(seed: int) -> list[tuple[float, str, str]]:
        return [(r.at, r.phone_number_id, r.outcome) for r in play(draw(seed)).server.log]

    for seed in range(1, 20):
        assert log(seed) == log(seed)
