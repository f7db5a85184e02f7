"""Migrations across the nodes of one service: every statement reaches all nodes, in the order of its kind, before the next one begins.

What each order protects:
- *Expand, followers first.* The writer sends whatever columns it has; a follower that lacks one stops at the first such row.
- *A new table is published with its creation, and followed on every node before the next statement.* A follower skips the rows of a
  table that it was not told of, silently, and confirms them: a payment's event would be acknowledged by a node that has not got it.
  So nothing may write the table before every follower takes its rows, and whatever may write it (a function, a grant) is a later
  statement.
- *Contract, the writer first, and then a wait.* Followers give up a column only once they have applied everything that still had it.

Begun again after a crash, a failover or a refusal, it goes on from what the nodes themselves have on record. While a node is away
nothing new is begun, and what was begun is completed on the others: see `Rollout.apply`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from workload.schema import followers, outlook, rules
from workload.schema.effects import Kind, effect_of
from workload.schema.errors import Refused, Unreached
from workload.schema.migration import Kind as Direction
from workload.schema.migration import Migration
from workload.schema.node import Door, NodeSession, NodeState
from workload.schema.outlook import Uses, writer_of
from workload.schema.step import Pace, carry_out

Tell = Callable[[str], None]

WATCH = timedelta(seconds=10)
"""How long the versions in use are watched: a process that has lost all its sessions has new ones long before."""

NO_ROWS = frozenset({Kind.ADD_COLUMN, Kind.RELAX_COLUMN, Kind.COMMENT, Kind.CREATE_INDEX, Kind.CREATE_INDEX_BESIDE})
"""Kinds after which a writer writes no table that it did not write before."""

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
        what was done until then stays done.

        While a node is away, what was begun is completed on the others, and then it refuses. A column reached aws, gcp was busy, azure
        dies, aws is elected for the last payment it has: it sends gcp a column that gcp lacks, nobody can acknowledge, and azure's
        cloud may be away for a day.
        """
        rules.check(self.migrations, self.service)
        for session in self.nodes.values():
            await session.alone()
        wanted = [one for one in self.migrations if up_to is None or one.number <= up_to]
        states = await look(self.nodes, self.pace)
        for refusal in outlook.contradictions(self.migrations, states):
            raise refusal
        for refusal in outlook.absences(states, self.sites):
            await self._complete(wanted, outlook.reign_of(states))
            raise refusal
        todo = outlook.pending(wanted, states)
        for one in todo:
            await self._carry(one)
        return tuple(one.number for one in todo)

    async def _look(self) -> Mapping[str, NodeState]:
        states = await look(self.nodes, self.pace)
        for refusal in outlook.objections(self.migrations, states, self.sites):
            raise refusal
        return states

    async def _complete(self, migrations: Sequence[Migration], reign: Mapping[str, NodeState]) -> None:
        """What is half done on the nodes of the reign, and nothing new: the others get an addition that one of them has, and have a
        column again that their writer still sends."""
        for one in migrations:
            if one.kind is Direction.CONTRACT:
                await followers.give_back(self.nodes, one, reign, self.pace, self.tell)
            else:
                await self._advance(one, reign, outlook.begun(one, reign))

    async def _carry(self, one: Migration) -> None:
        states = await self._look()
        if one.kind is Direction.CONTRACT:
            # First of all: until then nobody may be able to pay.
            await followers.give_back(self.nodes, one, states, self.pace, self.tell)
            for refusal in outlook.unseeded(one, states):
                raise refusal
            if (held := outlook.held_back(one, await watch(self.nodes, self.pace, self.watching))) is not None:
                raise held
            states = await self._look()
            await self._may_lack(one, states)
        await self._advance(one, states, len(one.statements))

    async def _advance(self, one: Migration, states: Mapping[str, NodeState], last: int) -> None:
        """The first `last` statements, one after the other, each on all these nodes."""
        writer, order = writer_of(states).site, outlook.order_of(one, states)
        for index, statement in enumerate(one.statements[:last]):
            effect = effect_of(statement)
            kind = effect.kind if effect else None
            if effect is not None and kind is Kind.DROP_TABLE:
                await followers.withdraw(self.nodes, effect.table, states, self.pace, self.tell)
            for site in order:
                if states[site].done(one.number) <= index:
                    if site == writer and kind not in NO_ROWS:
                        await self._nobody_misses(states)
                    await carry_out(self.nodes[site], one, index, outlook.expected(states[site]), self.pace)
                    self.tell(f"{one.file} {index + 1}/{len(one.statements)} {site}")
                if one.kind is Direction.CONTRACT and site == writer:
                    await followers.caught_up(self.nodes, states, self.pace)
            if effect is not None and kind is Kind.CREATE_TABLE:
                await followers.have_followed(self.nodes, effect.table, states, self.pace, self.tell)

    async def _nobody_misses(self, states: Mapping[str, NodeState]) -> None:
        """No node that is away would come back with a stream that was never told of a table, and confirm rows it has skipped.

        A node without a slot on the writer comes back by a copy of everything there is.
        """
        away = self.sites - frozenset(states)
        if not away:
            return
        writer = writer_of(states)
        slots = (await self.nodes[writer.site].state(self.pace.answer)).slots
        awaited = sorted(site for site in away if f"{self.service}_e{writer.epoch}_{writer.site}_{site}" in slots)
        if awaited:
            raise Refused(
                guard="every-node",
                value=f"{', '.join(awaited)} is away, and {writer.site} keeps what it wrote for its stream",
                limit="a stream that is told of every table before anybody writes it",
                way_out="Bring it back; or have it taken out and seeded again.",
            )

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
