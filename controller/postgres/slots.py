"""Slots: placing a sibling's slot exactly where the sibling stands, and keeping spare slots short.

A spare slot is what lets a third node be re-parented without a copy: it holds, in the winner's own log, every transaction that
came from the old writer, each with the position it had there.
"""

from collections.abc import Iterable, Mapping

from controller.core import naming
from controller.core.model import Epoch, Lsn, Position, Site, Token
from controller.errors import Transient
from controller.postgres.node import Node, alone, lsn_text, lsn_value
from controller.postgres.pgoutput import Transaction, transactions
from controller.postgres.session import Row, Statement

_PEEK = """SELECT c.data FROM pg_replication_slots AS s,
           pg_logical_slot_peek_binary_changes(s.slot_name, NULL, NULL, 'proto_version', '1', 'publication_names', %s) AS c
           WHERE s.slot_name = %s AND s.wal_status <> 'lost'"""
_ADVANCE = """SELECT pg_replication_slot_advance(slot_name, {end}) FROM pg_replication_slots
              WHERE slot_name = %s AND NOT active AND confirmed_flush_lsn < {end}"""
_SETTLE = """SELECT pg_copy_logical_replication_slot(slot_name, %s) FROM pg_replication_slots
             WHERE slot_name = %s AND NOT active AND confirmed_flush_lsn >= {end}
                AND NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %s)"""
_CLEAR = """SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
            WHERE slot_name = %s AND NOT active AND EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %s)"""
_STANDS = """SELECT confirmed_flush_lsn::text, NOT active AND confirmed_flush_lsn IS NOT NULL AND confirmed_flush_lsn >= {end}
             FROM pg_replication_slots WHERE slot_name = %s"""
_CREATE = """SELECT pg_create_logical_replication_slot(%s, 'pgoutput')
             WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %s)"""

_CREATE_UNPLACED = """SELECT pg_create_logical_replication_slot(%s, 'pgoutput')
                      WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name IN (%s, %s))"""

_DROP_CLOSED = """SELECT s.slot_name, pg_drop_replication_slot(s.slot_name)
    FROM pg_replication_slots AS s, trimaran.node AS n,
         regexp_match(s.slot_name, '^' || n.service || '_(?:spare_)?e(\\d+)_') AS m (part)
    WHERE NOT s.active AND s.database = current_database() AND n.epoch = %s AND n.role <> 'fenced' AND (
        m.part[1]::bigint < n.epoch
        OR m.part[1]::bigint = n.epoch AND right(s.slot_name, length(%s)) = %s
        OR trimaran.is_copy_slot(s.slot_name)
            AND NOT EXISTS (SELECT FROM pg_replication_slots AS o WHERE o.slot_name = ANY (%s::text[]))
            AND NOT EXISTS (
                SELECT FROM pg_stat_activity AS a LEFT JOIN pg_replication_slots AS o ON o.active_pid = a.pid
                WHERE a.datname = current_database() AND a.backend_type = 'walsender' AND o.slot_name IS NULL))"""
_DROP_LONG = """SELECT s.slot_name, pg_drop_replication_slot(s.slot_name)
    FROM pg_replication_slots AS s, trimaran.node AS n
    WHERE NOT s.active AND s.slot_name = ANY (%s::text[]) AND n.epoch = %s AND n.role <> 'fenced'
        AND s.slot_name <> ALL (n.ack_slots) AND pg_current_wal_flush_lsn() - s.restart_lsn > %s"""


async def place_slot(node: Node, *, token: Token, epoch: Epoch, sibling: Site, position: Position, level: bool) -> str | None:
    """Before: the winner is cut, nothing writes here. After: its slot for the sibling starts exactly behind the last transaction the
    sibling has, or the answer says why that cannot be proven. A slot that an earlier try left half-way is brought there; one that
    it is still making or moving raises Transient, because a slot that merely has its name starts nowhere yet."""
    name = node.slot_for(epoch, sibling)
    # A slot cannot be made inside the transaction that presents the token, so the promise is checked before it and once more after
    # it: had a newer owner taken this node in between, what was placed here would belong to nobody, and must not be reported
    # as placed. Everything travels together where it can: each round trip saved is one less in every failover.
    promise = alone("SELECT trimaran.promise_pinned(%s)", token)
    if level:
        await _place_at_end(node, token, name, promise)
    elif position.publisher == node.site:
        # What the sibling confirmed may lie behind its last transaction: it also confirms log in which nothing was published. So
        # its own slot stands right at the position or later, and never before it.
        source = node.slot_for(position.epoch, sibling)
        if await _copy(node, source, position.lsn, name=name, promise=promise) is None:
            return f"its own slot {source} is gone"
    else:
        found = await _mapped(node, sibling, position, promise=promise)
        if isinstance(found, str):
            return found
        stands = await _copy(node, *found, name=name, promise=promise)
        if stands != found[1]:
            return f"spare slot {found[0]} is gone" if stands is None else f"{name} stands at {lsn_text(stands)} already"
    return None


def _moved(name: str, *, end: str) -> tuple[Statement, ...]:
    """Move the unplaced slot forward to `end`, and copy it to the name that is streamed from. Answers where that one stands; one that an
    earlier try placed, or a controller of an earlier version half-way, is moved on to `end` as it is.

    A move is kept in memory until the next checkpoint; a copy is written down, confirmed position and all, before it has a name. 1. aws is
    elected, and gcp's slot is moved behind the last payment that gcp has. 2. aws crashes and comes back: the slot stands where the spare
    one stood. 3. gcp, which has applied nothing of aws yet, is sent the old reign's payments again, stumbles over the first, and confirms
    nothing; with the old writer gone, nobody is acknowledged. Found by a sequence of faults; `pg_replication_slot_advance` in the manual.
    """
    unplaced = naming.unplaced(name)
    return (
        *alone(_ADVANCE.format(end=end), unplaced),
        *alone(_SETTLE.format(end=end), name, unplaced, name),
        *alone(_CLEAR, unplaced, name),
        *alone(_ADVANCE.format(end=end), name),
        *alone(_STANDS.format(end=end), name),
    )


async def _place_at_end(node: Node, token: Token, name: str, promise: tuple[Statement, ...]) -> None:
    """For a sibling that holds all that this node holds: a slot at the end of the log as it is now, before the node is opened.

    Copied from a spare slot and moved, where there is one. A new slot waits for every transaction on the server that has
    written, another service's batch among them: the try is given up, its backend goes on waiting, and the slot it makes at last would
    start behind payments that were made meanwhile, which the barrier would take for confirmed.

    The end is read while the node row is locked and says that nobody writes here. A first try that the network held back until the
    node was open would otherwise move the slot beyond payments.
    """
    end = "CASE WHEN (trimaran.promise_pinned(%s)).role = 'writer' THEN '0/0' ELSE pg_current_wal_flush_lsn()::text END"
    unplaced = naming.unplaced(name)
    rows = await node.run(
        "place_slot",
        *alone(f"SELECT set_config('trimaran.end', {end}, false)", token),
        *alone(
            """SELECT pg_copy_logical_replication_slot(s.slot_name, %s)
               FROM (SELECT slot_name FROM pg_replication_slots
                     WHERE database = current_database() AND starts_with(slot_name, %s) AND NOT active AND wal_status <> 'lost'
                       AND NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name IN (%s, %s))
                     ORDER BY confirmed_flush_lsn DESC LIMIT 1) AS s""",
            unplaced,
            naming.spare_streams(node.service),
            name,
            unplaced,
        ),
        *alone(_CREATE_UNPLACED, unplaced, name, unplaced),
        *_moved(name, end="current_setting('trimaran.end')::pg_lsn"),
        *promise,
    )
    if _standing(node, name, rows[-5]) is None:
        raise Transient(f"{name} on {node.site} is still being placed")


async def _copy(node: Node, source: str, end: Lsn, *, name: str, promise: tuple[Statement, ...]) -> Lsn | None:
    """Copy a slot and move the copy forward to `end`; 0 leaves it where the source stands, for a sibling that applied nothing yet.
    The source stays, so that a try that dies in between can be made again. Answers where the copy stands; None: there is none.
    `promise` is made before and after."""
    unplaced = naming.unplaced(name)
    rows = await node.run(
        "copy_slot",
        *promise,
        *alone(
            """SELECT pg_copy_logical_replication_slot(%s, %s)
               WHERE EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %s AND wal_status <> 'lost')
                 AND NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name IN (%s, %s))""",
            source,
            unplaced,
            source,
            name,
            unplaced,
        ),
        *_moved(name, end=f"'{lsn_text(end)}'::pg_lsn"),
        *promise,
    )
    return _standing(node, name, rows[-5])


def _standing(node: Node, name: str, rows: list[Row]) -> Lsn | None:
    """Where a slot stands; None without one. Raises Transient while somebody still makes or moves it."""
    if not rows:
        return None
    stands, finished = rows[0]
    if not finished:
        raise Transient(f"{name} on {node.site} is still being placed")
    return lsn_value(stands)


async def _mapped(node: Node, sibling: Site, position: Position, *, promise: tuple[Statement, ...]) -> tuple[str, Lsn] | str:
    """Spare slot and the end, in this node's log, of the very transaction the sibling applied last; or why there is none.

    Only an exact match counts. The nearest earlier transaction would send the sibling payments it has, the nearest later one
    would skip payments it lacks; both look healthy until somebody compares the ledgers.
    """
    spare = naming.spare_stream(node.service, position.epoch, node.site, sibling)
    stream = node.stream_from(position.epoch, position.publisher)
    *_, origins, spares, peeked = await node.run(
        "map_position",
        *promise,
        ("SELECT 'pg_' || id FROM trimaran.subscriptions() WHERE name = %s", (stream,)),
        ("SELECT slot_name FROM pg_replication_slots WHERE slot_name = %s AND wal_status <> 'lost'", (spare,)),
        _peek(node, spare),
        wait=node.deadlines.step,
    )
    if not origins:
        return f"{node.site} did not follow {position.publisher} in epoch {position.epoch}"
    if not spares:
        return f"{node.site} has no spare slot {spare}"
    end = mapped_end(_read(peeked), origin=origins[0][0], lsn=position.lsn)
    return (spare, end) if end is not None else f"its position {lsn_text(position.lsn)} is not in spare slot {spare}"


def mapped_end(changes: Iterable[Transaction], *, origin: str, lsn: Lsn) -> Lsn | None:
    """End, in the local log, of the transaction that ended at `lsn` in its first server's log; None without an exact match."""
    return next((one.end for one in changes if one.origin == lsn and one.origin_name == origin), None)


def _peek(node: Node, slot: str) -> Statement:
    """What a slot still holds; nothing when there is no such slot or its log is gone."""
    return _PEEK, (naming.publication(node.service), slot)


def _read(rows: Iterable[Row]) -> list[Transaction]:
    return list(transactions(bytes(data) for (data,) in rows))


async def tend(
    node: Node, *, reign: Epoch, writer: Site, siblings: Mapping[Site, Lsn], outside: frozenset[Site], limit: int
) -> tuple[str, ...]:
    """Caretaker. Before: anything. After: one spare slot per sibling, from just before the sibling's last transaction on, one spare
    subscription to each, nothing spare of a closed reign, and no slot that holds back more than `limit` bytes for a node `outside`
    the must-cut set. Only for nodes of a settled reign; a spare slot moved forward late, or a spare subscription made late, is
    harmless."""
    changed = [*await _drop_closed(node, reign, outside), *await _drop_long(node, reign, outside, limit)]
    stream = node.stream_from(reign, writer)
    for sibling, lsn in sorted(siblings.items()):
        spare = naming.spare_stream(node.service, reign, node.site, sibling)
        rows = await node.run(
            "tend",
            ("SELECT 'pg_' || id FROM trimaran.subscriptions() WHERE name = %s", (stream,)),
            ("SELECT slot_name FROM pg_replication_slots WHERE slot_name = %s", (spare,)),
        )
        if not rows[0]:
            continue
        if not rows[1]:
            await node.run("create_slot", (_CREATE, (spare, spare)))
            changed.append(f"created {spare}")
            continue
        peeked = await node.run("peek", _peek(node, spare), wait=node.deadlines.step)
        if (end := short_end(_read(peeked[0]), origin=rows[0][0][0], lsn=lsn)) is not None:
            await node.run(
                "tend",
                ("SELECT pg_replication_slot_advance(%s, %s::pg_lsn)", (spare, lsn_text(end))),
            )
    # Last: it dials. A sibling out of reach must not keep the spare slots above from staying short.
    return (*changed, *await keep_spares(node, reign, frozenset(siblings)))


async def keep_spares(node: Node, reign: Epoch, siblings: frozenset[Site]) -> tuple[str, ...]:
    """Before: anything. After: exactly one complete spare subscription to each of these; making one dials it. The writer keeps them
    too: after a switchover it follows one of the others."""
    names = [naming.spare_stream(node.service, reign, sibling, node.site) for sibling in sorted(siblings)]
    dialled = [
        node.publishers[sibling].conninfo(application_name=name, connect_timeout=2)
        for name, sibling in zip(names, sorted(siblings), strict=True)
    ]
    rows = await node.run(
        "keep_spares",
        ("SELECT trimaran.keep_spares(%s, %s::text[], %s::text[])", (reign, names, dialled)),
        wait=node.deadlines.step,
    )
    return tuple(rows[0][0][0])


def short_end(changes: Iterable[Transaction], *, origin: str, lsn: Lsn) -> Lsn | None:
    """How far a spare slot may move: up to the transaction before the sibling's last one, which must stay inside to be matched."""
    held = [one.end for one in changes if one.origin is not None and one.origin_name == origin and one.origin <= lsn]
    return held[-2] if len(held) >= 2 else None


async def _drop_closed(node: Node, reign: Epoch, outside: frozenset[Site]) -> tuple[str, ...]:
    """Drop this service's slots of earlier epochs, those that were never placed in a reign that is open by now, and those that copies of
    the ledger left behind. A slot still in use is left for the next round.

    A copy's slot may be needed although nobody streams from it, and without it that copy would never end. Only nodes outside are
    copied to, and their stream's slot is there before the copy begins; anybody else who copies is connected without a slot.
    """
    streams = [node.slot_for(reign, site) for site in sorted(outside)]
    unplaced = naming.unplaced("")
    rows = await node.run("tend", (_DROP_CLOSED, (reign, unplaced, unplaced, streams)))
    return tuple(f"dropped {name}" for name, _ in rows[0])


async def _drop_long(node: Node, reign: Epoch, outside: frozenset[Site], limit: int) -> tuple[str, ...]:
    """Drop slots that hold back too much for nodes that are reseeded anyway. One cloud is down for nineteen hours, and by then the log
    that waits for it has filled the disks of both survivors. Never a slot whose confirmation counts."""
    names = [
        name
        for site in sorted(outside)
        for name in (node.slot_for(reign, site), naming.spare_stream(node.service, reign, node.site, site))
    ]
    rows = await node.run("tend", (_DROP_LONG, (names, reign, limit)))
    return tuple(f"dropped {name}: it held back more than {limit} bytes" for name, _ in rows[0])
