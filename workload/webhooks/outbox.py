"""What the dispatcher asks the writer's database. Every answer is durable before it is given: `Answers` waits for the barrier."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from workload.durable import statement
from workload.durable.answers import Answers
from workload.durable.evidence import Evidence, Reign
from workload.durable.session import Session
from workload.durable.statement import REIGN, Row
from workload.webhooks.model import Event

DUE = (  # only constants go into the text
    f"SELECT {REIGN}, (SELECT json_agg(d) FROM outbox.due(%s::uuid[], %s::uuid[], %s, %s, %s) AS d)"  # noqa: S608
    " FROM trimaran.admit() AS a"
)
ADVANCE = "SELECT epoch, system_identifier, timeline FROM outbox.advance(%s::uuid[], %s::bigint[])"
SWEEP = "SELECT epoch, system_identifier, timeline, swept FROM outbox.sweep(%s, %s)"
SWEPT_AT_ONCE = 1000


class Outbox(Protocol):
    """The outbox of the present writer. Every method raises Unanswered."""

    async def due(
        self, *, busy: Collection[UUID], slow: Collection[UUID], places: int, slow_places: int, most: int
    ) -> Sequence[Event]:
        """Durable events that are to be sent next, in order of account and sequence; see `outbox.due`."""

    async def advance(self, cursors: Mapping[UUID, int]) -> None:
        """Returns when these cursors are durable."""

    async def sweep(self, retention: timedelta) -> int:
        """Delete delivered events that are older; answers how many, not all at once."""


class WriterOutbox:
    """Outbox in the database of whoever writes."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def due(
        self, *, busy: Collection[UUID], slow: Collection[UUID], places: int, slow_places: int, most: int
    ) -> Sequence[Event]:
        values = (list(busy), list(slow), places, slow_places, most)

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Sequence[Event], Evidence]:
            evidence, (found,) = await statement.read(session, site, DUE, values, deadline)
            return tuple(map(_event, found or ())), evidence

        return await self._answers.give(ask)

    async def advance(self, cursors: Mapping[UUID, int]) -> None:
        await self._write(ADVANCE, (list(cursors), list(cursors.values())))

    async def sweep(self, retention: timedelta) -> int:
        row = await self._write(SWEEP, (retention, SWEPT_AT_ONCE))
        return int(row[3])

    async def _write(self, text: str, values: Row) -> Row:
        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Row, Evidence]:
            written = await statement.write(session, site, text, values, deadline)
            epoch, system_identifier, timeline = written.row[:3]
            reign = Reign(site=site, epoch=epoch, system_identifier=system_identifier, timeline=timeline)
            return written.row, Evidence(reign=reign, lsn=written.lsn)

        return await self._answers.give(ask)


def _event(row: Mapping[str, object]) -> Event:
    return Event(
        id=UUID(str(row["id"])),
        account=UUID(str(row["account"])),
        sequence=int(str(row["sequence"])),
        body=str(row["body"]),
        delivered=int(str(row["delivered"])),
        url=str(row["url"]),
        secret=str(row["secret"]),
    )
