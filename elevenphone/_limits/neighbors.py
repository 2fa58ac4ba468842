"""Whether other clients use the same account, judged by refusals."""

from __future__ import annotations

from collections import deque

# Refusals for which the highest accepted level is remembered: a refusal below it means that another client
# took the capacity.
_REMEMBERED_REFUSALS = 6
# Requests given up and found again, after which no other client can be there. Each refusal counts a half
# more, because a limit of 1 can give up nothing.
_FOUND_WHEN_ALONE = 8.0
_FOUND_AT_EACH_REFUSAL = 0.5


class Neighbors:
    """Evidence for and against other clients of the account.

    After each refusal the limit gives something up. If the next refusal comes below a
    count that was accepted shortly before, somebody else took it. If all of it is
    found again, time after time, nobody else is there.

    Attributes:
        present: Whether other clients are assumed to exist; at first they are.
        seen: Whether a refusal has shown that they exist.
        accepted: The highest count at which a request was answered since the last refusal.
        given_up: By how much the last refusal cut the limit.
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
            in_flight: Requests in flight when the refused request was sent.
            ceiling_was_passed: Whether more was accepted after the last refusal than at it.
        """
        # Fewer, not as many: requests of one moment reach the server in any order.
        if in_flight < max(self.accepted, *self._accepted_before):
            self.present = self.seen = True
            self._found_again = 0.0
        elif ceiling_was_passed:  # The accepted level varies, as it does when other clients come and go.
            self._found_again = 0.0
        else:
            self._found_again += self.given_up + _FOUND_AT_EACH_REFUSAL
            if self._found_again >= _FOUND_WHEN_ALONE:
                self.present = self.seen = False
        self._accepted_before.append(self.accepted)
        self.accepted = 0
