"""Client processes, and rounds in which each has its turn."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Self, TypeVar

import msgspec

from speed_lab import cores
from speed_lab.plans import Lap, LapReport, Problem, Series, SeriesReport, Task
from speed_lab.servers import HERE

_T = TypeVar("_T")
_STOP_SECONDS = 5.0
_LONGEST_TURN = 3_600.0
# Laps are at least so long, in requests for each in flight; the first two open connections and warm the code.
_WARM_ROUNDS = 4
_MOST_LOOKUPS = 50_000
_SLOW_SHARE = 3


class FailedError(Exception):
    """A client could not do what it was told."""


class Contender:
    """One client in a process of its own, on the client's core.

    Attributes:
        name: The client's.
        in_flight: Requests it keeps in flight.
    """

    def __init__(self, task: Task, loop: str) -> None:
        self.name = task.peer
        self.in_flight = task.in_flight
        environment = {**os.environ, "PYTHONPATH": str(HERE), "ELEVENLABS_API_KEY": ""}
        if task.authority is not None:
            environment["SSL_CERT_FILE"] = task.authority
        with cores.on(cores.CLIENT_CORE):
            self._process = subprocess.Popen(  # noqa: S603 - ours
                [sys.executable, "-m", "speed_lab.client_process", loop],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
            )
        self._say(task)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the process."""
        try:
            self._process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def ready(self) -> None:
        """Wait until it has looked one number up.

        Raises:
            FailedError: It could not.
        """
        self._hear(str)

    def lap(self, lookups: int) -> LapReport:
        """Have so many ids looked up.

        Raises:
            FailedError: It could not, or not all were found.
        """
        self._say(Lap(lookups))
        report = self._hear(LapReport)
        if report.found != lookups:
            raise FailedError(f"found {report.found} of {lookups}")
        return report

    def series(self, series: Series) -> SeriesReport:
        """Have ids looked up one by one.

        Raises:
            FailedError: It could not.
        """
        self._say(series)
        return self._hear(SeriesReport)

    def lookups_in(self, seconds: float) -> tuple[int, bool]:
        """Warm the client up.

        Args:
            seconds: How long a turn is to be.

        Returns:
            How many lookups it does in that time, or the least that make sense; and
            whether those take it far longer.
        """
        least = _WARM_ROUNDS * self.in_flight
        self.lap(least)
        warm = self.lap(least)
        lookups = int(seconds * warm.lookups / warm.seconds)
        return min(max(least, lookups), _MOST_LOOKUPS), lookups * _SLOW_SHARE < least

    def _say(self, message: msgspec.Struct) -> None:
        if self._process.stdin is not None:
            try:
                self._process.stdin.write(msgspec.json.encode(message) + b"\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                pass  # why it has ended is on its other pipes

    def _hear(self, kind: type[_T]) -> _T:
        hangs = threading.Timer(_LONGEST_TURN, self._process.kill)
        hangs.start()
        line = self._process.stdout.readline() if self._process.stdout is not None else b""
        hangs.cancel()
        if not line:
            words = self._process.stderr.read().decode(errors="replace") if self._process.stderr else ""
            raise FailedError((words.strip().splitlines() or ["ended without a word"])[-1])
        heard: _T | Problem
        try:
            heard = msgspec.json.decode(line, type=kind)
        except msgspec.ValidationError:
            heard = msgspec.json.decode(line, type=Problem)
        if isinstance(heard, Problem):
            raise FailedError(heard.words)
        return heard


@contextmanager
def contenders(tasks: Sequence[Task], loop: str, left_out: list[str]) -> Iterator[list[Contender]]:
    """Start a process for each task, and end them all.

    Args:
        tasks: What to start.
        loop: `asyncio` or `uvloop`.
        left_out: Gets a sentence for each that cannot run here.
    """
    started: list[Contender] = []
    able: list[Contender] = []
    try:
        for task in tasks:
            # One after the other: a start takes a whole core.
            contender = Contender(task, loop)
            started.append(contender)
            try:
                contender.ready()
            except FailedError as error:
                left_out.append(f"{contender.name}: {error}")
            else:
                able.append(contender)
        yield able
    finally:
        for contender in started:
            contender.__exit__()


def in_turn(
    able: list[Contender],
    rounds: int,
    turn: Callable[[Contender], _T],
    left_out: list[str],
    slow: Collection[Contender] = (),
) -> dict[Contender, list[_T]]:
    """Give each contender its turn in each round, another one first each time.

    Args:
        able: The contenders.
        rounds: How many rounds.
        turn: What a contender does in its turn.
        left_out: Gets a sentence for each that failed; its turns are dropped.
        slow: Those that take part in the first third of the rounds alone.

    Returns:
        What came of each turn, by contender, in the order of the rounds.
    """
    done: dict[Contender, list[_T]] = {contender: [] for contender in able}
    for number in range(rounds):
        first = number % max(1, len(able))
        for contender in able[first:] + able[:first]:
            if contender in done and (contender not in slow or number <= rounds // _SLOW_SHARE):
                try:
                    done[contender].append(turn(contender))
                except FailedError as error:
                    left_out.append(f"{contender.name}: {error}")
                    del done[contender]
    return done
