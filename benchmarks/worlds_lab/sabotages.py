"""Ways to break the client, each a text in a module and what takes its place."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Sabotage(NamedTuple):
    """One way.

    Attributes:
        name: What is broken.
        module: Where, in the package.
        text: What stands there, once.
        replacement: What takes its place.
    """

    name: str
    module: str
    text: str
    replacement: str

    def fits(self, package: Path) -> bool:
        """Tell whether its text stands in the package, once."""
        module = package / self.module
        return module.exists() and module.read_text().count(self.text) == 1

    def applied_to(self, source: str) -> str:
        """Return the module's source, broken."""
        return source.replace(self.text, self.replacement)


SABOTAGES = (
    Sabotage(
        "A slot that is given back wakes nobody",
        "_limits/slots.py",
        "        if self._waiting:\n            self._look_soon()\n\n    def paused",
        "\n    def paused",
    ),
    Sabotage(
        "The slot of a cancelled request leaks",
        "_limits/slots.py",
        "            self.slots.limits.withdraw(self, self.slots.now())\n",
        "",
    ),
    Sabotage(
        "A slot given at the moment of a cancellation is lost",
        "_limits/slots.py",
        "waiter.result().give_back()  # given at the same moment as the cancellation",
        "pass",
    ),
    Sabotage(
        "Single lookups wait their turn behind bulk",
        "_limits/slots.py",
        "        if self.singles.retries:\n            return self.singles, self.singles.retries\n",
        "        if self.singles.retries and not any(run.retries or run.starts for run in self._runs):\n"
        "            return self.singles, self.singles.retries\n",
    ),
    Sabotage(
        "The run that holds the most comes first",
        "_limits/slots.py",
        "        lane = min(waiting, key=_held)\n",
        "        lane = max(waiting, key=_held)\n",
    ),
    Sabotage(
        "A refusal does not cut the limit",
        "_limits/concurrency.py",
        "self.value = max(1.0, state.value_after_refusal)",
        "pass",
    ),
    Sabotage(
        "The gate does not open again",
        "_limits/outage.py",
        "                self._open(newest)\n",
        "                pass\n",
    ),
    Sabotage(
        "The gate never closes",
        "_limits/outage.py",
        "            self.close(now, newest)\n            # Six",
        "            # Six",
    ),
    Sabotage(
        "A Retry-After has an effect for a day",
        "_limits/limits.py",
        "LONGEST_PAUSE = 60.0\n",
        "LONGEST_PAUSE = 86_400.0\n",
    ),
    Sabotage(
        "What was learned is never forgotten",
        "_limits/limits.py",
        "            self._begin_anew()\n        self.in_flight = permit",
        "            pass\n        self.in_flight = permit",
    ),
    Sabotage(
        "An equal id that waits for its answer gets none",
        "_bulk/equal_ids.py",
        "        return self._waiting.pop(phone_number_id, ()) if self._waiting else ()\n",
        "        return ()\n",
    ),
    Sabotage(
        "What a source raises is swallowed",
        "run.py",
        "self._failure = self._failure or error  # for the consumer",
        "pass  # for the consumer",
    ),
    Sabotage(
        "A cancellation inside a source is not handed to it",
        "_bulk/source.py",
        "            self._cancellation = error\n",
        "            pass\n",
    ),
    Sabotage(
        "A consumer who is slow never wakes the reader",
        "run.py",
        "        self._handed_over += 1\n        self._wake_reader()\n",
        "        self._handed_over += 1\n",
    ),
    Sabotage(
        "Closing the client ends no run",
        "_lookup/dispatcher.py",
        "                run.close(_closed())\n",
        "                pass\n",
    ),
    Sabotage(
        "An error of the account does not end a run",
        "run.py",
        '        if meaning.scope == "account":\n',
        '        if meaning.scope == "nobody":\n',
    ),
    Sabotage(
        "Retries do not wait",
        "retry.py",
        "        wait = fraction * min(self.wait_max, self.wait_initial * 2.0 ** min(attempts - 1, 60))\n",
        "        wait = 0.0\n",
    ),
    Sabotage(
        "A 429 uses up an attempt in bulk",
        "_bulk/caller.py",
        "        wait = job.retry.backoff(error, job.attempts)\n",
        "        if (wait := job.retry.wait(error, job.attempts)) is None:\n            return None\n",
    ),
    Sabotage(
        "The deadline does not end an attempt",
        "_lookup/job.py",
        "ends if ends < self.expires else self.expires  #",
        "ends  #",
    ),
    Sabotage(
        "A timeout is never noticed",
        "_lookup/watchdog.py",
        "            lookup.end()\n",
        "            pass\n",
    ),
    Sabotage(
        "An id found before that fails leaves none to probe with",
        "_limits/outage.py",
        "            if others := [url for url in self.known_good if url != subject.url]:\n"
        "                self.known_good = deque(others, _KNOWN_GOOD)",
        "            others = [url for url in self.known_good if url != subject.url]\n"
        "            self.known_good = deque(others, _KNOWN_GOOD)",
    ),
    Sabotage(
        "An answer from memory never gets too old",
        "_memory/memory.py",
        "        if age < self._max_age:\n",
        "        if age < 1e6:\n",
    ),
    Sabotage(
        "A lookup under way survives that its id is forgotten",
        "_memory/memory.py",
        "            self._shared.pop(each, None)\n",
        "            pass\n",
    ),
    Sabotage(
        "A shared lookup goes on though all its callers have left",
        "_memory/memory.py",
        "                lookup.task.cancel()\n                self._let_go(phone_number_id, lookup)\n",
        "                self._let_go(phone_number_id, lookup)\n",
    ),
    Sabotage(
        "The end of a shared lookup wakes only one caller",
        "_memory/shared.py",
        "                waiter.set_result(None)\n",
        "                waiter.set_result(None)\n                break\n",
    ),
    Sabotage(
        "A caller's deadline does not begin with the shared lookup's first request",
        "_memory/shared.py",
        "                    timer.reschedule(slot.started + deadline)\n",
        "                    pass\n",
    ),
)
