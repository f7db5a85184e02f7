"""Signed heads of the journal in a site's own node, beside its copy of the entries. Nothing is decided by them.

A node that was founded before there were any has no such table: keeping and reading fail there, by its name, and nothing else does.
"""

from collections.abc import Mapping

from controller.ports_audit import HeadName
from controller.postgres.node import Node, alone

KEPT = 50_000
"""Heads of all controllers. The oldest go."""

_KEEP = """
    INSERT INTO trimaran.head (sequence, controller, digest, head)
    SELECT given.* FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS given
    ON CONFLICT (sequence, controller, digest) DO NOTHING"""
_FORGET = """
    DELETE FROM trimaran.head WHERE sequence <=
    (SELECT sequence FROM trimaran.head ORDER BY sequence DESC, controller DESC, digest DESC OFFSET %s LIMIT 1)"""
_READ = """
    SELECT sequence, controller, digest, head FROM trimaran.head WHERE (sequence, controller, digest) > (%s, %s, %s)
    ORDER BY sequence, controller, digest LIMIT %s"""


async def keep(node: Node, heads: Mapping[HeadName, str]) -> None:
    """Before: any heads. After: these too; what stood under a name stays."""
    sequences, controllers = [one.sequence for one in heads], [one.controller for one in heads]
    added = alone(_KEEP, sequences, controllers, [one.digest for one in heads], list(heads.values()))
    await node.run("keep_heads", *added, (_FORGET, (KEPT,)))


async def kept(node: Node, after: HeadName | None, limit: int) -> Mapping[HeadName, str]:
    """Heads above a name, in order."""
    name = after or HeadName(sequence=0, controller="", digest="")
    rows = await node.run("kept_heads", (_READ, (name.sequence, name.controller, name.digest, limit)))
    return {HeadName(sequence=int(number), controller=who, digest=digest): head for number, who, digest, head in rows[0]}
