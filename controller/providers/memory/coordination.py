"""etcd in memory: the same transactions and leases, deterministic, with the faults a simulation asks for. Shipped, not a mock.

Only etcd is played here; everything above it is the real store. So one contract suite compares the two where they can differ,
and a simulation runs the code that runs in production.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from controller.coordination.layout import SESSIONS
from controller.coordination.store import Store
from controller.coordination.transaction import ABSENT, Answer, Item, LeaseLapsed, Put, Range, Txn
from controller.errors import Transient
from controller.ports import Clock


@dataclass(slots=True)
class _Lease:
    term: timedelta
    ends: timedelta


@dataclass(slots=True)
class MemoryEtcd:
    """One etcd group that all links of a test or simulation share."""

    clock: Clock
    majority: bool = True
    """False: nobody gets an answer, and leases stand still because no leader counts them down."""
    _revision: int = 1
    _items: dict[str, Item] = field(default_factory=dict)
    _leases: dict[int, _Lease] = field(default_factory=dict)
    _granted: int = 0

    def transact(self, txn: Txn) -> Answer:
        """Apply one transaction, all or nothing."""
        self._lapse_overdue()
        held = all(self._revision_of(key) == revision for key, revision in txn.unchanged.items())
        if held and txn.writes:
            self._write(txn)
            return Answer(succeeded=True, revision=self._revision)
        return Answer(succeeded=held, revision=self._revision, found=tuple(map(self._read, txn.reads)))

    def grant(self, ttl: timedelta) -> int:
        """A new lease; numbers are never used twice."""
        self._granted += 1
        self._leases[self._granted] = _Lease(term=ttl, ends=self.clock.monotonic() + ttl)
        return self._granted

    def renew(self, lease: int) -> bool:
        """Keep a lease for another term; False when it has lapsed."""
        self._lapse_overdue()
        if lease not in self._leases:
            return False
        self._leases[lease].ends = self.clock.monotonic() + self._leases[lease].term
        return True

    def revoke(self, lease: int) -> None:
        """End a lease; its keys vanish in one revision."""
        self._leases.pop(lease, None)
        gone = [key for key, item in self._items.items() if item.lease == lease]
        self._revision += bool(gone)
        for key in gone:
            del self._items[key]

    def lapse(self, controller: str) -> None:
        """End this controller's session as if it had been silent for too long."""
        session = self._items.get(SESSIONS + controller)
        if session is not None:
            self.revoke(session.lease)

    def backup(self) -> "MemoryEtcd":
        """As it is now, for `restore`; leases are no part of it, nor is what is under them."""
        items = {key: item for key, item in self._items.items() if not item.lease}
        return MemoryEtcd(clock=self.clock, _revision=self._revision, _items=items)

    def restore(self, backup: "MemoryEtcd | None" = None) -> None:
        """Begin anew from a backup, or with nothing: revisions go on from there, and every session is gone."""
        before = backup or MemoryEtcd(clock=self.clock)
        self._revision, self._items, self._leases = before._revision, dict(before._items), {}

    def _write(self, txn: Txn) -> None:
        if any(isinstance(write, Put) and write.lease and write.lease not in self._leases for write in txn.writes):
            raise LeaseLapsed
        self._revision += 1
        for write in txn.writes:
            if isinstance(write, Put):
                self._items[write.key] = Item(key=write.key, value=write.value, revision=self._revision, lease=write.lease)
            else:
                self._items.pop(write.key, None)

    def _read(self, wanted: Range) -> tuple[Item, ...]:
        if wanted.end is None:
            found = [self._items[wanted.key]] if wanted.key in self._items else []
        else:
            found = [self._items[key] for key in sorted(self._items) if wanted.key <= key < wanted.end]
        return tuple(found[: wanted.limit or None])

    def _revision_of(self, key: str) -> int:
        return self._items[key].revision if key in self._items else ABSENT

    def _lapse_overdue(self) -> None:
        now = self.clock.monotonic()
        for lease in [lease for lease, state in self._leases.items() if state.ends <= now]:
            self.revoke(lease)


@dataclass(slots=True)
class MemoryLink:
    """One controller's path to the group, with the faults of a path. Implements `transaction.KeyValue`."""

    etcd: MemoryEtcd
    reachable: bool = True
    """False: this controller gets no answer, and nothing it sends arrives."""
    lose_answers: int = 0
    """So many of the next writes are applied without an answer; raise it again at any time."""
    hold_writes: int = 0
    """So many of the next writes are caught in the link instead: no answer now, and applied by `deliver`."""
    held: list[Txn] = field(default_factory=list)
    crossed: int = 0
    """Transactions that reached the group, for tests that count round trips."""

    async def transact(self, txn: Txn) -> Answer:
        """Apply the transaction; raises Transient when the path or its answer is lost."""
        self._cross()
        if txn.writes and self.hold_writes > 0:
            self.hold_writes -= 1
            self.held.append(txn)
            raise Transient("no answer; the write may yet arrive")
        self.crossed += 1
        answer = self.etcd.transact(txn)
        if txn.writes and self.lose_answers > 0:
            self.lose_answers -= 1
            raise Transient("the answer was lost; the write may stand")
        return answer

    def deliver(self) -> tuple[Answer, ...]:
        """Let the writes that were caught arrive, in order; their answers find nobody."""
        held, self.held = self.held, []
        return tuple(map(self.etcd.transact, held))

    async def grant(self, ttl: timedelta) -> int:
        """A new lease."""
        self._cross()
        return self.etcd.grant(ttl)

    async def renew(self, lease: int) -> bool:
        """Keep the lease; False when it has lapsed."""
        self._cross()
        return self.etcd.renew(lease)

    async def revoke(self, lease: int) -> None:
        """End the lease."""
        self._cross()
        self.etcd.revoke(lease)

    def _cross(self) -> None:
        if not (self.reachable and self.etcd.majority):
            raise Transient("etcd's majority does not answer")


def coordination(etcd: MemoryEtcd, controller: str) -> tuple[Store, MemoryLink]:
    """One controller's coordination over the shared group, and its link for injecting faults."""
    link = MemoryLink(etcd)
    return Store(link, controller=controller, clock=etcd.clock), link
