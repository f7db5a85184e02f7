"""What noise did to a lab: how near it came to a failover that nobody wanted, how long payers waited, what broke. Pure."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from controller.core.comparison import alone
from controller.core.model import Health, JournalEntry, Opinion, Part, Site
from controller.core.plans import PlanKind
from lab.aftermath import Aftermath, broken_aftermath
from lab.reconcile_recovery import percentile
from lab.record import Acknowledged, Line, Offered

Word = tuple[str, str, str]
"""Vantage, site and part that it says is failing."""

MOVES = (PlanKind.FAILOVER, PlanKind.SWITCHOVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What all vantages published at one moment."""

    t: float
    """Seconds since the noise began."""
    accused: frozenset[Word]
    suspecting_themselves: frozenset[str] = frozenset()
    """Vantages whose word does not count at this moment."""
    traffic: Mapping[str, Opinion] = field(default_factory=dict)
    """What each site's own vantage says of its clients' requests."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficCalled:
    """What traffic was called during noise, in windows: one site and one second. Nothing here broke anything: it has no vote."""

    windows: int
    """Of which something was published."""
    known: int
    """Of these: called healthy or failing by the own vantage at some moment."""
    failing: int
    """Called failing by the own vantage."""
    alone: int
    """Called failing by everybody: while another site's did well."""
    sites: dict[str, int]
    """Windows of the last kind, by site."""


def traffic_called(looks: Sequence[Look]) -> TrafficCalled:
    """How often noise alone made a site's traffic be called failing: every one of them was false."""
    told, known, failing, blamed = set[tuple[str, int]](), set[tuple[str, int]](), set[tuple[str, int]](), set[tuple[str, int]]()
    for look in looks:
        said = {Site(site): opinion for site, opinion in look.traffic.items()} if look.answered else {}
        for site, opinion in said.items():
            window = (str(site), int(look.t))
            told.add(window)
            if opinion.health is not Health.UNKNOWN:
                known.add(window)
            if opinion.health is Health.FAILING:
                failing.add(window)
            if alone(site, said)[0] is Health.FAILING:
                blamed.add(window)
    sites = dict(Counter(site for site, _ in blamed))
    return TrafficCalled(windows=len(told), known=len(known), failing=len(failing), alone=len(blamed), sites=sites)


def claims(entries: Iterable[JournalEntry]) -> dict[str, int]:
    """Plans that were claimed, by kind."""
    return dict(Counter(str(entry.body.get("plan_kind", "")) for entry in entries if entry.kind == "claim"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """How one service with a writer came through the noise."""

    service: str
    epoch_before: int
    epoch_after: int | None
    """None: etcd did not answer."""
    claimed: Mapping[str, int]
    """Plans, by kind."""
    near: Nearness


def moved(stood: Stood) -> tuple[str, ...]:
    """What became of a reign that nothing but noise disturbed, in words; empty when it stayed."""
    near = stood.near
    rules = (
        (stood.epoch_after == stood.epoch_before, f"the epoch went from {stood.epoch_before} to {stood.epoch_after}"),
        *((not stood.claimed.get(kind), f"{stood.claimed.get(kind)} {kind}s were claimed") for kind in MOVES),
        (near.unanswered < near.looks, f"etcd answered none of {near.looks} looks, so nothing is known of near misses"),
    )
    return tuple(f"{stood.service}: {said}" for kept, said in rules if not kept)


def broken_calm(
    *, stood: Sequence[Stood], aftermath: Aftermath, pauses: Mapping[str, int], unscreened: int | None
) -> tuple[str, ...]:
    """Every promise that noise alone made the lab break, in words: no writer of any service moved, and whatever every run is judged by.
    Noise that nobody made, or that nobody watched, proves nothing.

    `pauses`: how often each process was stopped; a program of which no process ever was is one that met no noise. `unscreened`: payments
    of which screening said nothing in time, as payments counted them; None: some process could not be asked. In calm none starts anew, so
    whatever had to be held and was not is one of those.
    """
    paid = aftermath.reconciliation
    spared = sorted({name.rpartition("-")[0] for name in pauses} - {name.rpartition("-")[0] for name, n in pauses.items() if n})
    rules = (
        (sum(pauses.values()) > 0, "no process was ever paused, so there was no noise"),
        (
            unscreened is None or paid.planted - paid.caught <= unscreened,
            f"{paid.planted - paid.caught} payments passed that had to be held, and only {unscreened} were not screened in time",
        ),
        (not spared or not sum(pauses.values()), f"nobody was ever paused of {', '.join(spared)}"),
    )
    found = [said for one in stood for said in moved(one)]
    return (*found, *(said for kept, said in rules if not kept), *broken_aftermath(aftermath))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """Seconds from the moment a payer wanted a payment to its acknowledgement, over all its attempts; None: not within the run."""

    p50: float | None
    p95: float | None
    max: float | None
    never: int


def waited(lines: Iterable[Line]) -> Waited:
    """How long payments took, each from its offer.

    The time of the last attempt alone would hide every pause: an attempt is given up after a second and the next one may be quick,
    so that a payment which took four attempts and five seconds would count as one of the fast ones.
    """
    offered: dict[str, float] = {}
    paid: dict[str, float] = {}
    for line in lines:
        match line:
            case Offered():
                offered[line.key] = line.t
            case Acknowledged():
                paid.setdefault(line.key, line.t)
            case _:
                pass
    waits = [paid.get(key, math.inf) - begin for key, begin in offered.items()]
    p50, p95, longest = (_finite(percentile(waits, share)) for share in (0.5, 0.95, 1.0))
    return Waited(p50=p50, p95=p95, max=longest, never=sum(map(math.isinf, waits)))


def _finite(seconds: float | None) -> float | None:
    return None if seconds is None or math.isinf(seconds) else round(seconds, 3)


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
