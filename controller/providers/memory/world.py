"""Three databases of one service in memory, the links between them, and a client that pays; deterministic. Shipped, not a mock.

What a test or a simulation moves: payments, apply, faults. Everything that is true of one server alone is in `server`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from controller.core import naming
from controller.core.invariants import Acknowledged, Entered
from controller.core.model import Epoch, Lsn, Role, Site
from controller.errors import Transient
from controller.providers.memory.server import FIRST, FOUNDER, RECORD, LogicalSlot, Marker, MemoryServer, Paid, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A payment that is committed and waits at the barrier."""

    paid: Paid
    end: Lsn
    """Flush position read after the commit."""
    epoch: Epoch
    timeline: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One look at a site's barrier under way: the node's row as its statement's snapshot saw it, and who waited when it was sent."""

    at: Site
    role: Role
    epoch: Epoch
    pinned_to: int
    ack_slots: tuple[str, ...]
    known: tuple[Waiting, ...]


@dataclass(slots=True, kw_only=True)
class MemoryWorld:
    """What really is, as opposed to what any controller knows."""

    service: str
    servers: dict[Site, MemoryServer]
    live: bool = True
    """Followers apply whatever they can after every statement; False: only when told to."""
    held: set[Site] = field(default_factory=set)
    """Followers whose workers live, and apply nothing."""
    isolated: set[Site] = field(default_factory=set)
    """Sites that live, behind links on which nothing arrives. Clients beside them still reach them."""
    cut_links: set[frozenset[Site]] = field(default_factory=set)
    """Pairs of sites between whose servers nothing arrives."""
    acknowledged: list[Acknowledged] = field(default_factory=list)
    """The client's own record."""
    waiting: dict[Site, list[Waiting]] = field(default_factory=dict)

    # ------------------------------------------------------------------------------------------------ streams

    def linked(self, site: Site, other: Site) -> bool:
        """Does what one of the two sends arrive at the other?"""
        if {site, other} & self.isolated or frozenset({site, other}) in self.cut_links:
            return False
        return self.servers[site].up and self.servers[other].up

    def active(self, holder: Site, slot: str) -> bool:
        """Does somebody stream from this slot?"""
        return any(
            slot in other.streams and other.streams[slot].running and self.linked(holder, site)
            for site, other in self.servers.items()
            if site != holder
        )

    def apply(self, site: Site, count: int | None = None) -> int:
        """Let a follower's workers apply so many transactions, or all they can reach; answers how many. Workers of enabled
        streams are started, those of disabled ones go on until they are ended."""
        server = self.servers[site]
        applied = 0
        for stream in server.streams.values() if server.up else ():
            stream.running = stream.running or stream.enabled
            if stream.running and site not in self.held and self.linked(site, stream.publisher):
                applied += self._apply(server, stream, count)
        return applied

    def _apply(self, server: MemoryServer, stream: Stream, count: int | None) -> int:
        publisher = self.servers[stream.publisher]
        slot = publisher.slots.get(stream.name)
        if slot is None or slot.lost:
            return 0
        if not stream.seeded:
            self._copy(server, stream, publisher)
        todo = list(publisher.behind(max(stream.position, slot.confirmed)))
        for done, one in enumerate(todo[:count]):
            rows = one.rows if one.end > stream.copied_to else ()
            if any(isinstance(row, Paid) and row.key in server.ledger for row in rows):
                return done  # a duplicate key: the worker fails here and is started again for ever
            server.commit(*rows, origin=one.end, origin_stream=stream.oid)
            stream.position = one.end
            self._confirm(server.site, publisher, slot, one.end)
        if count is None or count >= len(todo):
            self._confirm(server.site, publisher, slot, max(slot.confirmed, publisher.flushed))
        return len(todo[:count])

    def _confirm(self, follower: Site, publisher: MemoryServer, slot: LogicalSlot, lsn: Lsn) -> None:  # noqa: ARG002  see below
        """The follower tells its publisher how far it has come: at once, here; where there is a network between the two, later."""
        slot.confirmed = lsn

    def _copy(self, server: MemoryServer, stream: Stream, publisher: MemoryServer) -> None:
        """The initial copy; rows that the slot sends again are skipped."""
        server.commit(*publisher.ledger.values(), origin=publisher.start, origin_stream=-stream.oid)
        server.markers |= publisher.markers
        stream.seeded, stream.copied_to = True, publisher.flushed

    def flow(self) -> None:
        """Let every follower apply until nothing moves."""
        while sum(self.apply(site) for site in self.servers):
            pass

    # ------------------------------------------------------------------------------------------------ the client

    def pay(self, at: Site, key: str) -> bool:
        """Commit, and look at the barrier once; True when it was acknowledged. Raises what `commit` raises."""
        self.commit(at, key)
        return any(told.key == key for told in self.poll(at))

    def commit(self, at: Site, key: str) -> None:
        """Commit one payment, or find it, and wait at the barrier. Raises Conflict when refused, Transient on a dead server."""
        self.waiting.setdefault(at, []).append(self.enter(at, key))
        if self.live:
            self.flow()

    def enter(self, at: Site, key: str) -> Waiting:
        """Commit one payment, or find it; answers what to wait for. Raises what `commit` raises."""
        if not self.servers[at].up:
            raise Transient(f"{at} does not answer")
        self.servers[at].admit()
        return self.enter_admitted(at, key)

    def enter_admitted(self, at: Site, key: str) -> Waiting:
        """The rest of a transaction that passed the guard earlier."""
        server = self.servers[at]
        paid = server.ledger.get(key)
        if paid is None:
            paid = Paid(key=key, payment=f"{key}/{at}/{server.flushed}", body=f"body of {key}", epoch=server.epoch)
            server.commit(paid)
        return Waiting(paid=paid, end=server.flushed, epoch=server.epoch, timeline=server.timeline)

    def poll(self, at: Site) -> tuple[Acknowledged, ...]:
        """One look at a site's barrier, asked and answered in one moment: who is acknowledged by it."""
        waiting = self.waiting.get(at, [])
        reached = self.answer(self.ask(at, waiting)) if self.servers[at].up else ()
        self.waiting[at] = [one for one in waiting if one not in reached]
        told = tuple(told_of(one, at) for one in reached)
        self.acknowledged += told
        return told

    def ask(self, at: Site, known: Sequence[Waiting]) -> Poll:
        """First half of a look: its statement begins, and sees the row as it is now."""
        server = self.servers[at]
        return Poll(
            at=at,
            role=server.role,
            epoch=server.epoch,
            pinned_to=server.pinned_to,
            ack_slots=server.ack_slots,
            known=tuple(known),
        )

    def answer(self, poll: Poll) -> tuple[Waiting, ...]:
        """Second half: slots and timeline are no rows, and are read as they are by now. Answers who of the known is durable."""
        server = self.servers[poll.at]
        if poll.role is not Role.WRITER or server.timeline != poll.pinned_to:
            return ()
        confirmed = self._confirmed(server, poll.ack_slots)
        return tuple(
            one for one in poll.known if one.end <= confirmed and (one.epoch, one.timeline) == (poll.epoch, server.timeline)
        )

    def _confirmed(self, server: MemoryServer, ack_slots: Sequence[str]) -> Lsn:
        """What the ack set confirmed; a slot that is ahead of the log was confirmed on a timeline that is gone."""
        counted = (server.slots[name].confirmed for name in ack_slots if name in server.slots)
        return max((lsn for lsn in counted if lsn <= server.flushed), default=Lsn(-1))

    def ledgers(self, *sites: Site) -> Mapping[Site, Sequence[Entered]]:
        """What these ledgers, or all, hold."""
        return {
            site: [Entered(key=paid.key, payment=paid.payment, body=paid.body) for paid in self.servers[site].ledger.values()]
            for site in sites or tuple(self.servers)
        }

    # ------------------------------------------------------------------------------------------------ faults

    def crash(self, site: Site) -> None:
        """The server dies with what it has on disk."""
        self.servers[site].up = False
        for stream in self.servers[site].streams.values():
            stream.running = False

    def start(self, site: Site) -> None:
        """It comes back on its disk."""
        self.servers[site].up = True

    def fail_over_in_cloud(self, site: Site, *, lose_last: bool = False) -> None:
        """What a managed service does by itself: the same node on a new timeline, perhaps without its last transaction."""
        self.servers[site].timeline += 1
        if lose_last:
            self.servers[site].lose_last()


def told_of(waiting: Waiting, at: Site) -> Acknowledged:
    """The acknowledgement as the client writes it down."""
    paid = waiting.paid
    return Acknowledged(key=paid.key, payment=paid.payment, body=paid.body, epoch=waiting.epoch, writer=at)


def found_world(service: str, sites: Sequence[Site], writer: Site) -> MemoryWorld:
    """A service on these sites, as `founding` founds it: everybody else follows the writer and acknowledges."""
    servers = {
        site: MemoryServer(service=service, site=site, start=Lsn((number << 32) + number * (RECORD // 2 - 1)))
        for number, site in enumerate(sites, 1)
    }
    world = MemoryWorld(service=service, servers=servers)
    followers = [site for site in sites if site != writer]
    for site in followers:
        servers[writer].have_slot(naming.stream(service, FIRST, writer, site))
        for sibling in followers:
            if sibling != site:
                servers[site].have_slot(naming.spare_stream(service, FIRST, site, sibling))
        servers[site].follow(FOUNDER, FIRST, writer, seed=False)
    for site in sites:
        servers[site].spares = {naming.spare_stream(service, FIRST, one, site): one for one in followers if one != site}
    servers[writer].role = Role.WRITER
    servers[writer].ack_slots = tuple(naming.stream(service, FIRST, writer, site) for site in followers)
    servers[writer].commit(Marker(kind="epoch", epoch=FIRST, site=writer))
    world.flow()
    return world
