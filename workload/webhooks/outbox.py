"""What the dispatcher asks the writer's database. Every answer is durable before it is given: `Answers` waits for the barrier."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from workload.durable import statement
from workload.durable.answers import Answers
from workload.durable.evidence import Evidence, Reign
from workload.durable.session import Session
from workload.durable.statement import REIGN, Row
from workload.webhooks.model import Due, Event, Look, Place, Swept

OUTDATED = """
SELECT json_agg(k.account) FROM unnest(%s::uuid[], %s::uuid[]) AS k (account, registration)
WHERE NOT EXISTS (SELECT FROM outbox.endpoint AS p WHERE p.account = k.account AND p.registration = k.registration AND p.enabled)"""
UUIDS = "%s::uuid[]"
DUE = (  # only constants go into the text
    f"SELECT {REIGN}, (SELECT json_agg(d) FROM outbox.due(%s, {UUIDS}, {UUIDS}, {UUIDS}, {UUIDS}, %s, %s, %s, %s) AS d), ({OUTDATED})"  # noqa: S608
    " FROM trimaran.admit() AS a"
)
ADVANCE = "SELECT epoch, system_identifier, timeline FROM outbox.advance(%s::uuid[], %s::bigint[], %s::bigint[])"
SWEEP = "SELECT epoch, system_identifier, timeline, swept, until FROM outbox.sweep(%s, %s, %s)"
SWEPT_AT_ONCE = 1000
"""Events that one look for old ones looks at."""
LATELY = timedelta(seconds=10)
"""Whoever was paid in this time is looked for without looking at everybody."""
BEGINNING = UUID(int=0)
"""Before every id."""


class Outbox(Protocol):
    """The outbox of the present writer. Every method raises Unanswered."""

    async def due(self, look: Look) -> Due:
        """Durable events that are to be sent next, see `outbox.due`; and which of the accounts that are known are registered otherwise."""

    async def advance(self, cursors: Mapping[UUID, Place]) -> None:
        """Returns when these cursors are durable."""

    async def sweep(self, retention: timedelta, since: UUID) -> Swept:
        """Delete delivered events that are older: of as many as one look takes, behind `since`."""


class WriterOutbox:
    """Outbox in the database of whoever writes."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def due(self, look: Look) -> Due:
        recent, others = (None, []) if look.also is None else (LATELY, list(look.also))
        accounts = (others, list(look.failing), list(look.busy), list(look.slow))
        places = (look.places, look.slow_places, look.beyond)
        values = (recent, *accounts, *places, look.most, list(look.known), list(look.known.values()))

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Due, Evidence]:
            evidence, (found, outdated) = await statement.read(session, site, DUE, values, deadline)
            return Due(events=tuple(map(_event, found or ())), outdated=frozenset(map(UUID, outdated or ()))), evidence

        return await self._answers.give(ask)

    async def advance(self, cursors: Mapping[UUID, Place]) -> None:
        epochs, sequences = [epoch for epoch, _ in cursors.values()], [sequence for _, sequence in cursors.values()]
        await write(self._answers, ADVANCE, (list(cursors), epochs, sequences))

    async def sweep(self, retention: timedelta, since: UUID) -> Swept:
        _, (events, until) = await write(self._answers, SWEEP, (retention, since, SWEPT_AT_ONCE))
        return Swept(events=events, until=until)


async def write(answers: Answers, text: str, values: Row) -> tuple[Reign, Row]:
    """Carry out one statement whose first columns are the reign it was carried out in; answers that and the other columns, once all of it
    is durable. Raises Unanswered."""

    async def ask(session: Session, site: str, deadline: timedelta) -> tuple[tuple[Reign, Row], Evidence]:
        written = await statement.write(session, site, text, values, deadline)
        epoch, system_identifier, timeline = written.row[:3]
        reign = Reign(site=site, epoch=epoch, system_identifier=system_identifier, timeline=timeline)
        return (reign, written.row[3:]), Evidence(reign=reign, lsn=written.lsn)

    return await answers.give(ask)


def _event(row: Mapping[str, object]) -> Event:
    return Event(
        id=UUID(str(row["id"])),
        account=UUID(str(row["account"])),
        epoch=int(str(row["epoch"])),
        sequence=int(str(row["sequence"])),
        body=str(row["body"]),
        delivered=int(str(row["delivered"])),
        url=str(row["url"]),
        secret=str(row["secret"]),
        registration=UUID(str(row["registration"])),
    )
