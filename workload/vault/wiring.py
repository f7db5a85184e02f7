"""Puts the service together. Names concrete classes; which key services there are, and who stands at the door, is passed in.

There is no setting that turns the barrier off, and none that keeps a data key with fewer wraps than one.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from starlette.types import ASGIApp

from workload import process
from workload.durable.database import Database, Durably, Tenant, die_of_a_defect
from workload.gate import Gate
from workload.identifiers import uuid7
from workload.vault import app as http
from workload.vault.callers import WhoCalls
from workload.vault.clouds import Clouds
from workload.vault.keyring import Keyring
from workload.vault.metrics import Metrics
from workload.vault.paths import Paths
from workload.vault.repair import Repairs
from workload.vault.service import Vault
from workload.vault.settings import Settings
from workload.vault.store import AWAIT_HELD
from workload.vault.wrapping import Wrapper

Door = Callable[[ASGIApp], ASGIApp]
"""Puts whoever checks callers in front of the application."""

Keeper = Callable[[], Coroutine[Any, Any, None]]
"""Work that goes on for as long as the process lives."""


def random_token() -> UUID:
    """A UUIDv4 (RFC 9562 section 5.4) of 122 random bits: a token that tells neither its number nor its time."""
    return UUID(bytes=os.urandom(16), version=4)


class Assembly:
    """Every part of one process, put together and not yet running."""

    def __init__(
        self,
        settings: Settings,
        password: str,
        wrappers: Sequence[Wrapper],
        *,
        who: WhoCalls,
        door: Door = lambda app: app,
        keepers: Sequence[Keeper] = (),
        durably: Durably = lambda durability: durability,
    ) -> None:
        """`door` leaves with each request what `who` reads there; `keepers` are what the door needs done beside."""
        self.site = settings.site
        self.metrics = Metrics()
        tenant = Tenant(service=settings.service, password=password, await_held=AWAIT_HELD, durably=durably)
        self.database = Database(settings, tenant, self.metrics)
        self.clouds = Clouds(sorted(wrappers, key=lambda one: one.cloud != settings.site), self.metrics)
        self.keyring = Keyring(self.clouds, tuning=settings.keys, entropy=os.urandom, monotonic=time.monotonic)
        self.vault = Vault(
            answers=self.database.answers,
            keyring=self.keyring,
            metrics=self.metrics,
            new_id=uuid7,
            new_token=random_token,
            entropy=os.urandom,
            key_patience=settings.keys.key_patience,
        )
        self.repairs = Repairs(
            answers=self.database.answers,
            compass=self.database.finder,
            site=self.site,
            clouds=self.clouds,
            keyring=self.keyring,
            tuning=settings.keys,
            meter=self.metrics,
        )
        self._keepers = (*keepers, self.keyring.tend, self.repairs.tend)
        self.metrics.watch("cached_keys", "Data keys in memory.", lambda: self.keyring.cached)
        self._stand_at_the_door(settings, who, door)

    def _stand_at_the_door(self, settings: Settings, who: WhoCalls, door: Door) -> None:
        application = http.build(
            self.vault,
            self.database.answers,
            who=who,
            site=self.site,
            metrics=self.metrics.render,
            situation=self.situation,
        )
        self.gate = Gate(
            door(application),
            max_in_flight=settings.tuning.max_in_flight,
            deadline=settings.tuning.request_deadline,
            on_refusal=self.metrics.overloaded,
        )
        self.metrics.watch("in_flight", "Requests being served.", lambda: self.gate.inside)
        # Before the gate, which tells where a request went that it turns away.
        self.application: ASGIApp = Paths(self.gate)

    def situation(self) -> Mapping[str, object]:
        """What this process sees, for people and probes."""
        return {**self.database.situation(), "in_flight": self.gate.inside, "cached_keys": self.keyring.cached}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep sessions warm, the writer known, old keys out and wraps whole for the length of the block. Raises what ended a
        background task, if anything did."""
        async with self.database.running():
            tasks = [asyncio.create_task(work) for work in (keep() for keep in self._keepers)]
            for task in tasks:
                task.add_done_callback(die_of_a_defect)
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
        for defect in ended:
            if isinstance(defect, Exception):
                raise defect


async def serve(assembly: Assembly, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is inside. Raises what ended a background task, if anything did."""
    async with assembly.running():
        await process.serve(assembly.application, listener, site=assembly.site)
