"""One PostgreSQL of one service in memory: its log, its node row, its streams and slots, and the steps of `streams.sql` on them.

Each method is one transaction: it checks everything first and then changes everything, so a refusal leaves no trace. Positions of
different servers start apart and grow apart; one that is compared with a foreign one finds nothing.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from controller.core import naming
from controller.core.model import Epoch, Lsn, Role, Site, Token
from controller.errors import Conflict, StaleToken, Stuck
from controller.ports_audit import HeadName

RECORD = 64
"""Bytes of log that one transaction takes."""
NOWHERE = Lsn(0)
FIRST = Epoch(1)
FOUNDER = Token(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """One payment as the ledger has it."""

    key: str
    """Idempotency key."""
    payment: str
    body: str
    epoch: Epoch
    """Reign that admitted it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """An epoch marker or a join marker."""

    kind: str
    epoch: Epoch
    site: Site


Row = Paid | Marker


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One committed transaction that is published."""

    end: Lsn
    rows: tuple[Row, ...]
    origin: Lsn | None = None
    """Where it ended in the log of the server it came from; None: it began here."""
    origin_stream: int = 0
    """Number of the stream it came through, as PostgreSQL's replication origin `pg_<oid>`."""


def _end(one: Transaction) -> Lsn:
    return one.end


@dataclass(slots=True, kw_only=True)
class LogicalSlot:
    """Sends everything that ends behind `confirmed`."""

    name: str
    confirmed: Lsn
    lost: bool = False
    """Its log is gone."""


@dataclass(slots=True, kw_only=True)
class Stream:
    """One subscription."""

    oid: int
    name: str
    epoch: Epoch
    publisher: Site
    seeded: bool
    enabled: bool = True
    running: bool = False
    """An apply worker exists; it outlives a DISABLE until somebody ends it."""
    position: Lsn = NOWHERE
    copied_to: Lsn = NOWHERE
    """What the publisher committed up to here came with the initial copy."""


@dataclass(slots=True, kw_only=True)
class MemoryServer:
    """One site's server. A world reads and changes it directly; controllers only through `MemoryDatabase`."""

    service: str
    site: Site
    start: Lsn
    """Where its log begins."""
    role: Role = Role.FOLLOWER
    epoch: Epoch = FIRST
    token: Token = FOUNDER
    ack_slots: tuple[str, ...] = ()
    seeded: int = -1
    timeline: int = 1
    pinned_to: int = 1
    up: bool = True
    schema: str = "schema-1"
    """Fingerprint of its tables; one that nobody migrated has that of the others."""
    log: list[Transaction] = field(default_factory=list)
    flushed: Lsn = NOWHERE
    ledger: dict[str, Paid] = field(default_factory=dict)
    quarantine: dict[str, bool] = field(default_factory=dict)
    """Keys kept for a person, and whether the present writer had them."""
    journal: dict[int, dict[int, str]] = field(default_factory=dict)
    """Copy of the journal, by branch and number."""
    heads: dict[HeadName, str] = field(default_factory=dict)
    """Signed heads of it."""
    slots: dict[str, LogicalSlot] = field(default_factory=dict)
    streams: dict[str, Stream] = field(default_factory=dict)
    markers: set[Epoch] = field(default_factory=set)
    """Epochs whose marker it holds."""
    spares: dict[str, Site] = field(default_factory=dict)
    """Publisher of each spare subscription."""
    _made: int = 0

    def __post_init__(self) -> None:
        self.flushed = self.start

    @property
    def pinned(self) -> bool:
        """Still on the timeline that the node row names."""
        return self.timeline == self.pinned_to

    # ------------------------------------------------------------------------------------------------ the log

    def commit(self, *rows: Row, origin: Lsn | None = None, origin_stream: int = 0) -> Lsn:
        """Append one transaction; without rows it is one that is not published. Answers its end."""
        self.flushed = Lsn(self.flushed + RECORD)
        if rows:
            self.log.append(Transaction(end=self.flushed, rows=rows, origin=origin, origin_stream=origin_stream))
            self.ledger |= {row.key: row for row in rows if isinstance(row, Paid)}
            self.markers |= {row.epoch for row in rows if isinstance(row, Marker) and row.kind == "epoch"}
        return self.flushed

    def behind(self, position: Lsn) -> Iterator[Transaction]:
        """Published transactions that end behind a position, in order."""
        return iter(self.log[bisect_right(self.log, position, key=_end) :])

    def lose_last(self) -> None:
        """The last published transaction never was, and a stream it came through stands before it again."""
        lost = self.log.pop()
        self.flushed = Lsn(lost.end - RECORD)
        for row in lost.rows:
            if isinstance(row, Paid):
                del self.ledger[row.key]
            elif row.kind == "epoch":
                self.markers.discard(row.epoch)
        for stream in self.streams.values():
            if stream.oid == lost.origin_stream:
                earlier = [one.origin for one in self.log if one.origin_stream == stream.oid and one.origin is not None]
                stream.position = earlier[-1] if earlier else NOWHERE

    # ------------------------------------------------------------------------------------------------ promises

    def check(self, token: Token, *, pinned: bool = True) -> None:
        """Turn an older owner away, and whoever builds on a timeline that is gone. Raises StaleToken, then Stuck."""
        if self.token > token:
            raise StaleToken(f"{self.site}: token {token} is older than the promised {self.token}")
        if pinned:
            self.stay_pinned("a step")

    def stay_pinned(self, step: str) -> None:
        """Raises Stuck on a timeline that is not the one in the row."""
        if not self.pinned:
            raise Stuck(
                step=f"{step} on {self.site}",
                blocked_by=f"timeline {self.timeline}, pinned to {self.pinned_to}",
                way_out="It proves nothing until it is reseeded.",
            )

    def keep(self, token: Token) -> None:
        """Leave the token as a promise."""
        self.token = token
        self.commit()

    def promise(self, token: Token, *, pinned: bool = True) -> None:
        """A transaction that does nothing but present the token. Raises what `check` raises."""
        self.check(token, pinned=pinned)
        self.keep(token)

    def promise_writer(self, token: Token, reign: Epoch) -> None:
        """Only on the writer of this reign. Raises Conflict on any other node."""
        self.check(token)
        if self.role is not Role.WRITER or self.epoch != reign:
            raise Conflict(f"{self.site} is {self.role} in epoch {self.epoch}, not the writer of epoch {reign}")
        self.keep(token)

    def admit(self) -> None:
        """The guard of every ledger write. Raises Conflict on a node that is not the writer, Stuck on a foreign timeline."""
        if self.role is not Role.WRITER:
            raise Conflict(f"{self.site} is {self.role} in epoch {self.epoch}, not the writer")
        if not self.pinned:
            raise Stuck(step=f"a payment on {self.site}", blocked_by=f"timeline {self.timeline}", way_out="Ask the next writer.")

    # ------------------------------------------------------------------------------------------------ steps

    def fence(self, token: Token, before: Epoch) -> int:
        """Close a writer of an earlier reign; answers the token of the last seeding."""
        self.promise(token, pinned=False)
        if self.role is Role.WRITER and self.epoch < before:
            self.role = Role.FENCED
        return self.seeded

    def stop_streams(self, token: Token, before: Epoch) -> None:
        """First half of a cut: workers that run go on running."""
        self.fence(token, before)
        for stream in self.streams.values():
            stream.enabled = stream.enabled and stream.epoch >= before

    def end_workers(self) -> None:
        """Second half of a cut."""
        for stream in self.streams.values():
            stream.running = stream.running and stream.enabled

    def follow(self, token: Token, epoch: Epoch, publisher: Site, *, seed: bool) -> None:
        """Forget every other publisher and follow this one."""
        self.check(token)
        if self.role is Role.WRITER:
            raise Conflict(f"{self.site} is still the writer of epoch {self.epoch}")
        self.keep(token)
        name = naming.stream(self.service, epoch, publisher, self.site)
        self.streams = {kept: stream for kept, stream in self.streams.items() if kept == name}
        if name not in self.streams:
            if not seed:
                self.spares = {spare: sibling for spare, sibling in self.spares.items() if sibling != publisher}
            self._made += 1
            self.streams[name] = Stream(oid=self._made, name=name, epoch=epoch, publisher=publisher, seeded=not seed)
        self.role, self.epoch, self.ack_slots = Role.FOLLOWER, epoch, ()
        self.seeded = token if seed else self.seeded

    def open(self, token: Token, epoch: Epoch, ack_slots: tuple[str, ...]) -> None:
        """Become the writer of the epoch, with its marker as the first transaction; opened before, nothing changes."""
        self.check(token)
        opened = self.role is Role.WRITER and self.epoch == epoch
        if self.epoch >= epoch and not opened:
            raise Conflict(f"{self.site} already stands in epoch {self.epoch}")
        self.keep(token)
        if not opened:
            self.streams = {}
            self.role, self.epoch, self.ack_slots = Role.WRITER, epoch, ack_slots
            self.commit(Marker(kind="epoch", epoch=epoch, site=self.site))

    def mark_join(self, token: Token, reign: Epoch, newcomer: Site) -> None:
        """Commit a join marker."""
        self.promise_writer(token, reign)
        self.commit(Marker(kind="join", epoch=reign, site=newcomer))

    def set_ack_slots(self, token: Token, reign: Epoch, ack_slots: tuple[str, ...]) -> None:
        """Count exactly these slots."""
        self.promise_writer(token, reign)
        self.ack_slots = ack_slots

    def clear(self, token: Token, reign: Epoch) -> None:
        """Hold nothing and prove nothing, once per token."""
        self.check(token, pinned=False)
        if token <= self.seeded:
            raise Conflict(f"{self.site} was seeded under token {self.seeded}")
        if self.role is Role.WRITER:
            raise Conflict(f"{self.site} is still the writer of epoch {self.epoch}")
        self.keep(token)
        self.streams, self.ledger, self.markers = {}, {}, set()
        self.role, self.epoch, self.ack_slots, self.pinned_to = Role.FOLLOWER, reign, (), self.timeline

    # ------------------------------------------------------------------------------------------------ slots

    def have_slot(self, name: str) -> bool:
        """Make a slot at the end of the log unless there is one; True when it was made."""
        made = name not in self.slots
        if made:
            self.slots[name] = LogicalSlot(name=name, confirmed=self.flushed)
        return made

    def old_slots(self, reign: Epoch, *, spares_too: bool) -> tuple[str, ...]:
        """Slots of closed epochs; with the spare ones of this reign when they belong to an earlier life of the node."""
        found = []
        for name in self.slots:
            match = re.match(rf"{self.service}_(spare_)?e(\d+)_", name)
            if match and int(match[2]) < reign + (spares_too and match[1] is not None and self.epoch == reign):
                found.append(name)
        return tuple(found)
