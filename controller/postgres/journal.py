"""A site's copy of the journal, in its own node: texts by number, as etcd has them. Nothing is decided by it."""

from collections.abc import Mapping

from controller.postgres.node import Node, alone

KEPT = 50_000
"""Entries: years of them. The oldest go."""

_KEEP = """
    INSERT INTO trimaran.journal (sequence, entry)
    SELECT * FROM unnest(%s::bigint[], %s::text[])
    ON CONFLICT (sequence) DO NOTHING"""
_FORGET = "DELETE FROM trimaran.journal WHERE sequence <= (SELECT max(sequence) FROM trimaran.journal) - %s"
_READ = "SELECT sequence, entry FROM trimaran.journal WHERE sequence > %s ORDER BY sequence LIMIT %s"
_LAST = "SELECT sequence, entry FROM trimaran.journal ORDER BY sequence DESC LIMIT 1"


async def keep(node: Node, entries: Mapping[int, str]) -> None:
    """Before: any copy. After: it has these too; what stood under a number stays."""
    await node.run("keep_journal", *alone(_KEEP, list(entries), list(entries.values())), (_FORGET, (KEPT,)))


async def kept(node: Node, after: int, limit: int) -> Mapping[int, str]:
    """Entries above a number, in order."""
    rows = await node.run("kept_journal", (_READ, (after, limit)))
    return {int(number): str(text) for number, text in rows[0]}


async def last(node: Node) -> Mapping[int, str]:
    """The last one; empty without any."""
    rows = await node.run("kept_journal", (_LAST, ()))
    return {int(number): str(text) for number, text in rows[0]}
