"""Attach, open and the writer's ack set: the steps that build a new reign on a finished cut."""

from controller.core.model import Epoch, Lsn, Site, Token
from controller.postgres.node import Node, alone, lsn_value
from controller.postgres.session import Statement

_FLUSHED: Statement = ("SELECT pg_current_wal_flush_lsn()::text", ())


async def follow(node: Node, *, token: Token, epoch: Epoch, publisher: Site) -> None:
    """Before: the node is cut, and `publisher` holds its slot of `epoch`. After: every older subscription is gone and this one
    runs. A try whose answer was lost has done all of it or nothing."""
    await node.run("follow", *_follow(node, token, epoch, publisher, seed=False), wait=node.deadlines.step)


async def seed(node: Node, *, token: Token, reign: Epoch, publisher: Site) -> None:
    """Before: the node is cleared, and `publisher` holds its slot. After: the subscription exists and its initial copy has begun;
    `facts` tells when every table is copied."""
    await node.run("seed", *_follow(node, token, reign, publisher, seed=True), wait=node.deadlines.step)


def _follow(node: Node, token: Token, epoch: Epoch, publisher: Site, *, seed: bool) -> tuple[Statement, ...]:
    stream = node.stream_from(epoch, publisher)
    conninfo = node.publishers[publisher].conninfo(application_name=stream, connect_timeout=2)
    return alone("SELECT trimaran.follow(%s, %s, %s, %s, %s)", token, epoch, stream, conninfo, seed)


async def open_writer(node: Node, *, token: Token, epoch: Epoch, ack_set: frozenset[Site]) -> Lsn:
    """Before: elected in etcd, siblings attached. After: writer of `epoch`, older subscriptions dropped, epoch marker committed.
    Answers a position at or behind the marker. Opened by an earlier try: nothing changes, the answer is still right."""
    slots = [node.slot_for(epoch, follower) for follower in sorted(ack_set)]
    rows = await node.run("open", *alone("SELECT trimaran.open(%s, %s, %s)", token, epoch, slots), _FLUSHED)
    return lsn_value(rows[3][0][0])


async def mark_join(node: Node, *, token: Token, reign: Epoch, newcomer: Site) -> Lsn:
    """Before: the newcomer follows. After: one more join marker is in the writer's log, at or before the answer."""
    rows = await node.run("mark_join", *alone("SELECT trimaran.mark_join(%s, %s, %s)", token, reign, newcomer), _FLUSHED)
    return lsn_value(rows[3][0][0])


async def set_ack_set(node: Node, *, token: Token, reign: Epoch, ack_set: frozenset[Site]) -> Lsn:
    """Before: any ack set. After: exactly this one, and the answer is a flush position read after that commit: whatever an
    earlier set acknowledged lies before it."""
    slots = [node.slot_for(reign, follower) for follower in sorted(ack_set)]
    rows = await node.run("set_ack_set", *alone("SELECT trimaran.set_ack_slots(%s, %s, %s)", token, reign, slots), _FLUSHED)
    return lsn_value(rows[3][0][0])


async def offer_seed(node: Node, *, token: Token, reign: Epoch, follower: Site) -> None:
    """Before: the follower is cleared. After: a slot of the present reign waits for it. One left by an earlier try or an earlier life
    of the follower is kept: the copy skips what it repeats. It is replaced only when its log is gone; replacing a live one would
    skip, silently, what was written between its position and now."""
    name = node.slot_for(reign, follower)
    await node.run("offer_seed", ("SELECT trimaran.promise_writer(%s, %s)", (token, reign)))
    await node.run(
        "offer_seed",
        *alone(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s AND wal_status = 'lost'",
            name,
        ),
        *alone(
            """SELECT pg_create_logical_replication_slot(%s, 'pgoutput')
               WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %s)""",
            name,
            name,
        ),
        ("SELECT trimaran.promise_writer(%s, %s)", (token, reign)),
        wait=node.deadlines.step,
    )
