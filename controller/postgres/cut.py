"""Cut: stop a node's part in every earlier reign, then read how far it came.

The heart of `no-loss`: any one member of the ack set is enough to acknowledge, so a failover reads every member, and what it
reads must be final. A position read while a worker still runs is not: the worker applies one more payment, confirms it, the
writer acknowledges it, and the election has already been decided without it.
"""

from datetime import timedelta

from controller.core.model import Epoch, Lsn, Position, Site, Token
from controller.errors import Stuck
from controller.postgres.node import Node, alone, lsn_text, lsn_value
from controller.postgres.session import Row

_DRAIN = timedelta(seconds=2)


async def cut(node: Node, *, token: Token, epoch: Epoch, writer: Site, reign: Epoch) -> Position:
    """Before: anything. After: no stream of an epoch below `epoch` runs or can start here, a writer is fenced and drained, and
    the position is final. In between, any part may have been done by an earlier try; all of it may be done again."""
    rows = await node.run(
        "cut",
        *alone("SELECT (trimaran.stop_streams(%s, %s)).role", token, epoch),
        ("SELECT trimaran.await_stopped(%s)", (node.deadlines.stop,)),
        ("SELECT * FROM trimaran.positions()", ()),
        wait=node.deadlines.stop + _DRAIN,
    )
    if not rows[3][0][0]:
        raise Stuck(step=f"cut on {node.site}", blocked_by="an apply worker that does not end", way_out="It is tried again.")
    return read_position(node, rows[4], writer=writer, reign=reign)


async def fence(node: Node, *, token: Token, reign: Epoch) -> int:
    """Before: anything. After: a node that wrote in a reign before this one admits no client write, and every write it had admitted is
    in its log. Fencing a fenced node or a follower changes nothing. Answers the token under which it was seeded last."""
    rows = await node.run("fence", *alone("SELECT (trimaran.fence(%s, %s)).seeded", token, reign), wait=_DRAIN)
    return int(rows[1][0][0])


async def await_confirmed(
    node: Node, *, reign: Epoch, followers: frozenset[Site], lsn: Lsn, need: int, deadline: timedelta
) -> frozenset[Site]:
    """Followers whose slot on this node has confirmed `lsn` when `need` of them had, or when the deadline was reached."""
    names = [node.slot_for(reign, follower) for follower in sorted(followers)]
    rows = await node.run(
        "await_confirmed",
        ("SELECT trimaran.await_slots(%s, %s::pg_lsn, %s, %s)", (names, lsn_text(lsn), need, deadline)),
        wait=deadline,
    )
    return frozenset(node.follower_of(reign, name) for name in rows[0][0][0])


def read_position(node: Node, rows: list[Row], *, writer: Site, reign: Epoch) -> Position:
    """The one position out of everything the node reports. Raises Stuck for a node that proves nothing.

    The reign's own stream counts; a node that had not been attached to it yet answers with its latest earlier one, which
    compares with nothing in this election but lets it be attached again.
    """
    role, pinned, flushed, marked = rows[0][:4]
    if not pinned:
        raise Stuck(
            step=f"cut on {node.site}",
            blocked_by="a new timeline or system identifier, so its position proves nothing",
            way_out="Waive this member by name, or wait until the writer itself answers.",
        )
    if node.site == writer:
        if role == "writer":
            raise Stuck(step=f"cut on {node.site}", blocked_by="a writer that is not fenced", way_out="It is tried again.")
        return Position(site=node.site, publisher=node.site, epoch=reign, lsn=lsn_value(flushed))
    streams = {(epoch, publisher): lsn_value(lsn) for *_, epoch, publisher, lsn in rows if epoch is not None and epoch <= reign}
    key = (reign, writer) if (reign, writer) in streams else max(streams, default=(reign, writer))
    lsn = streams.get(key, Lsn(0))
    return Position(site=node.site, publisher=Site(key[1]), epoch=Epoch(key[0]), lsn=lsn, marked=marked >= reign)
