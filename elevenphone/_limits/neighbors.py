"""Whether other clients use the same account, as refusals tell."""

from __future__ import annotations

from collections import deque

# Refusals back to which the highest accepted count is remembered: a refusal below it means that somebody
# else took the capacity.
_REMEMBERED_REFUSALS = 6
# What was given up and found again in all, after which nobody else can be there. Each refusal counts a half
# more, as a limit of 1 has nothing to give up.
_FOUND_WHEN_ALONE = 8.0
_FOUND_AT_EACH_REFUSAL = 0.5


class Neighbors:
    """Evidence for and against other clients of the account.

    After each refusal the limit gives something up. If the next refusal comes below a
    count that was accepted shortly before, somebody else took it. If all of it is
    found again, time after time, nobody else is there.

    Attributes:
        present: Whether others are taken to be there; at first they are assumed to be.
        seen: Whether a refusal has shown them.
        accepted: The highest count at which a request was answered since the last refusal.
        given_up: What the last refusal made the limit give up.
    """

    def __init__(self) -> None:
        self.present = True
        self.seen = False
        self.accepted = 0
        self.given_up = 0.0
        self._accepted_before: deque[int] = deque([0], maxlen=_REMEMBERED_REFUSALS)
        self._found_again = 0.0

    def learn(self, in_flight: int, *, ceiling_was_passed: bool) -> None:
        """Learn from the first refusal of a wave.

        Args:
            in_flight: How many were in flight when the refused request was sent.
            ceiling_was_passed: Whether more was accepted since the last refusal than at it.
        """
        # Fewer, not as many: requests of one moment reach the server in any order.
        if in_flight < max(self.accepted, *self._accepted_before):
            self.present = self.seen = True
            self._found_again = 0.0
        elif ceiling_was_passed:  # What is accepted varies, as it does when others come and go.
            self._found_again = 0.0
        else:
            self._found_again += self.given_up + _FOUND_AT_EACH_REFUSAL
            if self._found_again >= _FOUND_WHEN_ALONE:
                self.present = self.seen = False
        self._accepted_before.append(self.accepted)
        self.accepted = 0
