"""The vocabulary of the design as frozen values; nothing here acts, waits or looks at a clock.

Rules for changing this file: one word per thing, no behaviour beyond questions a value can answer about itself,
and no field whose meaning depends on another field being set by convention rather than by type.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, NewType, TypeVar

T = TypeVar("T")

Site = NewType("Site", str)
"""Our deployment in one cloud, named after the cloud in the lab: `aws`, `azure`, `gcp`."""

Group = NewType("Group", str)
"""A steering group: services placed alike, whose names alias the group's. Its traffic follows the posture of its lead service."""

Epoch = NewType("Epoch", int)
"""Number of a writer's reign. It only grows, and it is the fencing token of the data path."""

Token = NewType("Token", int)
"""etcd revision at which the present owner took the plan, counted on from `Posture.tokens_above`. Databases refuse every older one."""

Lsn = NewType("Lsn", int)
"""Position in one server's write-ahead log, in bytes. Positions of different servers or epochs are never compared."""


UNSAID = "unsaid when none"
"""Mark of a field that is left out of what is written while it is None: versions that do not know it go on reading the rest."""


class Health(StrEnum):
    """Unknown is a third answer: it never counts as failing and never counts as healthy."""

    HEALTHY = "healthy"
    FAILING = "failing"
    UNKNOWN = "unknown"


class Role(StrEnum):
    """What a database's own `trimaran.node` row says it is."""

    WRITER = "writer"
    FOLLOWER = "follower"
    FENCED = "fenced"


class Mode(StrEnum):
    """How much may happen without a person, per service."""

    OBSERVE = "observe"
    MANUAL = "manual"
    TRAFFIC_ONLY = "traffic-only"
    AUTOMATIC = "automatic"


class Trigger(StrEnum):
    """Who asked for a plan."""

    AUTOMATIC = "automatic"
    OPERATOR = "operator"
    UPKEEP = "upkeep"


class Part(StrEnum):
    """What of a site a probe looks at. The two fail apart and ask for different answers: drain, or fail over."""

    EDGE = "edge"
    DATABASE = "database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """An operator's stop sign for automation. It always wins."""

    by: str
    reason: str
    since: datetime
    until: datetime | None = None
    """None: until somebody resumes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posture:
    """What we want for one service: the single value in etcd that every decision starts from."""

    service: str
    epoch: Epoch
    """Highest epoch ever claimed; the next claim takes epoch + 1."""
    writer: Site
    """Writer of the reign; from the moment of its election, before it has opened."""
    reign: Epoch
    """Epoch in which that writer was elected; at most `epoch`."""
    must_cut: frozenset[Site]
    """Who must be cut and read before anybody else may be elected: a superset of the ack set in the writer's node row.
    Holds the writer itself until a follower has confirmed the epoch marker, and whenever the ack set is empty."""
    weights: Mapping[Site, float]
    """Share of traffic per site, as ratios; 0 is drained. Never all 0."""
    level: frozenset[Site] = frozenset()
    """Who was proven at the election to hold exactly what the writer held; empty once the reign is settled."""
    drained: frozenset[Site] = frozenset()
    """Sites drained on purpose by an operator: no healthy probe brings them back."""
    mode: Mode = Mode.AUTOMATIC
    pause: Pause | None = None
    tokens_above: Token | None = field(default=None, metadata={UNSAID: True})
    """What is added to etcd's revisions to make tokens: after etcd was lost they begin anew, and databases refuse what is older than
    what they promised. None: nothing is, this etcd is the first."""

    def token(self, revision: int) -> Token:
        """A revision of the etcd that holds this posture as databases count them."""
        return Token(revision + (self.tokens_above or 0))

    @property
    def settled(self) -> bool:
        """Has a follower confirmed this reign's marker, so that the writer's own disk is no longer the only proof?"""
        return self.writer not in self.must_cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far one node's log holds a reign, read after its cut. Only positions of the same publisher and epoch compare."""

    site: Site
    publisher: Site
    """Whose LSN space `lsn` is in; equal to `site` when the node is the fenced writer itself."""
    epoch: Epoch
    lsn: Lsn
    """0: attached, but nothing of this epoch was applied yet; such a node takes part in no election."""
    marked: bool = False
    """Holds the epoch's marker, and with it everything its writer held before it opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One subscription as its node reports it."""

    name: str
    enabled: bool
    running: bool
    """An apply worker exists."""
    seeded: bool
    """Every table has finished its initial copy."""
    position: Lsn


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One logical slot as its node reports it."""

    name: str
    active: bool
    confirmed: Lsn
    retained_bytes: int
    lost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """One database's answer to `who are you`; a fact, not an opinion."""

    site: Site
    role: Role
    epoch: Epoch
    token: Token
    ack_slots: tuple[str, ...]
    seeded: int = -1
    """Token under which the node's last initial copy began; -1: it was founded, never seeded."""
    pinned: bool
    """System identifier and timeline still equal the pins; False after an in-cloud failover, until it is proven again."""
    flushed: Lsn
    marked: Epoch = Epoch(0)
    """Highest epoch whose marker it holds."""
    schema: str = ""
    """Fingerprint of its tables, functions and rights (`trimaran.schema`): equal schemas, equal fingerprints. Empty: not known;
    ` migrating` behind it: about to change."""
    subscriptions: tuple[Subscription, ...]
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFacts:
    """What the provider says about one managed database server. None: it does not say."""

    highly_available: bool | None
    synchronous_standby: bool | None
    """Does the in-cloud standby confirm every commit? With an asynchronous one an in-cloud failover can lose a cut position."""
    storage_free: float | None
    """Share of the disk, 0 to 1."""
    maintenance: datetime | None
    """When the provider will next restart or patch it."""
    replica_of: str | None
    """Name of the server it is a provider-managed read replica of; None: of none."""
    state: str
    """In the vendor's word: `available`, `Ready`, `RUNNABLE`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """One vantage's judgement of one part of one site, with the evidence it rests on."""

    health: Health
    misses: int
    """Consecutive failed probes, 0 when the last one succeeded."""
    successes: int
    latency: timedelta | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything one vantage believes, published under its session lease and replaced as a whole."""

    vantage: Site
    sequence: int
    """Grows with every publication; a reader's freshness counts from when it last saw this change."""
    opinions: Mapping[Site, Mapping[Part, Opinion]]
    suspects_itself: bool
    """This vantage saw every other site failing at once, so it blames its own network and accuses nobody."""
    traffic: Opinion | None = field(default=None, metadata={UNSAID: True})
    """What clients' requests say about the vantage's own site, as its edge counted them; heard, and without a vote. None: nobody counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged(Generic[T]):
    """A value with the reader's own monotonic time since it last changed; never a lease, never a wall clock."""

    value: T
    age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything known at one tick of one controller."""

    vantage: Site
    posture: Posture
    observations: Mapping[Site, Aged[Observation]]
    facts: Mapping[Site, Aged[NodeFacts]]
    """What this controller itself read from the databases; missing is unknown."""
    majority: bool
    """etcd's majority answered within this tick's deadline; without it nothing is decided."""


class Verdict(StrEnum):
    """A guard's answer."""

    ALLOWED = "allowed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why something was decided or refused: which guard, what it saw, what it wanted, and the way out."""

    guard: str
    verdict: Verdict
    value: str
    limit: str
    way_out: str = ""
    age: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One link of the append-only record. `digest` covers every other field and the previous entry's digest."""

    sequence: int
    at: datetime
    """Wall clock of the writing controller, for people; no decision reads it."""
    actor: str
    kind: str
    body: Mapping[str, object] = field(default_factory=dict)
    previous: str = ""
    digest: str = ""
