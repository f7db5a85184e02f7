"""When those who are sent away should come back. Pure: moments and chance are passed in."""

import math

MEMORY = 2.0
"""Seconds after which a request that was sent away counts a third (1/e) of what it did."""
SHORTEST = 2.0
"""Seconds of a window."""


class Pressure:
    """How many were sent away lately, against how many could have been served.

    Everybody who is told "in one second" comes back in one second, together, and is sent away together once more. So the moment is
    drawn from a window, and the window is as long as serving everybody who was sent away lately would take; at least two seconds, because
    HTTP knows whole ones only and a window of one is no window.
    """

    def __init__(self, *, longest: float) -> None:
        """`longest`: seconds beyond which nobody is asked to wait."""
        self._longest = longest
        self._count, self._at = 0.0, 0.0

    def add(self, now: float) -> None:
        """Somebody was sent away."""
        self._count, self._at = self.count(now) + 1, now

    def count(self, now: float) -> float:
        """How many were sent away lately, older ones counting less."""
        return self._count * math.exp(min(0.0, self._at - now) / MEMORY)

    def window(self, now: float, rate: float) -> float:
        """Seconds over which to spread their return, from one on; `rate`: requests a second that are served at best."""
        return min(max(SHORTEST, self.count(now) / max(rate, 1.0)), self._longest)

    def retry_after(self, now: float, rate: float, chance: float) -> int:
        """Whole seconds, as HTTP wants them (RFC 9110 section 10.2.3), at least one. `chance`: from 0 up to 1, drawn for each."""
        return 1 + int(chance * self.window(now, rate))


def retry_after_wait(wait: float, chance: float) -> int:
    """Whole seconds after which a client's own bucket has a token again, and up to as long once more, at least one second."""
    return math.ceil(wait + chance * max(wait, 1.0))
