"""What followers need around a statement: streams that know every table, columns that the writer still sends, and time to catch up."""

from collections.abc import Callable, Mapping

from psycopg import sql

from workload.schema import outlook
from workload.schema.effects import Kind, effect_of
from workload.schema.errors import Refused, SchemaError
from workload.schema.migration import Migration
from workload.schema.node import NodeSession, NodeState
from workload.schema.outlook import States, writer_of
from workload.schema.step import Pace, restore_columns, unpublish

Nodes = Mapping[str, NodeSession]
Tell = Callable[[str], None]

COLUMN_TYPE = """
SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a
WHERE a.attrelid = to_regclass(%s) AND a.attname = %s AND NOT a.attisdropped"""

NODE_ROW = "SELECT FROM trimaran.node FOR UPDATE"
"""Free again as soon as whoever attaches this node has committed, or given up."""


async def have_followed(nodes: Nodes, table: str, states: States, pace: Pace, tell: Tell) -> None:
    """Every follower takes the new table's rows from the first one on. Raises Refused when there are rows that one was never sent.

    `copy_data = false`, because there is nothing to copy; were there a row already, the followers would never have it. And nothing
    but this table: refreshed, a stream takes every published table for copied, also one that somebody published yesterday and
    filled since.
    """
    writer = writer_of(states)
    for site in sorted(set(states) - {writer.site}):
        published = (await nodes[writer.site].state(pace.answer)).published
        # A stream that is being made now was told of the published tables before; whoever makes it holds this row, and is waited for.
        await nodes[site].ask(NODE_ROW, deadline=pace.answer)
        name, taken = _stream(await nodes[site].state(pace.answer), writer)
        if name is None:
            tell(f"{table} will be copied to {site} with everything else")
            continue
        missing = published - taken
        if not missing:
            continue
        if missing != {table} or await _filled(nodes[writer.site], table, pace):
            raise _unfollowed(site, missing)
        await _refresh(nodes[site], name, pace)
        if published - _stream(await nodes[site].state(pace.answer), writer)[1]:
            raise SchemaError(f"{site}: {table} is not followed yet; begin again")
        if await _filled(nodes[writer.site], table, pace):
            raise _unfollowed(site, missing)
        tell(f"{table} is followed by {site}")


def _stream(follower: NodeState, writer: NodeState) -> tuple[str | None, frozenset[str]]:
    """The follower's stream from the writer and the tables it takes; without a name: the node waits to be seeded. Raises Refused when
    it has another stream of the reign, or a dead one."""
    name = outlook.stream_of(follower, writer)
    if name is None and follower.site not in outlook.reign_of({follower.site: follower, writer.site: writer}):
        raise Refused(
            guard="one-reign",
            value=f"{follower.site} no longer streams from {writer.site}",
            limit="a writer and followers that stream from it",
            way_out="Let the controllers finish; then begin again.",
        )
    return name, next((one.tables for one in follower.streams if one.name == name), frozenset())


def _unfollowed(site: str, tables: frozenset[str]) -> Refused:
    return Refused(
        guard="no-row-unfollowed",
        value=f"{', '.join(sorted(tables))} may have rows that {site} was never sent",
        limit="a new table that is empty until every follower takes its rows, and no other",
        way_out=f"Take {site} out and have it seeded again, or copy those rows by hand; then begin again.",
    )


async def _filled(writer: NodeSession, table: str, pace: Pace) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(*table.split("."))).as_string()
    ((filled,),) = await writer.ask(query, deadline=pace.answer)
    return bool(filled)


async def _refresh(follower: NodeSession, stream: str, pace: Pace) -> None:
    """It dials the writer, and cannot run inside a transaction."""
    text = sql.SQL("ALTER SUBSCRIPTION {} REFRESH PUBLICATION WITH (copy_data = false)").format(sql.Identifier(stream))
    await follower.ask(text.as_string(), deadline=pace.statement)


async def caught_up(nodes: Nodes, states: States, pace: Pace) -> None:
    """Every follower has applied all that its writer wrote until now. Raises Refused with who has not."""
    writer = writer_of(states)
    names = [name for state in states.values() if (name := outlook.stream_of(state, writer)) is not None]
    patience = pace.confirm
    query = "SELECT trimaran.await_slots(%s, pg_current_wal_flush_lsn(), %s, %s)"
    ((confirmed,),) = await nodes[writer.site].ask(query, names, len(names), patience, deadline=patience + pace.answer)
    if late := sorted(set(names) - set(confirmed)):
        raise Refused(
            guard="followers-first-apply",
            value=f"{', '.join(late)} has not applied what {writer.site} wrote",
            limit=f"within {patience.total_seconds():g} s",
            way_out="See why it stands still; then begin again: the writer's part is done.",
        )


async def give_back(nodes: Nodes, one: Migration, states: States, pace: Pace, tell: Tell) -> None:
    """A follower that has dropped a column already gets it again, empty, while the writer still has it.

    Half of a contract step is done, writer and aws; the writer dies; gcp is elected, for it alone has the last payment, and it still
    has the column. It sends the column with every row, and aws stops at the first: nobody can pay, until this.

    Columns only. An index or a function that a follower lacks stops no stream, and a table is withdrawn from every publication before
    the first node drops it.
    """
    writer = writer_of(states)
    begun = writer.done(one.number)
    for site, state in sorted(states.items()):
        missing: list[tuple[str, str, str]] = []
        for statement in one.statements[begun : state.done(one.number)]:
            effect = effect_of(statement)
            if effect is not None and effect.kind is Kind.DROP_COLUMN:
                rows = await nodes[writer.site].ask(COLUMN_TYPE, effect.table, effect.name, deadline=pace.answer)
                missing += [(effect.table, effect.name, str(kind)) for (kind,) in rows]
        if missing:
            await restore_columns(nodes[site], one, missing, begun, outlook.expected(state), pace)
            columns = ", ".join(f"{table}.{name}" for table, name, _ in missing)
            tell(f"{one.file}: {site} has {columns} again, empty and last in its table, until {writer.site} gives it up")


async def withdraw(nodes: Nodes, table: str, states: States, pace: Pace, tell: Tell) -> None:
    """Nobody publishes the table any more, before anybody drops it.

    azure and aws have dropped it; azure dies; gcp is elected and still publishes it. azure comes back, and cannot begin to follow: its
    subscription names a table that it has not. And the removal cannot go on before azure follows.
    """
    for site, state in sorted(states.items()):
        if table in state.published:
            await unpublish(nodes[site], table, outlook.expected(state), pace)
            tell(f"{table} is published no more by {site}")
