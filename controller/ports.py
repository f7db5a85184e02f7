"""What the control plane needs from the world, one Protocol per noun. Adapters and shipped fakes pass the same contract suite.

Every method has a deadline that really fires, translates its vendor's errors into `controller.errors`, and is idempotent: a
caller that lost the answer may simply ask again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from controller.core.model import (
    Epoch,
    Group,
    JournalEntry,
    Lsn,
    NodeFacts,
    Observation,
    Position,
    Posture,
    Site,
    Token,
)
from controller.core.model import ProviderFacts as ProviderFacts
from controller.core.plans import Plan
from controller.core.steps import Promotion as Promotion
from controller.core.steps import PromotionState as PromotionState


class Clock(Protocol):
    """Time comes in by the front door, so that tests and the simulation own it."""

    def now(self) -> datetime:
        """Wall clock, timezone-aware UTC; for people and the journal only."""

    def monotonic(self) -> timedelta:
        """Time since an arbitrary start; what deadlines and freshness are counted on."""

    async def sleep(self, duration: timedelta) -> None:
        """Return after `duration`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """One measurement. A deadline that fired is `ok=False`; a measurement that could not be made at all is not a result."""

    ok: bool
    latency: timedelta
    detail: str


class Probe(Protocol):
    """One way of asking one part of one site whether it works."""

    async def measure(self, deadline: timedelta) -> ProbeResult:
        """Ask once; never raises for a failure of the thing that is asked, and returns within the deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TailReport:
    """What an old writer had that nobody else has, after it was put into quarantine."""

    transactions: int
    superseded: int
    """The present writer has another payment of the key: the client retried and was served."""
    never_happened: int
    """Keys the present writer lacks: never acknowledged, kept for a person, never applied."""


class KeyLookup(Protocol):
    """What does another ledger lack?"""

    async def lacks(self, payments: Mapping[str, str]) -> Mapping[str, bool]:
        """Of these payments, ids by idempotency key, those that are not there; True: another payment of the key is."""


class Database(KeyLookup, Protocol):
    """One site's PostgreSQL, as the protocol of DESIGN section 3 acts on it.

    Every changing method presents the ownership token in the same transaction that changes anything; the node refuses older
    ones with StaleToken and keeps this one as its promise.
    """

    @property
    def site(self) -> Site:
        """Which site's node this is."""

    async def facts(self, deadline: timedelta) -> NodeFacts:
        """Who the node says it is, in one round trip."""

    async def cut(self, *, token: Token, epoch: Epoch, writer: Site, reign: Epoch) -> Position:
        """Stop every stream of an older epoch for good, wait until it is gone, then read the position. A writer is fenced and drained."""

    async def fence(self, *, token: Token, reign: Epoch) -> int:
        """Close a node that wrote before `reign` to clients, and wait for transactions that passed the guard before; answers the
        token under which the node was seeded last."""

    async def await_confirmed(
        self, *, reign: Epoch, followers: frozenset[Site], lsn: Lsn, need: int, deadline: timedelta
    ) -> frozenset[Site]:
        """Followers whose stream confirmed `lsn` by the time `need` of them had, or by the deadline. Raises Stuck on a node that is not on
        its pinned timeline: there a position says nothing about what was before it."""

    async def place_slot(self, *, token: Token, epoch: Epoch, sibling: Site, position: Position, level: bool) -> str | None:
        """Put the sibling's slot of `epoch` exactly where the sibling stands; None when it stands there, else why it cannot."""

    async def follow(self, *, token: Token, epoch: Epoch, publisher: Site) -> None:
        """Drop older subscriptions and follow `publisher` from its slot of `epoch`, without a copy."""

    async def open(self, *, token: Token, epoch: Epoch, ack_set: frozenset[Site]) -> Lsn:
        """Become the writer of `epoch` in one transaction that also commits the epoch marker; answers the marker's position."""

    async def mark_join(self, *, token: Token, reign: Epoch, newcomer: Site) -> Lsn:
        """Commit a join marker; answers its position."""

    async def set_ack_set(self, *, token: Token, reign: Epoch, ack_set: frozenset[Site]) -> Lsn:
        """Replace the ack set in the writer's row; answers the flush position read after that commit."""

    async def export_tail(self, *, token: Token, known: KeyLookup) -> TailReport:
        """Put every payment that `known` lacks into this node's quarantine, whatever became of its slots."""

    async def clear(self, *, token: Token, reign: Epoch) -> None:
        """Drop every stream and slot of the service and empty the ledger: the node now holds nothing and proves nothing."""

    async def seed(self, *, token: Token, reign: Epoch, publisher: Site) -> None:
        """Follow `publisher` with an initial copy; returns once every table is copied and streaming."""

    async def offer_seed(self, *, token: Token, reign: Epoch, follower: Site) -> None:
        """On the writer: have the slot that `seed` on the follower will use."""

    async def tend(
        self, *, reign: Epoch, writer: Site, siblings: Mapping[Site, Lsn], outside: frozenset[Site], limit: int
    ) -> tuple[str, ...]:
        """Caretaker: keep a short spare slot per sibling, drop slots of closed epochs, and those that hold back more than `limit` bytes
        for a node `outside` the must-cut set; answers what it changed."""

    async def digest(self, *, up_to: Epoch) -> str:
        """Order-free digest of every payment and entry of epochs up to `up_to`; equal ledgers, equal digests."""


class JournalCopy(Protocol):
    """Where a site keeps what it has seen of the journal: texts by branch and number. Bounded; nothing decides by it."""

    async def keep_journal(self, branch: int, entries: Mapping[int, str]) -> None:
        """Add these; what stands under a number already stays as it is. The oldest go when there are too many."""

    async def kept_journal(self, branch: int, after: int = 0, limit: int = 1000) -> Mapping[int, str]:
        """Entries of a branch above a number, in order."""

    async def branches(self) -> Mapping[int, int]:
        """Number of the last entry of every branch, the oldest branch first."""


Ratios = Mapping[Site, float]
"""Share of traffic per site; 0 is drained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One group's ratios, each adding up to 1: as they were found, and as they stand now."""

    before: Ratios
    after: Ratios


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeringReport:
    """What became of the groups that an authority was asked to steer."""

    shifts: Mapping[Group, Shift]
    """Groups that now stand as asked."""
    refused: Mapping[Group, str] = field(default_factory=dict)
    """Groups left out, with what is wrong by name and the way out; one of them holds back no other."""
    in_sync: bool
    """The authority says that all its name servers answer it; False when it could not be asked in time."""

    @property
    def changed(self) -> bool:
        """Did any group stand otherwise before?"""
        return any(shift.before != shift.after for shift in self.shifts.values())


class Dns(Protocol):
    """One authority for the zone, with every steering group in it."""

    @property
    def name(self) -> str:
        """For reports: `route53`, `azure`, `clouddns`, `memory`."""

    async def read(self) -> Mapping[Group, Ratios]:
        """Ratios per group as the authority holds them now, adding up to 1; sites without a record are absent. Raises ProviderError."""

    async def steer(self, wanted: Mapping[Group, Ratios], deadline: timedelta) -> SteeringReport:
        """Make the authority answer by these ratios, in as few calls as the vendor allows; only records we own are touched.

        Groups that are not named are left alone. Of two wishes for one group the one asked later holds: the earlier call leaves that
        group out as refused. Repeatable after a lost answer. What is wrong with a group, in its ratios or in the zone, refuses that
        group by name. Cancelled, it sends nothing more, and a later call waits for the answer to what is under way: overtaken, the
        older change would arrive last and stand. Raises Refused, before anything is asked, when every group asked for is unknown or
        has unusable ratios, and ProviderError (Transient, Denied, Conflict, Unsupported) when the authority as a whole could not be
        asked.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """A floor of running instances, as it was found and as it is now. It is never lowered."""

    before: int
    after: int
    """The higher one of `before` and what was asked."""


class Capacity(Protocol):
    """How many instances of our services one site keeps running at least."""

    @property
    def site(self) -> Site:
        """Whose instances these are."""

    async def floor(self, service: str) -> int | None:
        """The present floor; None: there is no such service at this site. Raises ProviderError."""

    async def raise_floor(self, service: str, instances: int, deadline: timedelta) -> Raised:
        """Have at least so many instances; repeatable after a lost answer, and never lowers. It does not wait until they run.

        Raises Unsupported when there is no such service at this site, Transient when the deadline is over (the floor may stand: ask
        again), Denied, Conflict.
        """


class ManagedDatabase(Protocol):
    """One managed database server, as its provider acts on it."""

    @property
    def site(self) -> Site:
        """Where the server is."""

    async def facts(self, deadline: timedelta) -> ProviderFacts | None:
        """What the provider says about the server; None: there is no such server. Raises ProviderError."""

    async def promote(self, deadline: timedelta) -> Promotion:
        """Begin to make the read replica a server of its own; asked again, it finds the running or the finished promotion.

        It does not wait for the end. Raises Unsupported when there is no such server or it never was a replica and cannot become
        one, Transient (it may have begun: ask again), Denied, Conflict.
        """

    async def promotion(self, operation: str, deadline: timedelta) -> Promotion:
        """How far the promotion is, for any controller that has its `operation` from the journal. Raises ProviderError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A place that is not empty."""

    version: str
    """As the store calls what programs are told now."""
    carried_out: bool
    """Did this call put it there? False: it was there already, be it by an earlier call whose answer was lost."""


class SecretStore(Protocol):
    """The places for secrets of one site. They are written here and never read: whoever fills them may not be who is told.

    A place is what the vendor calls it: ARN, URL without a version, `projects/.../secrets/...`. All methods raise Unsupported when there
    is no such place, Conflict when there is one that programs are told nothing from (deleted, disabled), Transient, Denied.
    """

    @property
    def site(self) -> Site:
        """Whose programs are told."""

    async def filled(self, place: str, deadline: timedelta) -> str | None:
        """Version that programs are told now; None: the place is empty."""

    async def fill(self, place: str, content: bytes, deadline: timedelta) -> Filled:
        """Put this text (UTF-8) into an empty place. In one that is not empty nothing is changed, whatever is in it."""

    async def replace(self, place: str, content: bytes, *, over: str, deadline: timedelta) -> Filled:
        """Put it in the place of version `over`. Where another version is told by now, nothing is changed: somebody was faster, or an
        earlier call was carried out without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """Who carries the plan out, and since which revision."""

    controller: str
    session: int
    """Lease of the owner's session; when it is gone, the plan may be taken over."""
    token: Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One service's control state as one linearizable read of etcd, with the revisions a write is compared against."""

    posture: Posture
    plan: Plan | None
    """None: no plan was ever made, or the last one is done."""
    ownership: Ownership | None
    observations: Mapping[Site, Observation]
    sessions: Mapping[str, int]
    """Controllers with a living session, and its lease."""
    requests: tuple["Request", ...]
    revisions: Mapping[str, int]
    """Opaque to callers: what `commit` compares."""

    @property
    def as_of(self) -> Token | None:
        """Its youngest change, counted as tokens are: of two wishes for one authority the one that rests on more is meant."""
        return self.posture.token(max(self.revisions.values())) if self.revisions else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What an etcd that may be lost or of the past still holds of a service."""

    control: Control | None
    latest: Token
    """Highest token that it can have handed out by now."""
    entries: int
    """Length of its journal."""
    digest: str
    """Of its last entry; empty without any."""
    revisions: Mapping[str, int]
    """Opaque to callers: what `rebuild` compares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An operator's wish, waiting in etcd until a controller turns it into a plan or refuses it."""

    id: str
    verb: str
    """switchover, failover, pause, resume, mode."""
    by: str
    reason: str
    at: datetime
    arguments: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A journal entry before it has its place in the chain."""

    kind: str
    body: Mapping[str, object]


class Coordination(Protocol):
    """etcd, as this project uses it. Nothing else decides."""

    async def open_session(self) -> int:
        """Have a session lease for this controller, new if the old one lapsed; answers the lease."""

    async def read(self, service: str) -> Control | None:
        """Everything about a service, linearizable; None when the service was never founded."""

    async def found(self, posture: Posture) -> None:
        """Write the first posture of a service; keeps an existing one untouched."""

    async def publish(self, service: str, observation: Observation) -> None:
        """Replace this vantage's observation, under its session lease."""

    async def commit(
        self,
        known: Control,
        *,
        posture: Posture | None = None,
        plan: Plan | None = None,
        take: bool = False,
        settle_request: str | None = None,
        journal: Sequence[Draft] = (),
    ) -> Control:
        """Write all of it or nothing, only if nothing it rests on has changed since `known`; answers the new control state.

        `take` makes this controller the owner: the new token is the revision of this very write. Without `take`, a `plan` is
        only written while this controller still owns it. Raises LostOwnership when the comparison fails, Transient when the
        answer is lost (the write may stand: read again).
        """

    async def request(self, service: str, request: Request) -> None:
        """Leave an operator's wish; the same id twice is the same wish."""

    async def journal(self, service: str, after: int = 0, limit: int = 1000) -> tuple[JournalEntry, ...]:
        """Entries with a sequence above `after`, in order."""

    async def remains(self, service: str) -> Remains:
        """What there is of a service, linearizable, be it nothing."""

    async def rebuild(
        self, known: Remains, posture: Posture, journal: Sequence[Draft], history: Sequence[JournalEntry] = ()
    ) -> None:
        """Write a posture that databases prove, without a plan, an owner and the orders that waited, and journal it behind whatever journal
        there is and the `history` that continues it; only if nothing has changed since `known`. Raises LostOwnership when something has,
        Transient when the answer is lost (it may stand: look again)."""
