"""Stops asking somebody who does not answer, and finds out now and then whether that is over. Pure; seconds of one clock are passed in.

Without it every request waits for the dead one's deadline first, and those that wait fill the caller until it answers nobody either.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """Leave for one call. Give it back with what became of it, whatever that was."""

    reign: int
    """Calls that began before the breaker opened or closed say nothing about what came after."""
    probe: bool


@dataclass(slots=True, kw_only=True)
class Breaker:
    """Closed: everybody may. Open: nobody, for `rest` seconds. Then one, and what becomes of it decides."""

    threshold: int
    """Failures one after the other that open it."""
    rest: float
    _reign: int = 0
    _failures: int = 0
    _open_since: float | None = None
    _probing: bool = field(default=False)

    @property
    def is_open(self) -> bool:
        """Is nobody let through, or one at most?"""
        return self._open_since is not None

    def admit(self, now: float) -> Pass | None:
        """Leave to call, or None."""
        if self._open_since is None:
            return Pass(reign=self._reign, probe=False)
        if self._probing or now - self._open_since < self.rest:
            return None
        self._probing = True
        return Pass(reign=self._reign, probe=True)

    def succeeded(self, given: Pass) -> None:
        """The call was answered."""
        if given.reign != self._reign:
            return
        self._failures = 0
        if given.probe:
            self._turn(None)

    def failed(self, given: Pass, now: float) -> None:
        """The call was not answered, or in a way that says trouble."""
        if given.reign != self._reign:
            return
        self._failures += 1
        if given.probe or self._failures >= self.threshold:
            self._turn(now)

    def abandoned(self, given: Pass) -> None:
        """The call was given up, and nobody knows what would have become of it. Another may probe instead: else nobody ever would."""
        if given.reign == self._reign and given.probe:
            self._probing = False

    def _turn(self, open_since: float | None) -> None:
        self._reign += 1
        self._failures = 0
        self._probing = False
        self._open_since = open_since
