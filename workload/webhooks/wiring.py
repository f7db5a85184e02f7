"""Puts the dispatcher together. The only place that names concrete classes.

No setting turns the barrier off, lets two processes sit, sends an account's events side by side, or moves a cursor before its event: the
proofs pass such parts here, and none is in this package.
"""

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from workload import process
from workload.access.operations import Operation
from workload.durable.database import Database, Durably, Tenant
from workload.durable.finder import Finder
from workload.durable.session import connect
from workload.layers import Layers
from workload.schema.outlook import process_name
from workload.webhooks import app as http
from workload.webhooks.courier import Carry, carry
from workload.webhooks.dispatcher import Dispatcher, Sitting
from workload.webhooks.metrics import Metrics
from workload.webhooks.outbox import WriterOutbox
from workload.webhooks.post import Post, http_client
from workload.webhooks.seat import Seat
from workload.webhooks.settings import Settings, webhooks_role
from workload.webhooks.signing import Secrets

NOTHING_HELD = "SELECT '{}'::uuid[]"
"""Never asked: no answer of this process rests on one row alone, so the barrier proves them all."""


OPERATIONS = (Operation(method="GET", path="/status", scope="webhooks:read"),)
"""All that may be asked: it names merchants that are in trouble."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chair:
    """The seat of whoever writes now, as the finder knows it."""

    seat: Seat
    finder: Finder
    refresh: Callable[[], None] = lambda: None
    """Done before each look."""

    @property
    def is_held(self) -> bool:
        """As it was when last asked."""
        return self.seat.is_held

    async def hold(self) -> bool:
        """Ask the present writer's database."""
        self.refresh()
        return await self.seat.hold(self.finder.writer)

    def leave(self) -> None:
        """Give it up."""
        self.seat.leave()


class Assembly:
    """Every part of one process but the client's sockets, put together and not yet running. Raises SecretsError, and CannotBegin when a
    certificate cannot be used."""

    def __init__(
        self,
        settings: Settings,
        password: str,
        *,
        service: str | None = None,
        durably: Durably = lambda durability: durability,
        courier: Carry = carry,
        seated: Callable[[Sitting], Sitting] = lambda place: place,
    ) -> None:
        """`service`: whose outbox, when it is not the settings' own; `seated`: what stands before the seat, as `durably` before the
        barrier."""
        name = service or settings.service
        self.settings = settings
        self.metrics = Metrics()
        self.secrets = Secrets(settings.secrets)
        told = process_name(settings.service, name)
        role = webhooks_role(name)
        tenant = Tenant(service=name, password=password, name=told, role=role, await_held=NOTHING_HELD, durably=durably)
        self.database = Database(settings, tenant, self.metrics)
        tuning = settings.tuning
        openers = {
            site: partial(
                connect,
                address,
                service=name,
                password=password,
                statement=tuning.statement_deadline,
                deadline=tuning.connect_deadline,
                name=told,
                role=role,
            )
            for site, address in settings.databases.items()
        }
        seat = Seat(openers, lapse=settings.lapse, deadline=tuning.statement_deadline)
        self._seat = seated(Chair(seat=seat, finder=self.database.finder, refresh=self.secrets.refresh))
        self._courier = courier
        self.layers = Layers(settings, OPERATIONS, self.metrics)
        self.dispatcher: Dispatcher | None = None
        self.metrics.watch("active", "1 while this process sends.", lambda: float(self._of(lambda one: one.is_active)))
        self.metrics.watch("running", "Accounts that are being sent to.", lambda: self._of(lambda one: one.running))
        away = "1 while this process has left the seat, because no merchant answers it."
        self.metrics.watch("away", away, lambda: float(self._of(lambda one: one.is_away)))
        self.metrics.watch("parked", "Accounts that have failed for long.", lambda: self._of(lambda one: one.parked))

    def situation(self) -> Mapping[str, object]:
        """What this process sees and whom it cannot reach, for people and probes."""
        one = self.dispatcher
        mine = {}
        if one is not None:
            mine = {"active": one.is_active, "away": one.is_away, "parked": one.parked, "failing": one.failing()}
        return {**self.database.situation(), **mine}

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Dispatcher]:
        """Send for the length of the block."""
        settings = self.settings
        async with http_client(settings.allow) as client, self.database.running():
            post = Post(
                client,
                self.secrets,
                deadline=settings.manners.request_deadline,
                plain_http=settings.plain_http,
                clock=lambda: datetime.now(UTC),
            )
            self.dispatcher = Dispatcher(
                WriterOutbox(self.database.answers),
                self._seat,
                post,
                manners=settings.manners,
                interval=settings.interval,
                retention=settings.retention,
                meter=self.metrics,
                monotonic=time.monotonic,
                chance=random.random,
                courier=self._courier,
            )
            async with self.dispatcher.at_work():
                yield self.dispatcher

    def _of(self, read: Callable[[Dispatcher], float]) -> float:
        return 0 if self.dispatcher is None else read(self.dispatcher)


async def serve(assembly: Assembly, listener: socket.socket) -> None:
    """Send and answer probes until SIGTERM or SIGINT. Raises what ended a background task, if anything did."""
    manners = assembly.settings.manners
    # Names are asked for in threads, and a name server that is silent holds one for as long as the system's resolver is patient. With
    # the default of a few threads, a handful of dead names would keep every other merchant's from being asked for.
    names = ThreadPoolExecutor(2 * (manners.places + manners.slow_places + manners.failing_places), "names")
    asyncio.get_running_loop().set_default_executor(names)
    application = http.build(metrics=assembly.metrics.render, situation=assembly.situation)
    layers = assembly.layers
    async with layers.running(), assembly.at_work():
        await process.serve(layers.around(application), listener, site=assembly.settings.site, context=layers.context)
