"""What the authorities told clients while a site must not be used, from the clients' own record. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from lab.record import Answered, Line, Unanswered

UNENDED = 2.0
"""Seconds. Stale answers so shortly before the end were ended by it, as far as anybody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """One authority's answers between a steering decision and healing."""

    answered: int
    stale: int
    """Of them, how many named an address that the decision had taken out."""
    last_stale: float | None
    """Seconds from the decision to the last of those; None: there was none. Whoever got it may keep it for a TTL more."""
    unended: bool
    """Did one of them come so late that nobody can say whether it was the last?"""
    unanswered: int
    """Queries that brought no address, in time or at all: what a dead authority costs its askers."""

    @property
    def share(self) -> float | None:
        """Share of the answers that were stale; None without an answer."""
        return self.stale / self.answered if self.answered else None


def answers(
    lines: Iterable[Line], *, authorities: Collection[str], stale: Collection[str], begin: float, end: float
) -> Mapping[str, Answers]:
    """By authority, what was answered between two moments (monotonic seconds, as in the record).

    `begin`: the decision to take the addresses `stale` out; `end`: when they may be answered again. An answer counts when it reached
    the client, so one that was given just before the decision is counted too.
    """
    given: dict[str, list[Answered]] = {authority: [] for authority in sorted(authorities)}
    silent = dict.fromkeys(given, 0)
    for line in lines:
        match line:
            case Answered(address=str()) if begin <= line.t < end:
                given.setdefault(line.authority, []).append(line)
            case Answered() | Unanswered() if begin <= line.t < end:
                silent[line.authority] = silent.get(line.authority, 0) + 1
            case _:
                pass
    found = {}
    for authority in sorted(given.keys() | silent.keys()):
        lines_of = given.get(authority, [])
        moments = [line.t - begin for line in lines_of if line.address in stale]
        found[authority] = Answers(
            answered=len(lines_of),
            stale=len(moments),
            last_stale=max(moments, default=None),
            unended=any(moment > end - begin - UNENDED for moment in moments),
            unanswered=silent.get(authority, 0),
        )
    return found
