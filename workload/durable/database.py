"""One service's database as a process of it sees it: warm sessions to every site, the writer found, the barrier polled."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import structlog

from workload.durable.answers import Answers
from workload.durable.finder import Finder, Outlook
from workload.durable.lanes import Durability, Lanes
from workload.durable.neighbour import Neighbour
from workload.durable.session import Session, connect
from workload.durable.sessions import Sessions
from workload.durable.settings import DurableSettings
from workload.metrics import ServiceMetrics

log = structlog.get_logger()

Durably = Callable[[Durability], Durability]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """The service whose database it is."""

    service: str
    password: str
    name: str | None = None
    """What its processes call themselves: nodes know from it for which schema they were written."""
    role: str | None = None
    """As whom they log in; None: as the service itself."""
    await_held: str
    """Statement that asks a follower which of some rows it holds: `(reign, ids, patience) -> ids`."""
    durably: Durably = lambda durability: durability
    """What stands before the barrier: nothing, except in proofs that show what is lost without one."""


class Database:
    """Every part that a service's answers go through, put together and not yet running."""

    def __init__(self, settings: DurableSettings, tenant: Tenant, metrics: ServiceMetrics) -> None:
        tuning = settings.tuning
        self._openers = {
            site: partial(
                connect,
                address,
                service=tenant.service,
                password=tenant.password,
                statement=tuning.statement_deadline,
                deadline=tuning.connect_deadline,
                name=tenant.name,
                role=tenant.role,
            )
            for site, address in settings.databases.items()
        }
        self.site, self._tuning = settings.site, tuning
        self._beside: list[Sessions[Session]] = []
        self.crews = {site: self._pool(site, tuning.lanes, self._fly) for site in settings.databases}
        self.sessions = {site: self._pool(site, tuning.sessions) for site in settings.databases}
        self.lanes = Lanes(self.crews, patience=tuning.barrier_patience, statement_deadline=tuning.statement_deadline)
        self.neighbour = Neighbour(
            self.lanes,
            self.crews[settings.site],
            await_held=tenant.await_held,
            service=tenant.service,
            site=settings.site,
            patience=tuning.neighbour_patience,
            statement_deadline=tuning.statement_deadline,
        )
        self.finder = Finder(
            self._openers, interval=tuning.finder_interval, deadline=tuning.statement_deadline, on_change=self._follow
        )
        self.answers = Answers(
            compass=self.finder,
            sessions=self.sessions,
            durability=tenant.durably(self.neighbour),
            tuning=tuning,
            meter=metrics,
            monotonic=time.monotonic,
        )
        metrics.watch("waiting", "Answers held back by the barrier.", lambda: self.lanes.waiting)
        metrics.watch("writer_epoch", "Epoch of the writer that is asked, 0 when none is known.", self._epoch)
        for site, pool in self.sessions.items():
            metrics.watch("sessions", "Living sessions.", partial(_count_alive, pool), site=site)

    def beside(self, size: int) -> Sessions[Session]:
        """Sessions of their own to this site's node, whatever its role, for what no answer rests on; kept warm as the others are. To be
        called before `running`. At the writer's site such questions would otherwise take payments' sessions, twice each."""
        pool = self._pool(self.site, size)
        self._beside.append(pool)
        return pool

    def situation(self) -> Mapping[str, object]:
        """What this process sees, for people and probes."""
        writer, age = self.finder.writer, self.answers.proof_age
        return {
            "site": self.site,
            "writer": writer.site if writer else None,
            "epoch": writer.epoch if writer else None,
            "proof_age_seconds": None if age is None else round(age.total_seconds(), 3),
            "waiting": self.lanes.waiting,
            "sites": {
                site: {
                    "role": view.role if view else "unknown",
                    "epoch": view.epoch if view else None,
                    "sessions": self.sessions[site].alive,
                }
                for site, view in self.finder.views.items()
            },
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep sessions warm and the writer known for the length of the block."""
        pools = (*self.sessions.values(), *self.crews.values(), *self._beside)
        keepers = [pool.keep() for pool in pools]
        tasks = [asyncio.create_task(work) for work in (*keepers, *map(self.finder.watch, self.sessions))]
        for task in tasks:
            task.add_done_callback(die_of_a_defect)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(pool.close() for pool in pools))
        for defect in ended:
            if isinstance(defect, Exception):
                raise defect

    def _pool(self, site: str, size: int, on_free: Callable[[], None] = lambda: None) -> Sessions[Session]:
        # Sessions of pools outlive a deadline. The finder's do not: a site's end is seen by theirs.
        opener = partial(self._openers[site], grace=self._tuning.late_answers)
        return Sessions(opener, size=size, proof_deadline=self._tuning.statement_deadline, on_free=on_free)

    def _fly(self) -> None:
        self.lanes.fly()
        self.neighbour.fly()

    def _follow(self, before: Outlook, after: Outlook) -> None:
        log.info("writer changed", site=after.writer.site if after.writer else None, epoch=after.floor, before=before.floor)
        if after.writer is not None:
            self.lanes.abandon(below=after.writer.epoch)
        if before.writer is not None and (after.writer is None or after.writer.site != before.writer.site):
            for pool in (self.sessions[before.writer.site], self.crews[before.writer.site]):
                pool.shut_late()

    def _epoch(self) -> float:
        return self.finder.writer.epoch if self.finder.writer else 0


def _count_alive(pool: Sessions[Session]) -> float:
    return pool.alive


def die_of_a_defect(task: "asyncio.Task[None]") -> None:
    """Stop the process when one of its background tasks ended by itself.

    Without this: the task that finds the writer dies of a bug, and the process serves the old writer for ever, looking healthy.
    """
    if not task.cancelled() and task.exception() is not None:
        log.critical("a background task ended; stopping", error=repr(task.exception()))
        signal.raise_signal(signal.SIGTERM)
