"""How often another service is asked again about the same. Pure.

1. A service has too much to do and sheds a third of what it is asked. 2. Whoever is refused asks at once again, at every site: a third
more questions. 3. Each sheds more. In the end all are busy with refusing, and no breaker opens, because they answer others in between.
With one repeat for ten calls that cannot begin, and an instance that is lost is still replaced for whoever calls at that moment.

A few a second are always allowed (as in Finagle's `RetryBudget`): they are no load, and where little is asked every call may be the one
that finds out whether an instance is still broken, and needs another one for its answer.
"""

ENOUGH = 10.0
"""Repeats that a quiet time saves up."""
A_SECOND = 5.0


class Repeats:
    """What there is to spend."""

    def __init__(self, *, share: float) -> None:
        """`share`: repeats a call, in the long run."""
        self._share, self._left, self._at = share, ENOUGH, 0.0

    def earn(self, now: float) -> None:
        """One call begins; `now` in seconds of one clock."""
        self._left = min(ENOUGH, self._left + self._share + A_SECOND * max(0.0, now - self._at))
        self._at = now

    def spend(self) -> bool:
        """May one more attempt be made?"""
        if self._left < 1:
            return False
        self._left -= 1
        return True
