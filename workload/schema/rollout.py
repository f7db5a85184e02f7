"""Migrations across the nodes of one service: every statement reaches all nodes, in the order of its kind, before the next one begins.

What each order protects:
- *Expand, followers first.* The writer sends whatever columns it has; a follower that lacks one stops at the first such row.
- *A new table is published with its creation, and followed on every node before the next statement.* A follower skips the rows of a
  table that it was not told of, silently, and confirms them: a payment's event would be acknowledged by a node that has not got it.
  So nothing may write the table before every follower takes its rows, and whatever may write it (a function, a grant) is a later
  statement.
- *Contract, the writer first, and then a wait.* Followers give up a column only once they have applied everything that still had it.

Begun again after a crash, a failover or a refusal, it goes on from what the nodes themselves have on record.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from psycopg import sql

from workload.schema import outlook, rules
from workload.schema.effects import Effect, Kind, effect_of
from workload.schema.errors import Moved, Refused, SchemaError, Unreached
from workload.schema.migration import Kind as Direction
from workload.schema.migration import Migration
from workload.schema.node import Door, NodeSession, NodeState
from workload.schema.outlook import Uses, writer_of
from workload.schema.step import Expected, Pace, carry_out, restore_columns

Tell = Callable[[str], None]

WATCH = timedelta(seconds=10)
"""How long the versions in use are watched: a process that has lost all its sessions has new ones long before."""

COLUMN_TYPE = """
SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a
WHERE a.attrelid = to_regclass(%s) AND a.attname = %s AND NOT a.attisdropped"""

MUST_HAVE = """
SELECT 1 FROM pg_attribute AS a
WHERE a.attrelid = to_regclass(%s) AND a.attname = %s AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef"""


@asynccontextmanager
async def sessions(doors: Sequence[Door], service: str, pace: Pace) -> AsyncIterator[Mapping[str, NodeSession]]:
    """A session with every node that answers; who does not is missing, and `outlook.objections` says so."""
    found: dict[str, NodeSession] = {}

    async def connect(door: Door) -> None:
        try:
            found[door.site] = await NodeSession.connect(door, service, pace.answer)
        except Unreached:
            return

    try:
        await asyncio.gather(*map(connect, doors))
        yield found
    finally:
        for session in found.values():
            session.close()


async def look(nodes: Mapping[str, NodeSession], pace: Pace) -> Mapping[str, NodeState]:
    """What every node says. Raises Unreached, SchemaError."""
    states = await asyncio.gather(*(session.state(pace.answer) for session in nodes.values()))
    return {state.site: state for state in states}


async def watch(nodes: Mapping[str, NodeSession], pace: Pace, duration: timedelta = WATCH) -> Uses:
    """Versions of the service that are in use, looked for on every node for this long."""
    end = asyncio.get_running_loop().time() + duration.total_seconds()
    seen: list[NodeState] = []
    while True:
        seen += (await look(nodes, pace)).values()
        if asyncio.get_running_loop().time() >= end:
            return outlook.uses_of(seen)
        await asyncio.sleep(min(1.0, duration.total_seconds() / 4))


@dataclass(slots=True, kw_only=True)
class Rollout:
    """One command's way through the pending migrations."""

    service: str
    sites: frozenset[str]
    """Every node of the service, answering or not."""
    nodes: Mapping[str, NodeSession]
    migrations: tuple[Migration, ...]
    """Every file of the service, in order."""
    pace: Pace = field(default_factory=Pace)
    watching: timedelta = WATCH
    tell: Tell = lambda line: None

    async def apply(self, up_to: int | None = None) -> tuple[int, ...]:
        """Carry out what is pending, or a part of it; answers the numbers. Raises SchemaError at the first thing that holds it back;
        what was done until then stays done."""
        rules.check(self.migrations, self.service)
        for session in self.nodes.values():
            await session.alone()
        states = await self._look()
        todo = [one for one in outlook.pending(self.migrations, states) if up_to is None or one.number <= up_to]
        for one in todo:
            await self._carry(one)
        return tuple(one.number for one in todo)

    async def _look(self) -> Mapping[str, NodeState]:
        states = await look(self.nodes, self.pace)
        for refusal in outlook.objections(self.migrations, states, self.sites):
            raise refusal
        return states

    async def _carry(self, one: Migration) -> None:
        states = await self._look()
        if one.kind is Direction.CONTRACT:
            if (refusal := outlook.held_back(one, await watch(self.nodes, self.pace, self.watching))) is not None:
                raise refusal
            await self._give_back(one, states)
            states = await self._look()
            await self._may_lack(one, states)
        order = outlook.order_of(one, states)
        for index, statement in enumerate(one.statements):
            for site in order:
                if states[site].done(one.number) <= index:
                    await carry_out(self.nodes[site], one, index, _expected(states[site]), self.pace)
                    self.tell(f"{one.file} {index + 1}/{len(one.statements)} {site}")
                if one.kind is Direction.CONTRACT and site == writer_of(states).site:
                    await self._await_followers(states)
            effect = effect_of(statement)
            if effect is not None and effect.kind is Kind.CREATE_TABLE:
                await self._have_followed(effect, states)

    async def _have_followed(self, effect: Effect, states: Mapping[str, NodeState]) -> None:
        """Every follower takes the new table's rows from the first one on.

        `copy_data = false`, because there is nothing to copy; were there a row already, the followers would never have it. And nothing
        but this table: refreshed, a stream takes every published table for copied, also one that somebody published yesterday and
        filled since.
        """
        writer = writer_of(states)
        for site in sorted(set(states) - {writer.site}):
            now = await self.nodes[site].state(self.pace.answer)
            published = (await self.nodes[writer.site].state(self.pace.answer)).published
            name = outlook.stream_of(now, writer)
            if name is None:
                raise Moved(f"{site} no longer streams from {writer.site}: begin again")
            missing = published - next(one.tables for one in now.streams if one.name == name)
            if not missing:
                continue
            if missing != {effect.table} or await self._filled(writer.site, effect.table):
                raise self._unfollowed(site, missing)
            await self._refresh(site, name)
            after = await self.nodes[site].state(self.pace.answer)
            if published - next((one.tables for one in after.streams if one.name == name), frozenset()):
                raise SchemaError(f"{site}: {effect.table} is not followed yet; begin again")
            if await self._filled(writer.site, effect.table):
                raise self._unfollowed(site, missing)
            self.tell(f"{effect.table} is followed by {site}")

    def _unfollowed(self, site: str, tables: frozenset[str]) -> Refused:
        return Refused(
            guard="no-row-unfollowed",
            value=f"{', '.join(sorted(tables))} may have rows that {site} was never sent",
            limit="a new table that is empty until every follower takes its rows, and no other",
            way_out=f"Take {site} out and have it seeded again, or copy those rows by hand; then begin again.",
        )

    async def _filled(self, writer: str, table: str) -> bool:
        query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(*table.split("."))).as_string()
        ((filled,),) = await self.nodes[writer].ask(query, deadline=self.pace.answer)
        return bool(filled)

    async def _refresh(self, site: str, stream: str) -> None:
        """It dials the writer, and cannot run inside a transaction."""
        text = sql.SQL("ALTER SUBSCRIPTION {} REFRESH PUBLICATION WITH (copy_data = false)").format(sql.Identifier(stream))
        await self.nodes[site].ask(text.as_string(), deadline=self.pace.statement)

    async def _await_followers(self, states: Mapping[str, NodeState]) -> None:
        """Every follower has applied all that its writer wrote until now."""
        writer = writer_of(states)
        names = [name for state in states.values() if (name := outlook.stream_of(state, writer)) is not None]
        patience = self.pace.confirm
        query = "SELECT trimaran.await_slots(%s, pg_current_wal_flush_lsn(), %s, %s)"
        ((confirmed,),) = await self.nodes[writer.site].ask(
            query, names, len(names), patience, deadline=patience + self.pace.answer
        )
        if late := sorted(set(names) - set(confirmed)):
            raise Refused(
                guard="followers-first-apply",
                value=f"{', '.join(late)} has not applied what {writer.site} wrote",
                limit=f"within {patience.total_seconds():g} s",
                way_out="See why it stands still; then begin again: the writer's part is done.",
            )

    async def _give_back(self, one: Migration, states: Mapping[str, NodeState]) -> None:
        """A follower that has dropped a column already gets it again, empty, while the writer still has it.

        Half of a contract step is done, writer and aws; the writer dies; gcp is elected, for it alone has the last payment, and it still
        has the column. It sends the column with every row, and aws stops at the first: nobody can pay, until this.
        """
        writer = writer_of(states)
        begun = writer.done(one.number)
        for site, state in sorted(states.items()):
            if site == writer.site or state.done(one.number) <= begun:
                continue
            missing: list[tuple[str, str, str]] = []
            for statement in one.statements[begun : state.done(one.number)]:
                effect = effect_of(statement)
                if effect is not None and effect.kind is Kind.DROP_COLUMN:
                    rows = await self.nodes[writer.site].ask(COLUMN_TYPE, effect.table, effect.name, deadline=self.pace.answer)
                    missing += [(effect.table, effect.name, str(kind)) for (kind,) in rows]
            await restore_columns(self.nodes[site], one, missing, begun, _expected(state), self.pace)
            self.tell(f"{one.file}: {site} waits for {writer.site} again")

    async def _may_lack(self, one: Migration, states: Mapping[str, NodeState]) -> None:
        """A column goes from the writer first; until it goes from a follower, that one takes rows without it."""
        for statement in one.statements:
            effect = effect_of(statement)
            if effect is None or effect.kind is not Kind.DROP_COLUMN:
                continue
            for site in sorted(states):
                if await self.nodes[site].ask(MUST_HAVE, effect.table, effect.name, deadline=self.pace.answer):
                    raise Refused(
                        guard="may-be-missing",
                        value=f"{effect.table}.{effect.name} is NOT NULL without a default on {site}",
                        limit="a column that rows may lack",
                        way_out="First an expand step: ALTER COLUMN ... DROP NOT NULL.",
                    )


def _expected(state: NodeState) -> Expected:
    return Expected(role=state.role, epoch=state.epoch)
