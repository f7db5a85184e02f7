"""Three sites as plain values: azure writes, aws and gcp confirm, everybody is well, unless a test says otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.core.circumstances import Circumstances, circumstances
from controller.core.decide import Decision, State, decide
from controller.core.limits import AutomaticFailover
from controller.core.model import (
    Aged,
    Epoch,
    Health,
    Lsn,
    NodeFacts,
    Observation,
    Opinion,
    Part,
    Posture,
    Role,
    Site,
    Slot,
    Snapshot,
    Subscription,
    Token,
    Trigger,
)
from controller.core.naming import stream
from controller.core.plans import Phase, Plan, PlanKind
from controller.core.policy import Moment, Policy
from controller.core.proposals import Running

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
SITES = (AWS, AZURE, GCP)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
FRESH, STALE = timedelta(milliseconds=200), timedelta(seconds=5)

Words = Mapping[tuple[Site, Site, Part], Health]
"""(vantage, site, part) -> what it says; healthy when absent."""


def at(seconds: float) -> Moment:
    """A moment so long after the start, on both clocks."""
    return Moment(wall=START + timedelta(seconds=seconds), monotonic=timedelta(seconds=seconds))


def posture(**changes: Any) -> Posture:
    """azure writes epoch 4, settled, with two members and even traffic."""
    given: dict[str, Any] = {
        "service": "payments",
        "epoch": Epoch(4),
        "writer": AZURE,
        "reign": Epoch(4),
        "must_cut": frozenset({AWS, GCP}),
        "weights": dict.fromkeys(SITES, 1.0),
    }
    return Posture(**{**given, **changes})


def said(health: Health, misses: int = 0) -> Opinion:
    """An opinion whose numbers fit its word."""
    failing = health is Health.FAILING
    return Opinion(
        health=health,
        misses=misses or 3 * failing,
        successes=9 * (not failing),
        latency=timedelta(milliseconds=25),
        detail="asked",
    )


def observation(
    vantage: Site, words: Words, *, suspects_itself: bool = False, answered: frozenset[tuple[Site, Site]] = frozenset()
) -> Observation:
    """What one vantage says about every part of every site; who is `answered` got one answer in time since it last missed one."""
    opinions = {site: {part: said(words.get((vantage, site, part), Health.HEALTHY)) for part in Part} for site in SITES}
    for site in (site for by, site in sorted(answered) if by == vantage):
        opinions[site] = {part: replace(word, misses=0, successes=1) for part, word in opinions[site].items()}
    return Observation(vantage=vantage, sequence=7, opinions=opinions, suspects_itself=suspects_itself)


def everybody(
    site: Site, *parts: Part, health: Health = Health.FAILING, but: tuple[Site, ...] = ()
) -> dict[tuple[Site, Site, Part], Health]:
    """Every vantage says this about these parts of one site."""
    return {(vantage, site, part): health for vantage in SITES if vantage not in but for part in parts or tuple(Part)}


def follower(site: Site, writer: Site = AZURE, reign: int = 4, **changes: Any) -> NodeFacts:
    """A node that streams the present reign."""
    name = stream("payments", Epoch(reign), writer, site)
    given: dict[str, Any] = {
        "site": site,
        "role": Role.FOLLOWER,
        "epoch": Epoch(reign),
        "token": Token(10),
        "ack_slots": (),
        "pinned": True,
        "flushed": Lsn(1000),
        "schema": "s1",
        "subscriptions": (Subscription(name=name, enabled=True, running=True, seeded=True, position=Lsn(900)),),
        "slots": (),
    }
    return NodeFacts(**{**given, **changes})


def writing(site: Site = AZURE, reign: int = 4, **changes: Any) -> NodeFacts:
    """The writer, with a slot for everybody else."""
    slots = tuple(
        Slot(name=stream("payments", Epoch(reign), site, other), active=True, confirmed=Lsn(900), retained_bytes=0, lost=False)
        for other in SITES
        if other != site
    )
    return follower(site, reign=reign, **{"role": Role.WRITER, "subscriptions": (), "slots": slots, **changes})


@dataclass(frozen=True)
class World:
    """Everything a decision rests on, with changes by name."""

    posture: Posture = field(default_factory=posture)
    words: Words = field(default_factory=dict)
    ages: Mapping[Site, timedelta] = field(default_factory=dict)
    suspecting: frozenset[Site] = frozenset()
    answered: frozenset[tuple[Site, Site]] = frozenset()
    """(vantage, site) whose last probe was answered in time."""
    silent: frozenset[Site] = frozenset()
    facts: Mapping[Site, NodeFacts] = field(default_factory=lambda: {AWS: follower(AWS), AZURE: writing(), GCP: follower(GCP)})
    vantage: Site = AZURE
    majority: bool = True
    policy: Policy = field(default_factory=Policy)
    running: Running | None = None
    history: tuple[AutomaticFailover, ...] = ()

    def snapshot(self) -> Snapshot:
        """What this world's controller knows."""
        observations = {
            site: Aged(
                value=observation(site, self.words, suspects_itself=site in self.suspecting, answered=self.answered),
                age=self.ages.get(site, FRESH),
            )
            for site in SITES
            if site not in self.silent
        }
        return Snapshot(
            vantage=self.vantage,
            posture=self.posture,
            observations=observations,
            facts={site: Aged(value=facts, age=FRESH) for site, facts in self.facts.items()},
            majority=self.majority,
        )

    def seen(self, seconds: float = 0) -> Circumstances:
        """The same, as guards see it."""
        return circumstances(self.snapshot(), self.policy, self.history, self.running, at(seconds))


def plan(kind: PlanKind, **changes: Any) -> Plan:
    """A plan under way."""
    given: dict[str, Any] = {
        "id": "p1",
        "service": "payments",
        "kind": kind,
        "epoch": Epoch(5),
        "trigger": Trigger.AUTOMATIC,
        "reason": "",
        "by": "controller-aws",
        "started": START,
        "subject": AZURE,
        "phase": Phase.CUT,
    }
    return Plan(**{**given, **changes})


def under_way(kind: PlanKind, *, owner_alive: bool = True, **changes: Any) -> Running:
    """A plan under way and its owner."""
    return Running(plan=plan(kind, **changes), owner="aws", owner_alive=owner_alive)


DEAD = World(
    words=everybody(AZURE, but=(AZURE,)),
    silent=frozenset({AZURE}),
    facts={AWS: follower(AWS), GCP: follower(GCP)},
    vantage=AWS,
)
"""azure's cloud is gone, as aws sees it."""


@dataclass(frozen=True)
class Asked:
    """A request as a plain value."""

    verb: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    reason: str = "because"
    id: str = "r1"
    by: str = "kim"
    at: datetime = START


def decided(world: World, *asked: Asked, seconds: float = 0, state: State | None = None) -> Decision:
    """One decision of this world's controller."""
    state = state or State(failovers=world.history)
    return decide(state, world.snapshot(), world.running, asked, world.policy, at(seconds))
