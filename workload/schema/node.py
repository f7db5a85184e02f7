"""One node as a migration sees it: what it is, what it has, and how a step is carried out on it.

Every wait has an end. On a black hole nothing that psycopg waits for ends by itself, so a deadline shuts the socket (see
`durable.session`); a lock is waited for so briefly that payments, which queue behind whoever waits for it, hardly notice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import psycopg

from workload.durable.session import Connection, Lost
from workload.schema.errors import Refused, SchemaError, Unreached

T = TypeVar("T")
Row = tuple[Any, ...]

APPLICATION = "trimaran-schema"
LOCK = "trimaran.migration"
ATTEMPTS = 20

STATE = """
SELECT trimaran.answer_as(), n.role, n.epoch, (i.system_identifier, i.timeline) = (n.system_identifier, n.timeline),
       ARRAY(SELECT line FROM trimaran.schema_lines() AS line ORDER BY line COLLATE "C"), trimaran.fingerprint()
FROM trimaran.node AS n, trimaran.identity() AS i"""
RECORDS = "SELECT number, name, kind, digest, steps, done FROM trimaran.migration ORDER BY number"
STREAMS = """
SELECT s.name, s.epoch, s.publisher, s.enabled,
       ARRAY(SELECT r.srrelid::regclass::text FROM pg_subscription_rel AS r WHERE r.srsubid = s.id)
FROM trimaran.subscriptions() AS s"""
PUBLISHED = "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_publication_tables WHERE pubname = %s"
SLOTS = "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
PROCESSES = """
SELECT application_name FROM pg_stat_activity
WHERE datname = current_database() AND starts_with(usename, %s) AND usename <> ALL (%s::name[])"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where one site's database is reached by the role that owns its tables."""

    site: str
    conninfo: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a node says of one migration."""

    number: int
    name: str
    kind: str
    digest: str
    steps: int
    done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One subscription of a node, and the tables whose rows it takes, or is copying."""

    name: str
    epoch: int
    publisher: str
    enabled: bool
    tables: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """Everything the order of the steps is made from, as one node said it."""

    site: str
    role: str
    epoch: int
    pinned: bool
    fingerprint: str
    lines: frozenset[str] = frozenset()
    """What the fingerprint is of."""
    records: Mapping[int, Record] = field(default_factory=dict)
    streams: tuple[Stream, ...] = ()
    published: frozenset[str] = frozenset()
    slots: frozenset[str] = frozenset()
    """What keeps this node's log for others, by name."""
    processes: tuple[str, ...] = ()
    """Names under which sessions of the service are logged in here."""

    def done(self, number: int) -> int:
        """Statements of a migration that are done here."""
        record = self.records.get(number)
        return record.done if record else 0


class NodeSession:
    """A session with one node, for the length of one command."""

    def __init__(self, site: str, service: str, connection: Connection) -> None:
        self.site, self.service = site, service
        self._connection = connection

    @classmethod
    async def connect(cls, door: Door, service: str, deadline: timedelta) -> "NodeSession":
        """Raises Unreached."""
        options = f"-c trimaran.dialled={door.site} -c search_path=pg_catalog"
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                connection = await psycopg.AsyncConnection.connect(
                    door.conninfo, autocommit=True, prepare_threshold=None, application_name=APPLICATION, options=options
                )
        except (TimeoutError, psycopg.Error, OSError) as error:
            raise Unreached(f"{door.site}: {str(error).strip() or type(error).__name__}") from None
        return cls(door.site, service, Connection(connection))

    async def run(self, work: Callable[[psycopg.AsyncConnection], Awaitable[T]], deadline: timedelta) -> T:
        """Do `work` within the deadline. Raises Unreached; errors of the database pass through."""
        try:
            return await self._connection.run(work, deadline)
        except Lost as lost:
            raise Unreached(f"{self.site}: no answer within {deadline.total_seconds():g} s: {lost}") from None

    async def ask(self, query: str, *values: object, deadline: timedelta) -> list[Row]:
        """Rows of one statement. Raises Unreached, and SchemaError with what the database said."""

        async def work(connection: psycopg.AsyncConnection) -> list[Row]:
            cursor = await connection.execute(query, values or None)
            return await cursor.fetchall() if cursor.description else []

        try:
            return await self.run(work, deadline)
        except psycopg.Error as error:
            raise SchemaError(f"{self.site}: {error.diag.message_primary or error}") from error

    async def alone(self) -> None:
        """From now on nobody else migrates this node, as long as this session lives. One that has just ended is waited for. Raises
        Refused."""
        for _ in range(ATTEMPTS):
            ((granted,),) = await self.ask("SELECT pg_try_advisory_lock(hashtext(%s))", LOCK, deadline=timedelta(seconds=5))
            if granted:
                return
            await asyncio.sleep(0.1)
        raise Refused(
            guard="one-migration",
            value=f"somebody migrates {self.site} already",
            limit="one at a time",
            way_out=f"Wait, or end the session that is named {APPLICATION} there.",
        )

    async def state(self, deadline: timedelta) -> NodeState:
        """What the node is and has. Raises Unreached, SchemaError."""
        rows = await self.ask(STATE, deadline=deadline)
        if not rows:
            raise SchemaError(f"{self.site}: it has no node row: it was never founded")
        site, role, epoch, pinned, lines, fingerprint = rows[0]
        records = [Record(**dict(zip(Record.__slots__, row, strict=True))) for row in await self.ask(RECORDS, deadline=deadline)]
        streams = await self.ask(STREAMS, deadline=deadline)
        published = await self.ask(PUBLISHED, f"{self.service}_ledger", deadline=deadline)
        # Every login of the service but those of controllers and streams: the dispatcher of webhooks has one of its own.
        others = [f"{self.service}_control", f"{self.service}_stream"]
        slots = await self.ask(SLOTS, deadline=deadline)
        processes = await self.ask(PROCESSES, f"{self.service}_", others, deadline=deadline)
        return NodeState(
            site=site,
            role=role,
            epoch=epoch,
            pinned=pinned,
            fingerprint=fingerprint,
            lines=frozenset(lines),
            records={one.number: one for one in records},
            streams=tuple(
                Stream(name=name, epoch=reign, publisher=publisher, enabled=enabled, tables=frozenset(tables))
                for name, reign, publisher, enabled, tables in streams
            ),
            published=frozenset(name for (name,) in published),
            slots=frozenset(name for (name,) in slots),
            processes=tuple(name for (name,) in processes),
        )

    def close(self) -> None:
        """End it without waiting."""
        self._connection.shut()
