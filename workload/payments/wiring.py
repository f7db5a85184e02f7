"""Puts the service together. The only place that names concrete classes.

There is no setting that turns the barrier off. Proving that payments are lost without one takes a program of its own, which
passes another `Durability` here; none is part of this package.
"""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import structlog
import uvicorn

from workload.payments import app as http
from workload.payments.finder import Finder, Outlook
from workload.payments.gate import Gate
from workload.payments.identifiers import uuid7
from workload.payments.lanes import Durability, Lanes
from workload.payments.metrics import Metrics
from workload.payments.neighbour import Neighbour
from workload.payments.service import Payments
from workload.payments.session import Session, connect
from workload.payments.sessions import Sessions
from workload.payments.settings import Settings

log = structlog.get_logger()

Durably = Callable[[Durability], Durability]


class Assembly:
    """Every part of one process, put together and not yet running."""

    def __init__(self, settings: Settings, password: str, durably: Durably = lambda durability: durability) -> None:
        tuning = settings.tuning
        openers = {
            site: partial(
                connect,
                address,
                service=settings.service,
                password=password,
                statement=tuning.statement_deadline,
                deadline=tuning.connect_deadline,
            )
            for site, address in settings.databases.items()
        }
        self.metrics = Metrics()
        self.crews: dict[str, Sessions[Session]] = {
            site: Sessions(opener, size=tuning.lanes, proof_deadline=tuning.statement_deadline, on_free=self._fly)
            for site, opener in openers.items()
        }
        self.sessions: dict[str, Sessions[Session]] = {
            site: Sessions(opener, size=tuning.sessions, proof_deadline=tuning.statement_deadline)
            for site, opener in openers.items()
        }
        self.lanes = Lanes(self.crews, patience=tuning.barrier_patience, statement_deadline=tuning.statement_deadline)
        self.neighbour = Neighbour(
            self.lanes,
            self.crews[settings.site],
            service=settings.service,
            site=settings.site,
            patience=tuning.neighbour_patience,
            statement_deadline=tuning.statement_deadline,
        )
        self.finder = Finder(openers, interval=tuning.finder_interval, deadline=tuning.statement_deadline, on_change=self._follow)
        self.payments = Payments(
            compass=self.finder,
            sessions=self.sessions,
            durability=durably(self.neighbour),
            tuning=tuning,
            metrics=self.metrics,
            new_id=uuid7,
            monotonic=time.monotonic,
        )
        self.site = settings.site
        application = http.build(self.payments, site=self.site, metrics=self.metrics.render, situation=self.situation)
        self.gate = Gate(
            application,
            max_in_flight=tuning.max_in_flight,
            deadline=tuning.request_deadline,
            on_refusal=self.metrics.overloaded,
        )
        self._publish_gauges()

    def situation(self) -> Mapping[str, object]:
        """What this process sees, for people and probes."""
        writer, age = self.finder.writer, self.payments.proof_age
        return {
            "site": self.site,
            "writer": writer.site if writer else None,
            "epoch": writer.epoch if writer else None,
            "proof_age_seconds": None if age is None else round(age.total_seconds(), 3),
            "waiting": self.lanes.waiting,
            "in_flight": self.gate.inside,
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
        keepers = [pool.keep() for pool in (*self.sessions.values(), *self.crews.values())]
        tasks = [asyncio.create_task(work) for work in (*keepers, *map(self.finder.watch, self.sessions))]
        for task in tasks:
            task.add_done_callback(_die_of_a_defect)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            for pool in (*self.sessions.values(), *self.crews.values()):
                pool.close()
        for defect in ended:
            if isinstance(defect, Exception):
                raise defect

    def _fly(self) -> None:
        self.lanes.fly()
        self.neighbour.fly()

    def _follow(self, before: Outlook, after: Outlook) -> None:
        log.info("writer changed", site=after.writer.site if after.writer else None, epoch=after.floor, before=before.floor)
        if after.writer is not None:
            self.lanes.abandon(below=after.writer.epoch)

    def _publish_gauges(self) -> None:
        watch = self.metrics.watch
        watch("payments_in_flight", "Requests being served.", lambda: self.gate.inside)
        watch("payments_waiting", "Answers held back by the barrier.", lambda: self.lanes.waiting)
        watch("payments_writer_epoch", "Epoch of the writer payments go to, 0 when none is known.", self._epoch)
        for site, pool in self.sessions.items():
            watch("payments_sessions", "Living sessions.", partial(_count_alive, pool), site=site)

    def _epoch(self) -> float:
        return self.finder.writer.epoch if self.finder.writer else 0


def _count_alive(pool: Sessions[Session]) -> float:
    return pool.alive


def _die_of_a_defect(task: "asyncio.Task[None]") -> None:
    # Without this: the task that finds the writer dies of a bug, and the process serves the old writer for ever, looking healthy.
    if not task.cancelled() and task.exception() is not None:
        log.critical("a background task ended; stopping", error=repr(task.exception()))
        signal.raise_signal(signal.SIGTERM)


async def serve(assembly: Assembly, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is inside. Raises what ended a background task, if anything did."""
    config = uvicorn.Config(
        assembly.gate, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=75, timeout_graceful_shutdown=3
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        # The server raises the signal that stopped it once more when it is done; by then there is nothing left to stop.
        signal.signal(number, lambda *_: None)
    async with assembly.running():
        log.info("serving", site=assembly.site, address="{}:{}".format(*listener.getsockname()[:2]))
        await uvicorn.Server(config).serve(sockets=[listener])
    log.info("stopped", site=assembly.site)
