"""What a server in memory says about positions: its own after a cut, and a sibling's in its own log."""

from collections.abc import Iterable, Mapping

from controller.core import naming
from controller.core.model import Epoch, Lsn, NodeFacts, Position, Role, Site, Slot, Subscription
from controller.errors import Stuck, Transient
from controller.providers.memory.server import LogicalSlot, MemoryServer, Transaction
from controller.providers.memory.world import MemoryWorld


def position_of(server: MemoryServer, writer: Site, reign: Epoch) -> Position:
    """The one position out of everything the node reports, as `cut.read_position` on PostgreSQL."""
    if not server.pinned:
        raise Stuck(step=f"cut on {server.site}", blocked_by="a new timeline", way_out="Waive this member by name.")
    if server.site == writer:
        if server.role is Role.WRITER:
            raise Stuck(step=f"cut on {server.site}", blocked_by="a writer that is not fenced", way_out="It is tried again.")
        return Position(site=server.site, publisher=server.site, epoch=reign, lsn=server.flushed)
    streams = {(one.epoch, one.publisher): one.position for one in server.streams.values() if one.epoch <= reign}
    key = (reign, writer) if (reign, writer) in streams else max(streams, default=(reign, writer))
    return Position(
        site=server.site, publisher=key[1], epoch=key[0], lsn=streams.get(key, Lsn(0)), marked=reign in server.markers
    )


def mapped_end(server: MemoryServer, sibling: Site, position: Position) -> tuple[str, Lsn] | str:
    """Spare slot and local end of the very transaction the sibling applied last; or why there is none."""
    spare = naming.spare_stream(server.service, position.epoch, server.site, sibling)
    stream = server.streams.get(naming.stream(server.service, position.epoch, position.publisher, server.site))
    if stream is None:
        return f"{server.site} did not follow {position.publisher} in epoch {position.epoch}"
    if spare not in server.slots or server.slots[spare].lost:
        return f"{server.site} has no spare slot {spare}"
    end = next((one.end for one in held_by(server, spare, stream.oid) if one.origin == position.lsn), None)
    return (spare, end) if end is not None else f"its position {position.lsn} is not in spare slot {spare}"


def held_by(server: MemoryServer, slot: str, oid: int) -> list[Transaction]:
    """Transactions in a slot that came through this stream."""
    return [one for one in server.behind(server.slots[slot].confirmed) if one.origin_stream == oid]


def placed(world: MemoryWorld, server: MemoryServer, sibling: Site, position: Position, *, level: bool, name: str) -> str | None:
    """Place the sibling's slot exactly behind the last transaction it has; or say why that cannot be proven."""
    if level:
        server.have_slot(name)
        return None
    if position.publisher == server.site:
        source = naming.stream(server.service, position.epoch, server.site, sibling)
        stands = _copied(world, server, source, position.lsn, name=name)
        return None if stands is not None and stands >= position.lsn else f"its own slot {source} is gone"
    found = mapped_end(server, sibling, position)
    if isinstance(found, str):
        return found
    return None if _copied(world, server, *found, name=name) == found[1] else f"spare slot {found[0]} is gone"


def _copied(world: MemoryWorld, server: MemoryServer, source: str, end: Lsn, *, name: str) -> Lsn | None:
    """Copy a slot and move the copy forward to `end`. Answers where it stands; None: there is none."""
    if source in server.slots:
        server.slots.setdefault(name, LogicalSlot(name=name, confirmed=server.slots[source].confirmed))
    copy = server.slots.get(name)
    if copy is None:
        return None
    if copy.confirmed < end and not world.active(server.site, name):
        copy.confirmed = min(end, server.flushed)
    return copy.confirmed


def facts_of(world: MemoryWorld, server: MemoryServer) -> NodeFacts:
    """Who the node says it is."""
    return NodeFacts(
        site=server.site,
        role=server.role,
        epoch=server.epoch,
        token=server.token,
        ack_slots=server.ack_slots,
        seeded=server.seeded,
        pinned=server.pinned,
        flushed=server.flushed,
        marked=max(server.markers, default=Epoch(0)),
        schema=server.schema,
        subscriptions=tuple(
            Subscription(name=one.name, enabled=one.enabled, running=one.running, seeded=one.seeded, position=one.position)
            for one in server.streams.values()
        ),
        slots=tuple(
            Slot(
                name=one.name,
                active=world.active(server.site, one.name),
                confirmed=one.confirmed,
                retained_bytes=max(0, server.flushed - one.confirmed),
                lost=one.lost,
            )
            for one in server.slots.values()
        ),
    )


def dropped(world: MemoryWorld, server: MemoryServer, reign: Epoch, outside: frozenset[Site], limit: int) -> tuple[str, ...]:
    """Without slots of a closed reign, and without those that hold back too much for a node outside; none on a fenced node."""
    if server.epoch != reign or server.role is Role.FENCED:
        return ()
    idle = [one for one in server.slots.values() if not world.active(server.site, one.name) and one.name not in server.ack_slots]
    waiting = {
        name
        for site in outside
        for name in (
            naming.stream(server.service, reign, server.site, site),
            naming.spare_stream(server.service, reign, server.site, site),
        )
    }
    closed = [one.name for one in idle if one.name in server.old_slots(reign, spares_too=False)]
    long = [one.name for one in idle if one.name in waiting and not one.lost and server.flushed - one.confirmed > limit]
    for name in (*closed, *long):
        del server.slots[name]
    return (*(f"dropped {name}" for name in closed), *(f"dropped {name}: it held back more than {limit} bytes" for name in long))


def tended(world: MemoryWorld, server: MemoryServer, reign: Epoch, writer: Site, siblings: Mapping[Site, Lsn]) -> tuple[str, ...]:
    """One spare slot per sibling, from just before the sibling's last transaction on."""
    changed = []
    stream = server.streams.get(naming.stream(server.service, reign, writer, server.site))
    for sibling, lsn in sorted(siblings.items()):
        if stream is None:
            break
        spare = naming.spare_stream(server.service, reign, server.site, sibling)
        if server.have_slot(spare):
            changed.append(f"created {spare}")
            continue
        passed = [one.end for one in held_by(server, spare, stream.oid) if one.origin is not None and one.origin <= lsn]
        if len(passed) >= 2:
            server.slots[spare].confirmed = passed[-2]
    return (*changed, *_keep_spares(world, server, reign, siblings))


def _keep_spares(world: MemoryWorld, server: MemoryServer, reign: Epoch, siblings: Iterable[Site]) -> tuple[str, ...]:
    """Exactly one spare subscription to each sibling, on a node of this reign; making one dials it."""
    if server.epoch != reign:
        return ()
    wanted = {naming.spare_stream(server.service, reign, sibling, server.site): sibling for sibling in siblings}
    for sibling in wanted.values():
        if sibling not in server.spares.values() and not world.linked(server.site, sibling):
            raise Transient(f"{server.site} cannot reach {sibling}")
    before, server.spares = server.spares, wanted
    dropped = [f"dropped {name}" for name in sorted(before.keys() - wanted.keys())]
    return (*dropped, *(f"created {name}" for name in sorted(wanted.keys() - before.keys())))
