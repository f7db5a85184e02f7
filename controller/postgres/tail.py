"""The old writer's tail: what it committed and nobody else has. Never acknowledged, never applied, never thrown away."""

import json
from collections.abc import Sequence

from controller.core import naming
from controller.core.model import Epoch, Token
from controller.ports import KeyLookup, TailReport
from controller.postgres.node import Node, alone
from controller.postgres.pgoutput import Insert, transactions

KEY_COLUMN = "idempotency_key"
"""Column by which every service's payments are told apart for ever; tables without it travel inside the same transaction."""

_SLOTS = """SELECT s.slot_name FROM pg_replication_slots AS s, trimaran.node AS n
            WHERE s.database = current_database() AND NOT s.active AND s.wal_status <> 'lost'
              AND starts_with(s.slot_name, n.service || '_e' || n.epoch || '_' || n.site || '_')"""
_PEEK = """SELECT data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL,
           'proto_version', '1', 'publication_names', %s)"""
_INSERT = """INSERT INTO trimaran.quarantine (idempotency_key, epoch, superseded, body)
             SELECT * FROM unnest(%s::text[], %s::bigint[], %s::boolean[], %s::jsonb[])
             ON CONFLICT (idempotency_key) DO UPDATE SET superseded = excluded.superseded"""


_OLD_SLOTS = """FROM pg_replication_slots AS s, trimaran.node AS n,
                     regexp_match(s.slot_name, '^' || n.service || '_(spare_)?e(\\d+)_') AS m (part)
                WHERE s.database = current_database() AND m.part[2]::bigint < %s + (m.part[1] IS NOT NULL AND n.epoch = %s)::int"""
_END_SENDERS = f"SELECT pg_terminate_backend(s.active_pid) {_OLD_SLOTS} AND s.active"
_DROP_SLOTS = f"SELECT pg_drop_replication_slot(s.slot_name) {_OLD_SLOTS} AND NOT s.active"


async def export_tail(node: Node, *, token: Token, known: KeyLookup) -> TailReport:
    """Before: fenced, its slots of the old reign still there. After: every keyed row that its followers had not confirmed is in
    quarantine, marked by whether the present writer has the key. May be repeated; rows are kept once per key."""
    slots = [name for (name,) in (await node.run("export_tail", (_SLOTS, ())))[0]]
    rows = await node.run("export_tail", ("SELECT epoch FROM trimaran.node", ()))
    epoch = Epoch(rows[0][0][0])
    tail: dict[str, Insert] = {}
    for slot in slots:
        changes = await node.run("export_tail", (_PEEK, (slot, naming.publication(node.service))), wait=5 * node.deadlines.step)
        for transaction in transactions(bytes(data) for (data,) in changes[0]):
            if transaction.origin is None:
                tail |= keyed(transaction.inserts)
    superseded = await known.has(sorted(tail))
    await _quarantine(node, token, epoch, tail, superseded)
    return TailReport(transactions=len(tail), superseded=len(superseded), never_happened=len(tail) - len(superseded))


def keyed(inserts: Sequence[Insert]) -> dict[str, Insert]:
    """Rows that carry an idempotency key, by that key."""
    return {key: one for one in inserts if (key := one.row.get(KEY_COLUMN)) is not None}


async def _quarantine(node: Node, token: Token, epoch: Epoch, tail: dict[str, Insert], superseded: frozenset[str]) -> None:
    keys = sorted(tail)
    await node.run(
        "export_tail",
        ("BEGIN", ()),
        ("SELECT trimaran.promise(%s)", (token,)),
        (
            _INSERT,
            (
                keys,
                [epoch] * len(keys),
                [key in superseded for key in keys],
                [json.dumps({"table": tail[key].table, "row": dict(tail[key].row)}) for key in keys],
            ),
        ),
        ("COMMIT", ()),
    )


async def clear(node: Node, *, token: Token, reign: Epoch) -> None:
    """Before: fenced or follower, tail exported. After: no ledger row, no stream, no slot of the service; pinned to what the
    server now is. The node holds nothing and proves nothing until it is seeded."""
    await node.run("clear", *alone("SELECT trimaran.clear(%s, %s)", token, reign), wait=5 * node.deadlines.step)
    # Streams of this reign and later belong to a life that this clearing knows nothing of, should it arrive late.
    await node.run("clear", *alone(_END_SENDERS, reign, reign), *alone(_DROP_SLOTS, reign, reign), wait=node.deadlines.step)
