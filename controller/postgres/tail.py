"""What a node is about to forget: payments that only it has. Never acknowledged, never applied, never thrown away.

Every key of its ledger is compared with the present writer. Its slots would tell sooner, and cannot be relied on: a vendor drops the
slots of a silent follower before the disk is full, a walsender outlives its peer and holds one, and a member that was waived by name
never had any (docs/decisions/0007).
"""

from collections.abc import Mapping

from controller.core.model import Epoch, Token
from controller.ports import KeyLookup, TailReport
from controller.postgres.node import Node, alone

PAGE = 5000
"""Payments that are compared in one round trip to each of the two nodes."""

_HELD = "SELECT idempotency_key, id FROM trimaran.held_payments(%s, %s)"
_KEEP = """INSERT INTO trimaran.quarantine (idempotency_key, epoch, superseded, body)
           SELECT p.idempotency_key, p.epoch, s.superseded, p.body
           FROM unnest(%s::text[], %s::boolean[]) AS s (key, superseded), trimaran.described_payments(%s::text[]) AS p
           WHERE p.idempotency_key = s.key
           ON CONFLICT (idempotency_key, epoch) DO UPDATE SET superseded = excluded.superseded"""

_OLD_SLOTS = """FROM pg_replication_slots AS s, trimaran.node AS n,
                     regexp_match(s.slot_name, '^' || n.service || '_(spare_)?e(\\d+)_') AS m (part)
                WHERE s.database = current_database() AND m.part[2]::bigint < %s + (m.part[1] IS NOT NULL AND n.epoch = %s)::int"""
_END_SENDERS = f"SELECT pg_terminate_backend(s.active_pid) {_OLD_SLOTS} AND s.active"
_DROP_SLOTS = f"SELECT pg_drop_replication_slot(s.slot_name) {_OLD_SLOTS} AND NOT s.active"


async def export_tail(node: Node, *, token: Token, known: KeyLookup, page: int = PAGE) -> TailReport:
    """Before: fenced. After: every payment of its ledger that the present writer lacks is in quarantine, marked by whether the writer
    has another payment of the key. May be repeated; a payment is kept once, and its row never leaves the node."""
    await node.run("export_tail", *alone("SELECT trimaran.promise(%s)", token))
    kept: dict[str, bool] = {}
    after = ""
    while held := (await node.run("export_tail", (_HELD, (after, page)), wait=5 * node.deadlines.step))[0]:
        after = held[-1][0]
        if lacking := await known.lacks(dict(held)):
            await _quarantine(node, token, lacking)
            kept |= lacking
    superseded = sum(kept.values())
    return TailReport(transactions=len(kept), superseded=superseded, never_happened=len(kept) - superseded)


async def _quarantine(node: Node, token: Token, lacking: Mapping[str, bool]) -> None:
    keys = list(lacking)
    await node.run(
        "export_tail",
        ("BEGIN", ()),
        ("SELECT trimaran.promise(%s)", (token,)),
        (_KEEP, (keys, list(lacking.values()), keys)),
        ("COMMIT", ()),
        wait=5 * node.deadlines.step,
    )


async def clear(node: Node, *, token: Token, reign: Epoch) -> None:
    """Before: fenced or follower, tail exported. After: no ledger row, no stream, no slot of the service; pinned to what the
    server now is. The node holds nothing and proves nothing until it is seeded."""
    await node.run("clear", *alone("SELECT trimaran.clear(%s, %s)", token, reign), wait=5 * node.deadlines.step)
    # Streams of this reign and later belong to a life that this clearing knows nothing of, should it arrive late.
    await node.run("clear", *alone(_END_SENDERS, reign, reign), *alone(_DROP_SLOTS, reign, reign), wait=node.deadlines.step)
