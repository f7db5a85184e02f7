"""The ceiling: the same transaction through the same barrier, asked by SQL alone: `python -m lab.bench_throughput_sql --settings FILE`.

The service's own client of its database, without HTTP, without layers, and with more room. One that is not our own would reach less: a
session of its own for each payment that asks for the barrier itself has the writer polled by dozens at once (measured with pgbench on
two cores: 170 to 520 payments a second, where this reaches 600).
"""

import asyncio
import os
from datetime import timedelta
from uuid import UUID

import uvloop
from pydantic import BaseModel, ConfigDict

from lab.bench_throughput_offer import NotPaidError, keys, told
from lab.program import Ready, read_settings, run_until_told
from lab.site_settings import CURRENCY
from workload.durable.database import Database, Tenant
from workload.durable.errors import Unanswered
from workload.durable.evidence import Evidence
from workload.durable.session import Session
from workload.durable.settings import DurableSettings, Tuning
from workload.identifiers import uuid7
from workload.metrics import ServiceMetrics
from workload.payments import ledger
from workload.payments.model import Decision, Order, Outcome
from workload.payments.settings import PASSWORD_VARIABLE

ROOM = Tuning(sessions=16, session_patience=timedelta(seconds=0.25))
"""Twice the sessions of a service, and no refusal before the promise is broken anyway."""

NAME = "sql"
"""By which it is told to pay."""


class Settings(BaseModel):
    """What the payer needs to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int
    """Where it is told what to offer."""
    database: DurableSettings
    accounts: tuple[UUID, ...]


class Payer:
    """Pays in the database."""

    def __init__(self, database: Database, accounts: tuple[UUID, ...]) -> None:
        self._answers, self._accounts, self._keys = database.answers, accounts, keys()

    async def pay(self, number: int) -> None:
        """One payment from one half of the accounts to the other."""
        half = len(self._accounts) // 2
        order = Order(
            key=next(self._keys),
            debtor=self._accounts[number % half],
            creditor=self._accounts[half + number // half % half],
            amount=100 + number % 900,
            currency=CURRENCY,
        )

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Decision, Evidence]:
            return await ledger.pay(session, site, order, uuid7(), deadline)

        try:
            decision = await self._answers.give(ask)
        except Unanswered as error:
            raise NotPaidError(type(error).__name__) from error
        if decision.outcome is not Outcome.CREATED:
            raise NotPaidError(decision.outcome)


async def run(settings: Settings, password: str, stop: asyncio.Event, ready: Ready) -> None:
    """Pay until `stop`, what it is told."""
    tenant = Tenant(service="payments", password=password, await_held=ledger.AWAIT_HELD)
    database = Database(settings.database, tenant, ServiceMetrics("sql"))
    async with database.running(), told(settings.port, {NAME: Payer(database, settings.accounts).pay}):
        ready(settings.port, settings.port)
        await stop.wait()


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    settings, password = read_settings("lab.bench_throughput_sql", Settings), os.environ[PASSWORD_VARIABLE]
    run_until_told(lambda stop, ready: run(settings, password, stop, ready))


if __name__ == "__main__":
    main()
