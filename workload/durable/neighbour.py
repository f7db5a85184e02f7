"""The shortest proof: the follower beside this process already holds the payment on its disk.

From a far site the writer's barrier is a second round trip: it tells, over the same distance, what a member of the ack set confirmed. When
that member stands right here, it can be asked itself. What it must answer, and why that is enough, is `docs/decisions/0009`; in short:
any member's copy is what an acknowledgement rests on, every failover reads every member, and this member has the payment.
"""

import asyncio
from collections.abc import Collection
from datetime import timedelta
from functools import partial
from uuid import UUID

import psycopg

from workload.durable.evidence import Evidence
from workload.durable.lanes import Crew, Durability
from workload.durable.session import Lost, Session
from workload.telemetry.steps import note

SULK = 1.0
"""Seconds for which a neighbour that did not have a payment in time is not asked: meanwhile payments do not wait for it in vain."""


class Neighbour:
    """Durability by the follower of one's own site, with the writer's barrier behind it."""

    def __init__(
        self,
        barrier: Durability,
        crew: Crew,
        *,
        await_held: str,
        service: str,
        site: str,
        patience: timedelta,
        statement_deadline: timedelta,
    ) -> None:
        self._barrier = barrier
        self._crew = crew
        self._await_held = await_held
        self._service, self._site = service, site
        self._patience = patience
        self._deadline = patience + statement_deadline
        self._answers: dict[UUID, asyncio.Future[None]] = {}
        self._epochs: dict[UUID, int] = {}
        self._asked: set[UUID] = set()
        self._flying: set[asyncio.Task[None]] = set()
        self._sulks_until = 0.0

    async def confirm(self, evidence: Evidence, deadline: timedelta) -> None:
        """Return once the neighbour holds the payment or the barrier has passed. Raises OutcomeUnknown as the barrier does."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if self._counts(evidence) and began >= self._sulks_until:
            if await self._is_held(evidence, min(self._patience, deadline)):
                note(confirmed_by="neighbour")
                return
            self._sulks_until = loop.time() + SULK
        await self._barrier.confirm(evidence, deadline - timedelta(seconds=loop.time() - began))

    def fly(self) -> None:
        """Ask for everybody whom no question under way covers, while a session is free."""
        wanted = [id for id in self._answers if id not in self._asked]
        if not wanted or (session := self._crew.take()) is None:
            return
        epoch = self._epochs[wanted[0]]
        ids = [id for id in wanted if self._epochs[id] == epoch]
        self._asked.update(ids)
        task = asyncio.get_running_loop().create_task(self._fly(session, epoch, ids))
        self._flying.add(task)
        task.add_done_callback(self._flying.discard)

    def _counts(self, evidence: Evidence) -> bool:
        """Was the neighbour in the writer's ack set when that was read, after the commit and on the same session?"""
        reign = evidence.reign
        return evidence.row is not None and f"{self._service}_e{reign.epoch}_{reign.site}_{self._site}" in evidence.ack_slots

    async def _is_held(self, evidence: Evidence, patience: timedelta) -> bool:
        assert evidence.row is not None, "only payments are asked for"
        answer = self._answers.setdefault(evidence.row, asyncio.get_running_loop().create_future())
        self._epochs[evidence.row] = evidence.reign.epoch
        try:
            self.fly()
            done, _ = await asyncio.wait([answer], timeout=patience.total_seconds())
            return bool(done)
        finally:
            if not answer.done():
                # A twin of the same key waits for the same answer, and goes to the barrier a moment later too.
                self._forget(evidence.row)

    def _forget(self, payment: UUID) -> "asyncio.Future[None] | None":
        self._epochs.pop(payment, None)
        return self._answers.pop(payment, None)

    async def _fly(self, session: Session, epoch: int, ids: list[UUID]) -> None:
        held: Collection[UUID] = ()
        try:
            held = await session.run(
                partial(_ask, query=self._await_held, epoch=epoch, ids=ids, patience=self._patience), self._deadline
            )
        except (Lost, psycopg.Error):
            pass
        finally:
            self._asked.difference_update(ids)
            for answer in filter(None, map(self._forget, held)):
                answer.set_result(None)
            self._crew.give_back(session)


async def _ask(
    connection: psycopg.AsyncConnection, *, query: str, epoch: int, ids: list[UUID], patience: timedelta
) -> Collection[UUID]:
    cursor = await connection.execute(query, (epoch, ids, patience), prepare=True)
    row = await cursor.fetchone()
    return row[0] if row else ()
