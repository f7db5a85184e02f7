"""The Database port on real PostgreSQL: one node, every step of the protocol, each in the module that explains it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from controller.core.model import Epoch, Lsn, NodeFacts, Position, Role, Site, Slot, Subscription, Token
from controller.errors import Unsupported
from controller.ports import JournalCopy, KeyLookup, TailReport
from controller.ports_audit import HeadCopy, HeadName
from controller.postgres import cut, journal, promote, slots, tail
from controller.postgres import heads as signed
from controller.postgres.errors import translated
from controller.postgres.node import Node


class PostgresDatabase:
    """One site's database. Holds warm sessions; nothing else is remembered between calls."""

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def site(self) -> Site:
        """Which site's node this is."""
        return self._node.site

    async def facts(self, deadline: timedelta) -> NodeFacts:
        """Who the node says it is. Raises Transient, Denied, and Unsupported for an answer that names no node."""
        with translated(self.site, "facts"):
            async with self._node.sessions.lease() as session:
                rows = await session.run(("SELECT trimaran.facts()", ()), deadline=deadline)
        return understood(self.site, rows)

    async def cut(self, *, token: Token, epoch: Epoch, writer: Site, reign: Epoch) -> Position:
        """See `cut.cut`."""
        return await cut.cut(self._node, token=token, epoch=epoch, writer=writer, reign=reign)

    async def fence(self, *, token: Token, reign: Epoch) -> int:
        """See `cut.fence`."""
        return await cut.fence(self._node, token=token, reign=reign)

    async def await_confirmed(
        self, *, reign: Epoch, followers: frozenset[Site], lsn: Lsn, need: int, deadline: timedelta
    ) -> frozenset[Site]:
        """See `cut.await_confirmed`."""
        return await cut.await_confirmed(self._node, reign=reign, followers=followers, lsn=lsn, need=need, deadline=deadline)

    async def place_slot(self, *, token: Token, epoch: Epoch, sibling: Site, position: Position, level: bool) -> str | None:
        """See `slots.place_slot`."""
        return await slots.place_slot(self._node, token=token, epoch=epoch, sibling=sibling, position=position, level=level)

    async def follow(self, *, token: Token, epoch: Epoch, publisher: Site) -> None:
        """See `promote.follow`."""
        await promote.follow(self._node, token=token, epoch=epoch, publisher=publisher)

    async def open(self, *, token: Token, epoch: Epoch, ack_set: frozenset[Site]) -> Lsn:
        """See `promote.open_writer`."""
        return await promote.open_writer(self._node, token=token, epoch=epoch, ack_set=ack_set)

    async def mark_join(self, *, token: Token, reign: Epoch, newcomer: Site) -> Lsn:
        """See `promote.mark_join`."""
        return await promote.mark_join(self._node, token=token, reign=reign, newcomer=newcomer)

    async def set_ack_set(self, *, token: Token, reign: Epoch, ack_set: frozenset[Site]) -> Lsn:
        """See `promote.set_ack_set`."""
        return await promote.set_ack_set(self._node, token=token, reign=reign, ack_set=ack_set)

    async def export_tail(self, *, token: Token, known: KeyLookup) -> TailReport:
        """See `tail.export_tail`."""
        return await tail.export_tail(self._node, token=token, known=known)

    async def clear(self, *, token: Token, reign: Epoch) -> None:
        """See `tail.clear`."""
        await tail.clear(self._node, token=token, reign=reign)

    async def offer_seed(self, *, token: Token, reign: Epoch, follower: Site) -> None:
        """See `promote.offer_seed`."""
        await promote.offer_seed(self._node, token=token, reign=reign, follower=follower)

    async def seed(self, *, token: Token, reign: Epoch, publisher: Site) -> None:
        """See `promote.seed`."""
        await promote.seed(self._node, token=token, reign=reign, publisher=publisher)

    async def tend(
        self, *, reign: Epoch, writer: Site, siblings: Mapping[Site, Lsn], outside: frozenset[Site], limit: int
    ) -> tuple[str, ...]:
        """See `slots.tend`."""
        return await slots.tend(self._node, reign=reign, writer=writer, siblings=siblings, outside=outside, limit=limit)

    async def digest(self, *, up_to: Epoch) -> str:
        """Digest of the ledger up to an epoch, by the function that the service's schema ships."""
        rows = await self._node.run("digest", ("SELECT trimaran.digest(%s)", (up_to,)), wait=timedelta(seconds=10))
        return str(rows[0][0][0])

    async def lacks(self, payments: Mapping[str, str]) -> Mapping[str, bool]:
        """What this node's ledger lacks, by the function that the service's schema ships."""
        asked = (list(payments), list(payments.values()))
        rows = await self._node.run(
            "lacks",
            ("SELECT idempotency_key, superseded FROM trimaran.lacking_payments(%s::text[], %s::text[])", asked),
            wait=5 * self._node.deadlines.step,
        )
        return dict(rows[0])

    async def keep_journal(self, branch: int, entries: Mapping[int, str]) -> None:
        """See `journal.keep`."""
        await journal.keep(self._node, branch, entries)

    async def kept_journal(self, branch: int, after: int = 0, limit: int = 1000) -> Mapping[int, str]:
        """See `journal.kept`."""
        return await journal.kept(self._node, branch, after, limit)

    async def branches(self) -> Mapping[int, int]:
        """See `journal.branches`."""
        return await journal.branches(self._node)

    async def keep_heads(self, heads: Mapping[HeadName, str]) -> None:
        """See `heads.keep`."""
        await signed.keep(self._node, heads)

    async def kept_heads(self, after: HeadName | None = None, limit: int = 1000) -> Mapping[HeadName, str]:
        """See `heads.kept`."""
        return await signed.kept(self._node, after, limit)

    async def close(self) -> None:
        """End every warm session."""
        await self._node.sessions.close()


def understood(site: Site, rows: list[list[tuple[Any, ...]]]) -> NodeFacts:
    """What `trimaran.facts()` answered, or Unsupported.

    A site is being built again: the schema stands, the node's row does not, and facts() is NULL. That says nothing about any other
    site; were it a TypeError, it would end every controller at once.
    """
    try:
        return _facts(rows[0][0][0])
    except (TypeError, LookupError, ValueError) as error:
        raise Unsupported(f"{site}: facts() answered nothing that names a node: {type(error).__name__}: {error}") from error


def _facts(said: Mapping[str, Any]) -> NodeFacts:
    return NodeFacts(
        site=Site(said["site"]),
        role=Role(said["role"]),
        epoch=Epoch(said["epoch"]),
        token=Token(said["token"]),
        ack_slots=tuple(said["ack_slots"]),
        seeded=said["seeded"],
        pinned=said["pinned"],
        flushed=Lsn(int(said["flushed"])),
        marked=Epoch(said["marked"]),
        schema=str(said.get("schema") or ""),
        subscriptions=tuple(
            Subscription(
                name=one["name"],
                enabled=one["enabled"],
                running=one["running"],
                seeded=one["seeded"],
                position=Lsn(int(one["position"])),
            )
            for one in said["subscriptions"]
        ),
        slots=tuple(
            Slot(
                name=one["name"],
                active=one["active"],
                confirmed=Lsn(int(one["confirmed"])),
                retained_bytes=int(one["retained_bytes"]),
                lost=one["lost"],
            )
            for one in said["slots"]
        ),
    )


_: tuple[type[KeyLookup], type[JournalCopy], type[HeadCopy]] = (PostgresDatabase, PostgresDatabase, PostgresDatabase)
