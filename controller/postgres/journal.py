"""A site's copy of the journal, in its own node: texts by branch and number, as etcd has them. Nothing is decided by it."""

from collections.abc import Mapping

from controller.postgres.node import Node, alone

KEPT = 50_000
"""Entries of all branches: years of them. The oldest go."""

_KEEP = """
    INSERT INTO trimaran.journal (branch, sequence, entry)
    SELECT %s, given.* FROM unnest(%s::bigint[], %s::text[]) AS given
    ON CONFLICT (branch, sequence) DO NOTHING"""
_FORGET = """
    DELETE FROM trimaran.journal WHERE (branch, sequence) <=
    (SELECT branch, sequence FROM trimaran.journal ORDER BY branch DESC, sequence DESC OFFSET %s LIMIT 1)"""
_READ = "SELECT sequence, entry FROM trimaran.journal WHERE branch = %s AND sequence > %s ORDER BY sequence LIMIT %s"
_BRANCHES = "SELECT branch, max(sequence) FROM trimaran.journal GROUP BY branch ORDER BY branch"


async def keep(node: Node, branch: int, entries: Mapping[int, str]) -> None:
    """Before: any copy. After: this branch has these too; what stood under a number stays."""
    added = alone(_KEEP, branch, list(entries), list(entries.values()))
    await node.run("keep_journal", *added, (_FORGET, (KEPT,)))


async def kept(node: Node, branch: int, after: int, limit: int) -> Mapping[int, str]:
    """Entries of a branch above a number, in order."""
    rows = await node.run("kept_journal", (_READ, (branch, after, limit)))
    return {int(number): str(text) for number, text in rows[0]}


async def branches(node: Node) -> Mapping[int, int]:
    """Number of the last entry of every branch, the oldest branch first."""
    rows = await node.run("kept_journal", (_BRANCHES, ()))
    return {int(branch): int(last) for branch, last in rows[0]}
