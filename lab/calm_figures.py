"""How near a lab came to a failover that nobody wanted. Pure: what every vantage said, moment by moment, comes in."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from controller.core.model import JournalEntry, Part

Word = tuple[str, str, str]
"""Vantage, site and part that it says is failing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What all vantages published at one moment."""

    t: float
    """Seconds since the noise began."""
    accused: frozenset[Word]
    suspecting_themselves: frozenset[str] = frozenset()
    """Vantages whose word does not count at this moment."""
    answered: bool = True
    """False: etcd gave no answer, so nothing is known about this moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearness:
    """Near misses, as far as looks of this density can see them."""

    looks: int
    unanswered: int
    accusations: dict[str, int]
    """How often one vantage began to say of a part that it fails, by part."""
    longest_accusation_s: float
    """One vantage, one site's database."""
    agreements: int
    """How often two vantages whose word counts began to say it of one site's database: the third guard between noise and a
    failover is then the freshness of what they said, and that a third one contradicts."""
    longest_agreement_s: float
    self_suspicions: int


def nearness(looks: Sequence[Look]) -> Nearness:
    """Everything that was nearly a failover. A gap in the looks ends what was going on: nothing is known about it."""
    seen = [look if look.answered else Look(t=look.t, accused=frozenset(), answered=False) for look in looks]
    words = _stretches((look.t, look.accused) for look in seen)
    suspicions = _stretches((look.t, frozenset((name, "", "") for name in look.suspecting_themselves)) for look in seen)
    agreed = _stretches((look.t, _agreed(look)) for look in seen)
    databases = [length for word, length in words if word[2] == Part.DATABASE]
    return Nearness(
        looks=len(looks),
        unanswered=sum(not look.answered for look in looks),
        accusations=dict(Counter(word[2] for word, _ in words)),
        longest_accusation_s=round(max(databases, default=0.0), 2),
        agreements=len(agreed),
        longest_agreement_s=round(max((length for _, length in agreed), default=0.0), 2),
        self_suspicions=len(suspicions),
    )


def claims(entries: Iterable[JournalEntry]) -> dict[str, int]:
    """Plans that were claimed, by kind."""
    return dict(Counter(str(entry.body.get("plan_kind", "")) for entry in entries if entry.kind == "claim"))


def broken_calm(*, epoch_before: int, epoch_after: int, claimed: dict[str, int], reconciled: dict[str, Any]) -> tuple[str, ...]:
    """Every promise that noise alone made the lab break, in words. `reconciled`: counts and words of the reconciliation."""
    rules = (
        (epoch_before == epoch_after, f"the epoch went from {epoch_before} to {epoch_after}"),
        (not claimed.get("failover"), f"{claimed.get('failover')} failovers were claimed"),
        (reconciled["lost"] == 0, f"{reconciled['lost']} acknowledged payments are lost"),
        (reconciled["duplicated"] == 0, f"{reconciled['duplicated']} payments exist more than once"),
        (reconciled["acknowledged"] > 0, "nothing was ever acknowledged, so nothing is proven"),
        (reconciled["ledgers_equal"], "the ledgers differ"),
        (not reconciled["defects"], f"the load generator did not do what it promises: {'; '.join(reconciled['defects'])}"),
    )
    return tuple(said for kept, said in rules if not kept)


def _agreed(look: Look) -> frozenset[Word]:
    """Databases that two vantages or more accuse, as words of nobody."""
    voices: dict[str, set[str]] = defaultdict(set)
    for vantage, site, part in look.accused:
        if part == Part.DATABASE and vantage not in look.suspecting_themselves:
            voices[site].add(vantage)
    return frozenset(("", site, str(Part.DATABASE)) for site, vantages in voices.items() if len(vantages) >= 2)


def _stretches(moments: Iterable[tuple[float, frozenset[Word]]]) -> list[tuple[Word, float]]:
    """Each time a word began to be said, and for how many seconds it was, from its first look to the first without it."""
    began: dict[Word, float] = {}
    found: list[tuple[Word, float]] = []
    last = 0.0
    for t, words in moments:
        found += [(word, t - began.pop(word)) for word in sorted(began.keys() - words)]
        began.update(dict.fromkeys(words - began.keys(), t))
        last = t
    return found + [(word, last - start) for word, start in sorted(began.items())]
